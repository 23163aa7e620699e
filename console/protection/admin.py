"""Contacts who were erased, or are being erased: read only."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from console.progress import progress_bar
from console.protection.models import Erasure
from console.tenant_admin import OrganizationFilter, TenantAdmin


@admin.register(Erasure)
class ErasureAdmin(TenantAdmin):
    list_display = ["created_at", "who", "organization", "requested_by", "state_label", "progress"]
    list_display_links = None
    list_select_related = ["organization", "requested_by"]
    list_filter = [OrganizationFilter]
    list_before_template = "admin/protection/erasures.html"

    @display(description=_("Contact"))
    def who(self, erasure: Erasure) -> str:
        return str(erasure)

    @display(
        description=_("State"),
        ordering="state",
        label={"waiting": "info", "running": "info", "done": "success", "failed": "danger"},
    )
    def state_label(self, erasure: Erasure) -> Any:
        return erasure.state, erasure.get_state_display()

    @display(description=_("Progress"))
    def progress(self, erasure: Erasure) -> Any:
        if erasure.state == Erasure.State.FAILED:
            return _("Some of it is left. It is tried again each day.")
        return "" if erasure.state == Erasure.State.DONE else progress_bar(erasure)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """From the contact's own page."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, which looks again by itself while a contact is being erased."""
        unfinished = self.get_queryset(request).filter(
            state__in=[Erasure.State.WAITING, Erasure.State.RUNNING]
        )
        context = {**(extra_context or {}), "title": _("Erasures"), "is_working": unfinished.exists()}
        response: HttpResponse = super().changelist_view(request, context)
        return response
