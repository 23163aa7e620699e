"""The inbox: conversations with each turn's timeline, dead letters, and exports."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import PurePath
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from console import confirmation, stored_file, tenancy
from console.confirmation import Question
from console.conversations import attachments, blocking
from console.conversations.dead_letters.admin import DeadLetterAdmin as DeadLetterAdmin  # registers it
from console.conversations.exporting import queue_export
from console.conversations.models import Conversation, Export, Message, MessageMedia, Turn
from console.conversations.page import kind_of
from console.conversations.timeline import OUTCOME_LABELS
from console.exact_text import escape, printable
from console.progress import progress_bar
from console.signed_in import user_of
from console.stored_sentences import translate_stored
from console.template_filters import age
from console.tenant_admin import ChannelFilter, OrganizationFilter, TenantAdmin
from hub_lambdas.queues import QueueError

BLOCK_TEXT = gettext_lazy(
    "What they write from now on is stored and declined, without a word to them, and what waits for an "
    "answer is declined too. You see it here, and you can unblock them at any time."
)
UNFINISHED = (Export.State.WAITING, Export.State.RUNNING)
LOST_AFTER = timedelta(hours=1)
"""An export that has not moved for so long has lost its job: jobs that fail say so."""


@admin.register(Conversation)
class ConversationAdmin(TenantAdmin):
    list_display = [
        "contact_name",
        "channel",
        "organization",
        "last_message",
        "owner_label",
        "outcome",
        "age",
    ]
    list_display_links = ["contact_name", "last_message"]
    list_filter = [OrganizationFilter, ChannelFilter, "owner", "contact__is_blocked", "contact__is_test"]
    list_select_related = ["contact__channel", "organization", "assignee"]
    search_fields = ["contact__name", "contact__platform_id", "messages__text"]
    search_help_text = gettext_lazy("Search names and messages")
    ordering = ["-last_message_at"]

    # --- the list ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        last = Message.objects.filter(conversation=OuterRef("pk")).order_by("-id")
        last_turn = Turn.objects.filter(conversation=OuterRef("pk")).order_by("-id")
        return (
            super()
            .get_queryset(request)
            .annotate(
                last_text=Subquery(last.values("text")[:1]),
                last_kind=Subquery(last.values("kind")[:1]),
                last_direction=Subquery(last.values("direction")[:1]),
                last_outcome=Subquery(last_turn.values("state")[:1]),
                last_reason=Subquery(last_turn.values("reason")[:1]),
            )
        )

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Search for text as it is stored."""
        return super().get_search_results(request, queryset, escape(search_term))

    @display(description=gettext_lazy("Contact"), ordering="contact__name", header=True)
    def contact_name(self, conversation: Conversation) -> list[str]:
        name = printable(str(conversation.contact))
        blocked = format_html('<span class="hub-badge hub-badge-blocked">{}</span>', _("Blocked"))
        test = format_html('<span class="hub-badge hub-badge-test">{}</span>', _("Test"))
        return [
            Truncator(name).chars(40),
            test if conversation.contact.is_test else blocked if conversation.contact.is_blocked else "",
            name[:1].upper(),
        ]

    @display(description=gettext_lazy("Channel"), ordering="contact__channel__name")
    def channel(self, conversation: Conversation) -> str:
        return conversation.contact.channel.name

    @display(description=gettext_lazy("Last message"))
    def last_message(self, conversation: Any) -> Any:
        text = Truncator(printable(conversation.last_text or "")).chars(60)
        if not text:
            text = kind_of(conversation.last_kind or "-")
        sign = "↩ " if conversation.last_direction == Message.Direction.OUT else ""
        return format_html('<span class="hub-snippet" dir="auto">{}{}</span>', sign, text)

    @display(
        description=gettext_lazy("Owner"),
        ordering="owner",
        label={Conversation.Owner.BOT: "primary", Conversation.Owner.STAFF: "warning"},
    )
    def owner_label(self, conversation: Conversation) -> tuple[str, str]:
        return conversation.owner, str(conversation.assignee or conversation.get_owner_display())

    @display(description=gettext_lazy("Last turn"), label=OUTCOME_LABELS)
    def outcome(self, conversation: Any) -> tuple[str, str] | str:
        state = conversation.last_outcome
        return (state, str(Turn.State(state).label)) if state else ""

    @display(description=gettext_lazy("Age"), ordering="last_message_at")
    def age(self, conversation: Conversation) -> str:
        return age(conversation.last_message_at)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # --- one conversation ---

    def object_views(self) -> dict[str, Callable[..., HttpResponse]]:
        return {"block": self.block, "unblock": self.unblock}

    def get_urls(self) -> list[Any]:
        file = path(
            "file/<int:media_id>/",
            self.admin_site.admin_view(self.file),
            name="conversations_messagemedia_file",
        )
        return [file, *super().get_urls()]

    def file(self, request: HttpRequest, media_id: int) -> HttpResponse | StreamingHttpResponse:
        """A file that a contact sent, to those who may see its conversation."""
        seen = tenancy.scope(MessageMedia.objects.all(), user_of(request), self.permission("view"))
        media = seen.filter(pk=media_id, state=MessageMedia.State.KEPT).first()
        if media is None:
            raise Http404("There is no such file.")
        return attachments.serve(request, media)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A conversation is read and answered in the inbox."""
        return self._open(request, self._get(request, object_id, "view"))

    def _open(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        address, query = reverse("admin:inbox_conversation", args=[conversation.pk]), request.GET.urlencode()
        return redirect(f"{address}?{query}" if query else address)

    def block(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Have whatever the contact writes declined, once the user has confirmed."""
        conversation = self._get(request, str(object_id), "change")
        if request.method == "POST" and not confirmation.is_confirmed(request):
            name = printable(str(conversation.contact))
            back = reverse("admin:inbox_conversation", args=[conversation.pk])
            question = Question(
                _("Block %(contact)s?") % {"contact": name},
                str(BLOCK_TEXT),
                _("Block"),
                back,
                is_harmful=True,
            )
            return confirmation.ask(request, self, question)
        return self._act(
            request, conversation, lambda: blocking.block(conversation.pk), _("The contact is blocked.")
        )

    def unblock(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Have what the contact writes from now on answered again."""
        conversation = self._get(request, str(object_id), "change")
        return self._act(
            request,
            conversation,
            lambda: blocking.unblock(conversation.pk),
            _("The contact is not blocked any more: what they write next is answered."),
        )

    def _act(self, request: HttpRequest, conversation: Conversation, action: Any, done: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            action()
        except (QueueError, BotoCoreError, ClientError):
            self.message_user(
                request,
                _("It is stored, but the queue cannot be reached: it is sent as soon as that is back."),
                messages.WARNING,
            )
        else:
            self.message_user(request, done, messages.SUCCESS)
        return redirect("admin:inbox_conversation", conversation.pk)

    def _get(self, request: HttpRequest, object_id: str, verb: str) -> Conversation:
        """The conversation if the user may `verb` it; for anybody else there is none."""
        conversation: Conversation | None = self.get_object(request, object_id)
        if conversation is None or not self._may(request, verb, conversation):
            raise Http404("There is no such conversation.")
        return conversation

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """A conversation's history is the conversation."""
        return self._open(request, self._get(request, object_id, "view"))


@admin.register(Export)
class ExportAdmin(TenantAdmin):
    list_display = [
        "created_at",
        "organization",
        "what",
        "requested_by",
        "state_label",
        "messages_count",
        "link",
    ]
    list_display_links = None
    list_select_related = ["organization", "requested_by", "contact__conversation"]
    list_filter = [OrganizationFilter]
    list_before_template = "admin/conversations/export_refresh.html"
    fieldsets = [(None, {"fields": ["organization", "format"]})]
    warn_unsaved_form = False

    @display(description=gettext_lazy("What"), ordering="format")
    def what(self, export: Export) -> str:
        if export.contact is not None:
            return _("Contact: %(name)s") % {"name": printable(str(export.contact))}
        return export.get_format_display()

    @display(
        description=gettext_lazy("State"),
        ordering="state",
        label={
            Export.State.WAITING: "info",
            Export.State.RUNNING: "info",
            Export.State.DONE: "success",
            Export.State.FAILED: "danger",
        },
    )
    def state_label(self, export: Export) -> tuple[str, str]:
        state = Export.State.FAILED if _is_lost(export) else Export.State(export.state)
        return state, str(state.label)

    @display(description=gettext_lazy("File"))
    def link(self, export: Export) -> Any:
        if export.state == Export.State.DONE:
            address = reverse("admin:conversations_export_download", args=[export.pk])
            return format_html('<a class="hub-link" href="{}">{}</a>', address, _("Download"))
        problem = _("Its job was lost.") if _is_lost(export) else translate_stored(export.error)
        if not problem:
            return progress_bar(export) if export.rows_total else "-"
        return format_html(
            '{} <a class="hub-link" href="{}">{}</a>', problem, _again(export), _("Request it again")
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, which looks again by itself while a file is being made."""
        unfinished = self.get_queryset(request).filter(state__in=UNFINISHED)
        is_working = any(not _is_lost(export) for export in unfinished)
        response: HttpResponse = super().changelist_view(
            request, {**(extra_context or {}), "title": _("Exports"), "is_working": is_working}
        )
        return response

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        context = {"title": _("Request an export"), "show_save_and_continue": False}
        response: HttpResponse = super().add_view(request, form_url, context)
        return response

    def save_model(self, request: HttpRequest, obj: Export, form: Any, change: bool) -> None:
        obj.requested_by = user_of(request)
        super().save_model(request, obj, form, change)
        queue_export(request, obj)

    def response_add(
        self, request: HttpRequest, obj: Export, post_url_continue: str | None = None
    ) -> HttpResponse:
        return redirect("admin:conversations_export_changelist")

    def get_urls(self) -> list[Any]:
        download = path(
            "<int:object_id>/download/",
            self.admin_site.admin_view(self.download),
            name="conversations_export_download",
        )
        return [download, *super().get_urls()]

    def download(self, request: HttpRequest, object_id: int) -> HttpResponse | StreamingHttpResponse:
        """The file, to be saved."""
        export: Export | None = self.get_object(request, str(object_id))
        if export is None or export.state != Export.State.DONE or not self._may(request, "view", export):
            raise Http404("There is no such export.")
        return stored_file.serve(request, export.file, PurePath(str(export.file)).name, export.media_type)


def _again(export: Export) -> str:
    """Where to ask for it once more."""
    if export.contact is not None:
        return reverse("admin:inbox_conversation", args=[export.contact.conversation.pk])
    asked = {"organization": str(export.organization_id), "format": export.format}
    return f"{reverse('admin:conversations_export_add')}?{urlencode(asked)}"


def _is_lost(export: Export) -> bool:
    moved_at = export.progressed_at or export.created_at
    return export.state in UNFINISHED and moved_at < timezone.now() - LOST_AFTER
