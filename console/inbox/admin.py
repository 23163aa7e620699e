"""An organization's labels."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from console.inbox.models import Label
from console.tenant_admin import OrganizationFilter, TenantAdmin


@admin.register(Label)
class LabelAdmin(TenantAdmin):
    list_display = ["label", "organization", "conversations_count"]
    list_select_related = ["organization"]
    list_filter = [OrganizationFilter]
    search_fields = ["name"]
    ordering = ["organization", "name"]
    offers_add_another = True
    fieldsets = [(None, {"fields": ["organization", "name", "color"]})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Label]:
        return super().get_queryset(request).annotate(used=Count("conversations"))

    @display(description=_("Label"), ordering="name")
    def label(self, label: Label) -> Any:
        return format_html('<span class="hub-label is-{}">{}</span>', label.color, label.name)

    @display(description=_("Conversations"), ordering="used")
    def conversations_count(self, label: Any) -> Any:
        address = f"{reverse('admin:inbox')}?queue=all&label={label.pk}"
        return format_html('<a class="hub-link" href="{}">{}</a>', address, label.used)
