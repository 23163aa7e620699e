"""Prompts and canned prompts: what the LLM is told."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.text import Truncator
from unfold.decorators import action, display

from console import tenancy
from console.prompts.models import CannedPrompt, PromptVersion
from console.signed_in import user_of
from console.tenant_admin import OrganizationFilter, TenantAdmin

NEXT_MESSAGE = "It takes effect with the next message."


@admin.register(PromptVersion)
class PromptVersionAdmin(TenantAdmin):
    """Versions of each organization's prompt. Only a draft is edited; publishing replaces the current one."""

    list_display = ["version", "status_label", "organization", "opening", "author", "published_at"]
    list_display_links = ["version", "opening"]
    list_select_related = ["organization", "author"]
    list_filter = [OrganizationFilter, "status"]
    search_fields = ["instructions"]
    ordering = ["organization", "-number"]
    fieldsets = [(None, {"fields": ["organization", "instructions"]})]
    actions_submit_line = ["publish"]
    change_form_outer_before_template = "admin/prompts/version_state.html"

    @display(description="Version", ordering="number")
    def version(self, prompt: PromptVersion) -> str:
        return f"v{prompt.number}"

    @display(description="Status", label={"Draft": "warning", "Published": "success", "Replaced": None})
    def status_label(self, prompt: PromptVersion) -> str:
        return prompt.get_status_display()

    @display(description="Instructions")
    def opening(self, prompt: PromptVersion) -> str:
        return Truncator(prompt.instructions).chars(70)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._is_draft(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._is_draft(request, obj)

    def _is_draft(self, request: HttpRequest, obj: Any) -> bool:
        prompt = obj if isinstance(obj, PromptVersion) else obj and self._find(request, obj)
        return prompt is None or getattr(prompt, "status", "") == PromptVersion.Status.DRAFT

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new draft starts from `?from=<version>`, or from what is published."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        versions = tenancy.scope(PromptVersion.objects.all(), user_of(request), self.permission("add"))
        source = request.GET.get("from", "")
        prompt = versions.filter(pk=source).first() if source.isdecimal() else None
        published = versions.filter(status=PromptVersion.Status.PUBLISHED)
        if prompt is None and published.count() == 1:
            prompt = published.get()
        if prompt is not None:
            initial |= {"organization": prompt.organization_id, "instructions": prompt.instructions}
        return initial

    def save_model(self, request: HttpRequest, obj: PromptVersion, form: Any, change: bool) -> None:
        obj.author = user_of(request)
        super().save_model(request, obj, form, change)

    @action(description="Save and publish", icon="publish")
    def publish(self, request: HttpRequest, obj: PromptVersion) -> None:
        self._demand(request, "change", obj)
        obj.publish()
        self.message_user(request, f"{obj} is published. {NEXT_MESSAGE}")

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> Any:
        """Only a draft is published."""
        return (
            super().get_actions_submit_line(request, object_id) if self._is_draft(request, object_id) else []
        )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        context = {
            "title": "New prompt draft",
            "actions_submit_line": self.get_actions_submit_line(request, None),
            **(extra_context or {}),
        }
        response: HttpResponse = super().add_view(request, form_url, context)
        return response


@admin.register(CannedPrompt)
class CannedPromptAdmin(TenantAdmin):
    list_display = ["question", "opening", "organization", "position", "is_active"]
    list_display_links = ["question"]
    list_editable = ["position", "is_active"]
    list_select_related = ["organization"]
    list_filter = [OrganizationFilter, "is_active"]
    search_fields = ["question", "also_asked", "answer"]
    ordering = ["organization", "position", "id"]
    ordering_field = "position"
    hide_ordering_field = True
    list_per_page = 200
    offers_add_another = True
    fieldsets = [
        (None, {"fields": ["organization", "question", "also_asked", "answer", "choices", "is_active"]})
    ]

    @display(description="Answer")
    def opening(self, canned_prompt: CannedPrompt) -> Any:
        return format_html(
            '<span class="hub-muted" title="{}">{}</span>',
            canned_prompt.answer,
            Truncator(canned_prompt.answer).chars(80),
        )

    def save_model(self, request: HttpRequest, obj: CannedPrompt, form: Any, change: bool) -> None:
        if not change:
            siblings = CannedPrompt.objects.filter(organization=obj.organization)
            obj.position = (siblings.aggregate(last=Max("position"))["last"] or 0) + 1
        super().save_model(request, obj, form, change)

    def message_user(self, request: HttpRequest, message: Any, *args: Any, **kwargs: Any) -> None:
        """Whatever was done, say when it counts."""
        level = args[0] if args else kwargs.get("level", messages.INFO)
        if level in (messages.SUCCESS, messages.INFO):
            message = format_html("{} {}", message, NEXT_MESSAGE)
        super().message_user(request, message, *args, **kwargs)
