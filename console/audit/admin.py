"""The audit log in the console: read, filtered, and taken along as CSV. Nobody changes it."""

import csv
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from console.audit.models import Change
from console.audit.names import field_name, shown
from console.exact_text import printable
from console.stored_sentences import translate_stored
from console.tenant_admin import OrganizationFilter, TenantAdmin

SHOWN_LENGTH = 80
EXPORTED_AT_MOST = 10_000
"""Changes in one file, which is made while somebody waits and fits into an answer of AWS Lambda: 6 MB."""
CALLED_BY_THE_HUB = ("erasure", "retention")
"""Things whose rows have no name that somebody gave them."""
COLUMNS = ["at", "organization", "who", "action", "thing", "row", "field", "before", "after"]


@admin.register(Change)
class ChangeAdmin(TenantAdmin):
    list_display = ["at", "who", "action_label", "what", "organization", "difference"]
    list_display_links = None
    list_select_related = ["organization"]
    list_filter = [OrganizationFilter, "action"]
    search_fields = ["who", "thing", "row"]
    search_help_text = _("Search people and what they changed")
    date_hierarchy = "at"
    list_before_template = "admin/audit/export_link.html"

    @display(
        description=_("Action"),
        ordering="action",
        label={
            Change.Action.ADDED: "success",
            Change.Action.CHANGED: "info",
            Change.Action.REMOVED: "danger",
        },
    )
    def action_label(self, change: Change) -> tuple[str, str]:
        return change.action, change.get_action_display()

    @display(description=_("What"), ordering="thing")
    def what(self, change: Change) -> Any:
        return format_html(
            '{} <span class="hub-muted" dir="auto">{}</span>', gettext(change.thing), _short(_row(change))
        )

    @display(description=_("Before → after"))
    def difference(self, change: Change) -> Any:
        if change.action != Change.Action.CHANGED:
            return ""
        lines = (
            (field_name(change.thing, name), *(_short(shown(change.thing, name, value)) for value in values))
            for name, *values in _fields(change)
        )
        said = format_html_join(
            "", '<div class="hub-change"><b>{}</b> <s>{}</s> → <span>{}</span></div>', lines
        )
        return format_html("<div>{}</div>", said)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.export)
        # Named as a list, for it is about the organization that the user has chosen, as a list is.
        return [path("export.csv", view, name="audit_change_export_changelist"), *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponse:
        """What the list shows, with its filters, a line for each field."""
        found = self.get_changelist_instance(request).get_queryset(request)
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="audit.csv"'
        writer = csv.writer(response)
        writer.writerow(COLUMNS)
        for change in found[:EXPORTED_AT_MOST]:
            about = [f"{change.at:%Y-%m-%dT%H:%M:%SZ}", change.organization or "", change.who]
            about += [change.action, change.thing, change.row]
            writer.writerows([_cell(value) for value in (*about, *each)] for each in _fields(change))
        return response


def _fields(change: Change) -> list[tuple[str, str, str]]:
    names = sorted({*change.before, *change.after})
    return [(name, change.before.get(name, ""), change.after.get(name, "")) for name in names]


def _row(change: Change) -> str:
    """What the row is called: in the reader's language where that is a sentence of the hub's."""
    return translate_stored(change.row) if change.thing in CALLED_BY_THE_HUB else change.row


def _short(text: str) -> str:
    return Truncator(printable(text)).chars(SHOWN_LENGTH) or "–"


def _cell(value: Any) -> str:
    """A spreadsheet takes what begins like this for a formula."""
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
