"""The inbox: conversations with each turn's timeline, dead letters, and exports."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator
from kombu.exceptions import OperationalError
from unfold.decorators import display

from console import confirmation, tenancy
from console.confirmation import Question
from console.conversations import attachments, blocking, page
from console.conversations.dead_letters.admin import DeadLetterAdmin as DeadLetterAdmin  # registers it
from console.conversations.forms import ReplyForm
from console.conversations.jobs import make_export
from console.conversations.models import Conversation, Export, Message, MessageMedia, Turn
from console.conversations.reply_window import reply_window
from console.exact_text import escape, printable
from console.prompts.models import CannedPrompt
from console.signed_in import user_of
from console.template_filters import age
from console.tenant_admin import ChannelFilter, OrganizationFilter, TenantAdmin
from hub_lambdas import staff
from hub_lambdas.queues import QueueError

OUTCOME_LABELS = {
    "Answered": "success",
    "Handed over": "warning",
    "Declined": "danger",
    "Open": "info",
    "Asked": "info",
}
BLOCK_TEXT = (
    "What they write from now on is stored and declined, without a word to them, and what waits for an "
    "answer is declined too. You see it here, and you can unblock them at any time."
)
UNFINISHED = (Export.State.WAITING, Export.State.RUNNING)
LOST_AFTER = timedelta(hours=1)
"""An export that is not made by then has lost its job: jobs that fail say so, and no file takes so long."""


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
    search_help_text = "Search names and messages"
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

    @display(description="Contact", ordering="contact__name", header=True)
    def contact_name(self, conversation: Conversation) -> list[str]:
        name = printable(str(conversation.contact))
        blocked = format_html('<span class="hub-badge hub-badge-blocked">{}</span>', "Blocked")
        test = format_html('<span class="hub-badge hub-badge-test">{}</span>', "Test")
        return [
            Truncator(name).chars(40),
            test if conversation.contact.is_test else blocked if conversation.contact.is_blocked else "",
            name[:1].upper(),
        ]

    @display(description="Channel", ordering="contact__channel__name")
    def channel(self, conversation: Conversation) -> str:
        return conversation.contact.channel.name

    @display(description="Last message")
    def last_message(self, conversation: Any) -> Any:
        text = Truncator(printable(conversation.last_text or "")).chars(60)
        if not text:
            text = conversation.last_kind or "-"
        sign = "↩ " if conversation.last_direction == Message.Direction.OUT else ""
        return format_html('<span class="hub-snippet" dir="auto">{}{}</span>', sign, text)

    @display(description="Owner", ordering="owner", label={"Bot": "primary", "Staff": "warning"})
    def owner_label(self, conversation: Conversation) -> Any:
        if conversation.owner == Conversation.Owner.BOT:
            return "Bot"
        return "Staff", str(conversation.assignee or "Staff")

    @display(description="Last turn", label=OUTCOME_LABELS)
    def outcome(self, conversation: Any) -> str:
        return Turn.State(conversation.last_outcome).label if conversation.last_outcome else ""

    @display(description="Age", ordering="last_message_at")
    def age(self, conversation: Conversation) -> str:
        return age(conversation.last_message_at)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # --- one conversation ---

    def object_views(self) -> dict[str, Callable[..., HttpResponse]]:
        return {
            "take-over": self.take_over,
            "return-to-bot": self.return_to_bot,
            "reply": self.reply,
            "block": self.block,
            "unblock": self.unblock,
        }

    def get_urls(self) -> list[Any]:
        file = path(
            "file/<int:media_id>/",
            self.admin_site.admin_view(self.file),
            name="conversations_messagemedia_file",
        )
        return [file, *super().get_urls()]

    def file(self, request: HttpRequest, media_id: int) -> HttpResponse | FileResponse:
        """A file that a contact sent, to those who may see its conversation."""
        seen = tenancy.scope(MessageMedia.objects.all(), user_of(request), self.permission("view"))
        media = seen.filter(pk=media_id, state=MessageMedia.State.KEPT).first()
        if media is None:
            raise Http404("There is no such file.")
        return attachments.serve(media)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The conversation with its bubbles and timelines."""
        conversation = self._get(request, object_id, "view")
        return self._show(request, conversation, ReplyForm())

    def _show(self, request: HttpRequest, conversation: Conversation, form: ReplyForm) -> HttpResponse:
        before = request.GET.get("before", "")
        conversation.contact.name = printable(conversation.contact.name)
        bubbles, has_earlier = page.newest(conversation, int(before) if before.isdecimal() else None)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(conversation),
            "original": conversation,
            "conversation": conversation,
            "contact": conversation.contact,
            "contact_name": str(conversation.contact),
            "bubbles": bubbles,
            "earlier": bubbles[0].id if bubbles and has_earlier else None,
            "is_newest": not before,
            "form": form,
            "may_answer": self.has_change_permission(request, conversation),
            "channel": conversation.contact.channel,
            "quick_replies": self._quick_replies(conversation),
            "window": reply_window(conversation),
            "is_fullwidth": "1",
        }
        return TemplateResponse(request, "admin/conversations/conversation.html", context)

    def _quick_replies(self, conversation: Conversation) -> QuerySet[CannedPrompt]:
        return CannedPrompt.objects.filter(organization=conversation.organization, is_active=True)

    def take_over(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Make the user the one who answers."""
        conversation = self._get(request, str(object_id), "change")
        return self._act(
            request,
            conversation,
            lambda: staff.take_over(conversation.pk, user_of(request)),
            "You answer this conversation now; the bot keeps out of it.",
        )

    def return_to_bot(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Let the bot answer what comes next."""
        conversation = self._get(request, str(object_id), "change")
        return self._act(
            request,
            conversation,
            lambda: staff.return_to_bot(conversation.pk),
            "The bot answers the next message.",
        )

    def reply(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send the contact a message by the user, who takes the conversation over with it."""
        conversation = self._get(request, str(object_id), "change")
        form = ReplyForm(request.POST)
        window = reply_window(conversation)
        if window and not window.is_open:
            form.add_error("text", window.sentence)
        if request.method == "POST" and not form.is_valid():
            return self._show(request, conversation, form)
        return self._act(
            request,
            conversation,
            lambda: staff.reply(conversation.pk, user_of(request), form.cleaned_data["text"]),
            "Your reply is on its way.",
        )

    def block(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Have whatever the contact writes declined, once the user has confirmed."""
        conversation = self._get(request, str(object_id), "change")
        if request.method == "POST" and not confirmation.is_confirmed(request):
            name = printable(str(conversation.contact))
            back = reverse("admin:conversations_conversation_change", args=[conversation.pk])
            question = Question(f"Block {name}?", BLOCK_TEXT, "Block", back, is_harmful=True)
            return confirmation.ask(request, self, question)
        return self._act(
            request, conversation, lambda: blocking.block(conversation.pk), "The contact is blocked."
        )

    def unblock(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Have what the contact writes from now on answered again."""
        conversation = self._get(request, str(object_id), "change")
        return self._act(
            request,
            conversation,
            lambda: blocking.unblock(conversation.pk),
            "The contact is not blocked any more: what they write next is answered.",
        )

    def _act(self, request: HttpRequest, conversation: Conversation, action: Any, done: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            action()
        except (QueueError, BotoCoreError, ClientError):
            self.message_user(
                request,
                "It is stored, but the queue cannot be reached: it is sent as soon as that is back.",
                messages.WARNING,
            )
        else:
            self.message_user(request, done, messages.SUCCESS)
        return redirect("admin:conversations_conversation_change", conversation.pk)

    def _get(self, request: HttpRequest, object_id: str, verb: str) -> Conversation:
        """The conversation if the user may `verb` it; for anybody else there is none."""
        conversation: Conversation | None = self.get_object(request, object_id)
        if conversation is None or not self._may(request, verb, conversation):
            raise Http404("There is no such conversation.")
        return conversation

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """A conversation's history is the conversation."""
        return redirect("admin:conversations_conversation_change", self._get(request, object_id, "view").pk)


@admin.register(Export)
class ExportAdmin(TenantAdmin):
    list_display = [
        "created_at",
        "organization",
        "format_label",
        "requested_by",
        "state_label",
        "messages_count",
        "link",
    ]
    list_display_links = None
    list_select_related = ["organization", "requested_by"]
    list_filter = [OrganizationFilter]
    list_before_template = "admin/conversations/export_refresh.html"
    fieldsets = [(None, {"fields": ["organization", "format"]})]
    warn_unsaved_form = False

    @display(description="Format", ordering="format")
    def format_label(self, export: Export) -> str:
        return export.get_format_display()

    @display(
        description="State",
        ordering="state",
        label={"Waiting": "info", "Running": "info", "Done": "success", "Failed": "danger"},
    )
    def state_label(self, export: Export) -> str:
        return Export.State.FAILED.label if _is_lost(export) else export.get_state_display()

    @display(description="File")
    def link(self, export: Export) -> Any:
        if export.state == Export.State.DONE:
            address = reverse("admin:conversations_export_download", args=[export.pk])
            return format_html('<a class="hub-link" href="{}">Download</a>', address)
        problem = "Its job was lost." if _is_lost(export) else export.error
        if not problem:
            return "-"
        again = reverse("admin:conversations_export_add")
        return format_html(
            '{} <a class="hub-link" href="{}?organization={}&amp;format={}">Request it again</a>',
            problem,
            again,
            export.organization_id,
            export.format,
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, which looks again by itself while a file is being made."""
        running = self.get_queryset(request).filter(
            state__in=UNFINISHED, created_at__gt=timezone.now() - LOST_AFTER
        )
        response: HttpResponse = super().changelist_view(
            request, {**(extra_context or {}), "title": "Exports", "is_working": running.exists()}
        )
        return response

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        context = {"title": "Request an export", "show_save_and_continue": False}
        response: HttpResponse = super().add_view(request, form_url, context)
        return response

    def save_model(self, request: HttpRequest, obj: Export, form: Any, change: bool) -> None:
        obj.requested_by = user_of(request)
        super().save_model(request, obj, form, change)
        transaction.on_commit(lambda: self._queue(request, obj))

    def _queue(self, request: HttpRequest, export: Export) -> None:
        try:
            make_export.delay(export.pk)
        except (OperationalError, BotoCoreError, ClientError):
            export.state, export.error = (
                Export.State.FAILED,
                "The queue could not be reached.",
            )
            export.save(update_fields=["state", "error"])
            self.message_user(request, export.error, messages.ERROR)

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

    def download(self, request: HttpRequest, object_id: int) -> HttpResponse | FileResponse:
        """The file: from disk as an attachment, from S3 by an address that is valid for minutes."""
        export: Export | None = self.get_object(request, str(object_id))
        if export is None or export.state != Export.State.DONE or not self._may(request, "view", export):
            raise Http404("There is no such export.")
        try:
            path_on_disk = Path(export.file.path)
        except NotImplementedError:
            return redirect(export.file.url)
        return FileResponse(export.file.open(), as_attachment=True, filename=path_on_disk.name)


def _is_lost(export: Export) -> bool:
    return export.state in UNFINISHED and export.created_at < timezone.now() - LOST_AFTER
