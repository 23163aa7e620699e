"""Dead letters in the console: what could not be processed, to be replayed or discarded."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Case, Count, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from console import confirmation, tenancy
from console.confirmation import Question
from console.conversations.dead_letters import resolution, words
from console.conversations.models import DeadLetter, Turn
from console.conversations.timeline import OUTCOME_LABELS, explain
from console.exact_text import printable
from console.organizations.models import User
from console.signed_in import user_of
from console.template_filters import age, moment
from console.tenant_admin import OrganizationFilter, TenantAdmin
from hub_lambdas.queues import QueueError

STATE_LABELS = {
    DeadLetter.State.WAITING: "warning",
    DeadLetter.State.REPLAYED: "success",
    DeadLetter.State.DISCARDED: None,
}
REPLAY_TEXT = gettext_lazy(
    "What is replayed goes back onto the queue that it came from, and is worked on as if it had just been "
    "sent. What was handed over stays with staff, and a turn that has its outcome is not answered again."
)
DISCARD_TEXT = gettext_lazy(
    "Nothing more is done about it. It stays in this list, and what was handed over stays with staff."
)
QUEUE_AWAY = gettext_lazy("The queue cannot be reached, so it waits as before: try again later.")
Deed = Callable[[int, User], bool]


@admin.register(DeadLetter)
class DeadLetterAdmin(TenantAdmin):
    list_display = ["what", "organization", "conversation", "outcome", "state_label", "age"]
    list_display_links = ["what"]
    list_filter = ["state", OrganizationFilter, "queue"]
    list_select_related = ["organization", "turn__conversation__contact", "resolved_by"]
    list_before_template = "admin/conversations/dead_letters.html"
    ordering = [Case(When(state=DeadLetter.State.WAITING, then=0), default=1), "-stored_at"]
    actions = ["replay_selected", "discard_selected"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What became of a message is never forgotten."""
        return False

    # --- the list ---

    @display(description=gettext_lazy("What happened"), ordering="queue", header=True)
    def what(self, letter: DeadLetter) -> list[str]:
        return [words.what_failed(letter), f"{words.why(letter).capitalize()}."]

    @display(description=gettext_lazy("Conversation"))
    def conversation(self, letter: DeadLetter) -> Any:
        if letter.turn is None:
            return "-"
        name = printable(str(letter.turn.conversation))
        return format_html('<a class="hub-link" dir="auto" href="{}">{}</a>', _turn_url(letter.turn), name)

    @display(
        description=gettext_lazy("Turn"),
        label=OUTCOME_LABELS,
    )
    def outcome(self, letter: DeadLetter) -> tuple[str, str] | str:
        return (letter.turn.state, letter.turn.get_state_display()) if letter.turn else ""

    @display(description=gettext_lazy("State"), ordering="state", label=STATE_LABELS)
    def state_label(self, letter: DeadLetter) -> tuple[str, str]:
        return letter.state, letter.get_state_display()

    @display(description=gettext_lazy("Age"), ordering="stored_at")
    def age(self, letter: DeadLetter) -> str:
        return age(letter.stored_at)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {"title": _("Dead letters"), "elsewhere": _counts_elsewhere(user_of(request))}
        response: HttpResponse = super().changelist_view(request, {**context, **(extra_context or {})})
        return response

    @admin.action(description=gettext_lazy("Replay"), permissions=["change"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse | None:
        question = Question(
            _("Replay these dead letters?"), str(REPLAY_TEXT), _("Replay"), request.get_full_path()
        )
        return self._do_to_selected(request, queryset, "replay_selected", question, self._replay)

    @admin.action(description=gettext_lazy("Discard"), permissions=["change"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse | None:
        question = Question(
            _("Discard these dead letters?"),
            str(DISCARD_TEXT),
            _("Discard"),
            request.get_full_path(),
            is_harmful=True,
        )
        return self._do_to_selected(request, queryset, "discard_selected", question, self._discard)

    def _do_to_selected(
        self,
        request: HttpRequest,
        queryset: QuerySet[DeadLetter],
        name: str,
        question: Question,
        deed: Callable[[HttpRequest, Sequence[int]], None],
    ) -> HttpResponse | None:
        mine = tenancy.scope(queryset, user_of(request), self.permission("change"))
        letters = list(mine.order_by("stored_at"))
        if confirmation.is_confirmed(request):
            deed(request, [letter.pk for letter in letters])
            return None
        items = [_said(letter) for letter in letters]
        fields = [("action", name), *((ACTION_CHECKBOX_NAME, str(letter.pk)) for letter in letters)]
        return confirmation.ask(request, self, replace(question, items=items, fields=fields))

    # --- one dead letter ---

    def object_views(self) -> dict[str, Callable[..., HttpResponse]]:
        return {"replay": self.replay, "discard": self.discard}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        letter = self._get(request, object_id, "view")
        is_reader = user_of(request).has_perm("conversations.view_conversation", letter)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": words.what_failed(letter),
            "original": words.what_failed(letter),
            "letter": letter,
            "why": words.why(letter),
            "what_replay_does": words.what_replay_does(letter),
            "turn": letter.turn,
            "turn_url": _turn_url(letter.turn) if letter.turn else "",
            "reason": explain(letter.turn.reason, letter.turn.reason_detail) if letter.turn else "",
            "contact_name": printable(str(letter.turn.conversation)) if letter.turn else "",
            "content": words.content(letter) if is_reader else None,
            "cause": letter.cause if is_reader else words.kind_of_error(letter),
            "may_resolve": self._may(request, "change", letter) and letter.state == DeadLetter.State.WAITING,
        }
        return TemplateResponse(request, "admin/conversations/dead_letter.html", context)

    def replay(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Put it back on its queue, once the user has confirmed."""
        question = Question(
            _("Replay this dead letter?"), str(REPLAY_TEXT), _("Replay"), _letter_url(object_id)
        )
        return self._do_to_one(request, object_id, question, self._replay)

    def discard(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Let it be, once the user has confirmed."""
        question = Question(
            _("Discard this dead letter?"),
            str(DISCARD_TEXT),
            _("Discard"),
            _letter_url(object_id),
            is_harmful=True,
        )
        return self._do_to_one(request, object_id, question, self._discard)

    def _do_to_one(
        self,
        request: HttpRequest,
        object_id: int,
        question: Question,
        deed: Callable[[HttpRequest, Sequence[int]], None],
    ) -> HttpResponse:
        letter = self._get(request, str(object_id), "change")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not confirmation.is_confirmed(request):
            return confirmation.ask(request, self, replace(question, items=[_said(letter)]))
        deed(request, [letter.pk])
        return redirect("admin:conversations_deadletter_change", letter.pk)

    def _get(self, request: HttpRequest, object_id: str, verb: str) -> DeadLetter:
        """The dead letter if the user may `verb` it; for anybody else there is none."""
        letter: DeadLetter | None = self.get_object(request, object_id)
        if letter is None or not self._may(request, verb, letter):
            raise Http404("There is no such dead letter.")
        return letter

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Its page says who did what."""
        return redirect("admin:conversations_deadletter_change", self._get(request, object_id, "view").pk)

    # --- what is done ---

    def _replay(self, request: HttpRequest, ids: Sequence[int]) -> None:
        def said(done: int) -> str:
            return ngettext("One is on its way again.", "%(count)s are on their way again.", done)

        self._do(request, ids, resolution.replay, said)

    def _discard(self, request: HttpRequest, ids: Sequence[int]) -> None:
        def said(done: int) -> str:
            return ngettext("One is discarded.", "%(count)s are discarded.", done)

        self._do(request, ids, resolution.discard, said)

    def _do(self, request: HttpRequest, ids: Sequence[int], deed: Deed, said: Callable[[int], str]) -> None:
        done = 0
        try:
            for letter_id in ids:
                done += deed(letter_id, user_of(request))
        except (QueueError, BotoCoreError, ClientError):
            self.message_user(request, QUEUE_AWAY, messages.ERROR)
            ids = ids[:done]
        if done:
            self.message_user(request, said(done) % {"count": done}, messages.SUCCESS)
        if len(ids) > done:
            self.message_user(
                request, _("Nothing was done where somebody had dealt with it before."), messages.INFO
            )


def _said(letter: DeadLetter) -> str:
    return f"{words.what_failed(letter)}, {moment(letter.stored_at)}"


def _letter_url(letter_id: int) -> str:
    return reverse("admin:conversations_deadletter_change", args=[letter_id])


def _turn_url(turn: Turn) -> str:
    page = reverse("admin:inbox_conversation", args=[turn.conversation_id])
    return f"{page}#turn-{turn.pk}"


def _counts_elsewhere(user: User) -> list[tuple[str, int]]:
    """For ops: how many wait in organizations whose dead letters they may not read."""
    if not user.is_ops:
        return []
    own = tenancy.organizations_with(user, "conversations.view_deadletter")
    waiting = DeadLetter.objects.filter(state=DeadLetter.State.WAITING, organization__isnull=False)
    counted = waiting.exclude(organization__in=own).values_list("organization__name")
    return list(counted.annotate(count=Count("pk")).order_by("-count", "organization__name"))
