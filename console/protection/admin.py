"""Contacts who are erased, and what goes because it is old enough: read only."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from console.progress import progress_bar
from console.protection.models import Erasure, Purge
from console.protection.record import counted
from console.stored_sentences import translate_stored
from console.tenant_admin import OrganizationFilter, TenantAdmin


@admin.register(Erasure)
class ErasureAdmin(TenantAdmin):
    list_display = ["created_at", "who", "organization", "requested_by", "state_label", "progress"]
    list_display_links = None
    list_select_related = ["organization", "requested_by", "contact__channel", "contact__conversation"]
    list_filter = [OrganizationFilter]
    list_before_template = "admin/protection/erasures.html"

    @display(description=_("Contact"))
    def who(self, erasure: Erasure) -> Any:
        """What is left to call them by, and the way to what is left of their conversation."""
        conversation = getattr(erasure.contact, "conversation", None)
        if conversation is None:
            return str(erasure)
        address = reverse("admin:inbox_conversation", args=[conversation.pk])
        return format_html('<a class="hub-link" href="{}">{}</a>', address, erasure)

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


@admin.register(Purge)
class PurgeAdmin(TenantAdmin):
    """How the newest purge of each organization went."""

    list_display = ["began_at", "organization", "state_label", "progress", "removed"]
    list_display_links = None
    list_select_related = ["organization"]
    list_filter = [OrganizationFilter]
    list_before_template = "admin/protection/purges.html"

    @display(
        description=_("State"),
        ordering="state",
        label={"running": "info", "done": "success", "failed": "danger"},
    )
    def state_label(self, purge: Purge) -> Any:
        return purge.state, purge.get_state_display()

    @display(description=_("Progress"))
    def progress(self, purge: Purge) -> Any:
        if purge.state == Purge.State.FAILED:
            return _("Some of it is left. It is tried again each day.")
        return "" if purge.state == Purge.State.DONE else progress_bar(purge)

    @display(description=_("Deleted"))
    def removed(self, purge: Purge) -> Any:
        said = translate_stored(counted(purge.deleted)) or _("Nothing was old enough.")
        return format_html('<div class="hub-change">{}</div>', said)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Each night."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, which looks again by itself while something is being deleted."""
        running = self.get_queryset(request).filter(state=Purge.State.RUNNING)
        context = {**(extra_context or {}), "title": _("Retention"), "is_working": running.exists()}
        response: HttpResponse = super().changelist_view(request, context)
        return response
