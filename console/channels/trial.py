"""A test message on its whole way: posted to the channel's webhook as its platform would post it, and then
webhook, queues, functions and LLM as for anybody; only the last call, to the platform, is not made.

Each is from a contact of its own, who has no history, and whom the hub has written down before: nobody else
can become one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import urllib3
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, LlmRequest, Message, Turn
from console.conversations.timeline import explain
from console.exact_text import printable
from console.prompts.models import CannedPrompt
from hub_lambdas.accounts import account
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import SAMPLE_NAME, ChannelError, SendRefused
from hub_lambdas.http import Request
from hub_lambdas.sentences import stored

POST_TIMEOUT_SECONDS = 10
SLOW_AFTER = timedelta(seconds=10)
"""A step that has not happened by then is said to hang."""
WATCHED_FOR = timedelta(minutes=3)
OTHERWISE = gettext_noop("Hello")

# --- sending ------------------------------------------------------------------------------------------------


def default_text(channel: Channel) -> str:
    """A question that the organization has an answer to, where it has any."""
    canned = CannedPrompt.objects.filter(organization=channel.organization_id, is_active=True)
    return canned.values_list("question", flat=True).first() or _(OTHERWISE)


def begin(channel: Channel, text: str) -> Contact:
    """Post a test message to the webhook of `channel`; returns whom it is from. Call it outside a
    transaction: the contact must be there to be found. Raises ChannelError where the webhook did not take
    it."""
    if channel.status != Channel.Status.ACTIVE:
        raise ChannelError(
            stored(
                "The channel is %(status)s: it answers nobody.", status=channel.get_status_display().lower()
            )
        )
    sample = KINDS[channel.kind].sample(account(channel), channel.address, text)
    contact = Contact.objects.create(
        channel=channel, platform_id=sample.contact, name=SAMPLE_NAME, is_test=True
    )
    try:
        _post(sample.request)
    except SendRefused:
        contact.delete()  # nothing will ever come of it
        raise
    return contact


def _post(request: Request) -> None:
    """Post to the hub's own webhook. Raises SendRefused where it certainly did not take the request, and else
    ChannelError."""
    url = f"{settings.WEBHOOK_URL}{request.path}"
    try:
        with urllib3.PoolManager(retries=False, timeout=POST_TIMEOUT_SECONDS) as pool:
            answer = pool.request(
                request.method, url, body=request.body, headers=request.headers, redirect=False
            )
    except urllib3.exceptions.NewConnectionError:
        raise SendRefused(
            stored(
                "Nobody answers at %(address)s, where platforms deliver: is HUB_WEBHOOK_URL right, and "
                "does the webhook run?",
                address=settings.WEBHOOK_URL,
            )
        ) from None
    except urllib3.exceptions.HTTPError:
        raise ChannelError(
            stored(
                "%(address)s did not answer within %(seconds)s s.",
                address=settings.WEBHOOK_URL,
                seconds=POST_TIMEOUT_SECONDS,
            )
        ) from None
    if not 200 <= answer.status < 300:
        # What fails on the server's side may have been queued before.
        refused = SendRefused if answer.status < 500 else ChannelError
        raise refused(f"{url} answered with {answer.status}: platforms cannot deliver there either.")


@transaction.atomic
def forget(channels: Iterable[Channel]) -> None:
    """Delete the test messages of channels that are to be deleted."""
    contacts = Contact.objects.filter(channel__in=[channel.pk for channel in channels], is_test=True)
    LlmRequest.objects.filter(turn__conversation__contact__in=contacts).delete()
    Message.objects.filter(conversation__contact__in=contacts).delete()
    Turn.objects.filter(conversation__contact__in=contacts).delete()
    Conversation.objects.filter(contact__in=contacts).delete()
    contacts.delete()


# --- watching -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One thing that has to happen, and when it did. `hint`: what to look at where it does not."""

    label: str
    at: datetime | None
    seconds: float | None
    """Since the message was sent."""
    hint: str


@dataclass(frozen=True)
class Progress:
    """How far a test message has come. `problem`: where it hangs, or why there is no answer, and what to
    do."""

    question: str
    steps: Sequence[Step]
    is_answered: bool
    is_over: bool
    answer: str
    problem: str
    conversation_id: int | None

    @property
    def seconds(self) -> float | None:
        """From the message to the answer."""
        return self.steps[-1].seconds if self.is_answered else None


_HINTS = {
    gettext_noop("Webhook took it"): gettext_noop(
        "is there a warning in the webhook's log, and does the function “inbound” run"
    ),
    gettext_noop("Stored"): gettext_noop("does the function “inbound” run, and is there a dead letter"),
    gettext_noop("LLM asked"): gettext_noop(
        "does the function “wakeups” run, and are other questions of the organization still waiting"
    ),
    gettext_noop("LLM answered"): gettext_noop("does llm_api run, and is it not too busy"),
    gettext_noop("Answer ready to leave"): gettext_noop("does the function “outbound” run"),
}
_ADVICE = {
    "not_known": gettext_noop("Add a canned prompt with the answer, or ask something that the bot knows."),
    "not_grounded": gettext_noop("Add a canned prompt with the fact that the answer needs."),
    "no_answer_in_time": gettext_noop("See whether llm_api runs and is not too busy."),
    "llm_failed": gettext_noop("See the log of llm_api."),
    "staff_owns": gettext_noop("Send another test message."),
    "drafted": gettext_noop("The draft is in the inbox, in the test message's conversation."),
    "bot_off": gettext_noop("Have the bot answer on this channel to see an answer here."),
    "after_hours": gettext_noop("Try again within business hours, or have the bot answer outside them."),
    "asked_for_person": gettext_noop("Ask something else: who asks for a person gets one."),
    "handover_word": gettext_noop("Ask something else, or take the word off the list in the settings."),
    "handover_topic": gettext_noop("Ask something else, or change the topic in the settings."),
}


def latest(channel: Channel) -> Contact | None:
    """Whom the newest test message of `channel` is from."""
    return Contact.objects.filter(channel=channel, is_test=True).order_by("-pk").first()


def progress(contact: Contact, now: datetime) -> Progress:
    """How far the test message of `contact` has come."""
    turn = Turn.objects.filter(conversation__contact=contact).order_by("pk").first()
    messages = list(turn.messages.defer("payload").order_by("pk")) if turn else []
    written = next((each for each in messages if each.direction == Message.Direction.IN), None)
    answer = [each for each in messages if _is_answer(each)]
    requests = list(turn.requests.order_by("asked_at")) if turn else []
    steps = [*_steps(contact.created_at, _moments(written, requests, answer))]
    is_settled = turn is not None and turn.settled_at is not None
    return Progress(
        question=printable(written.text) if written else "",
        steps=steps,
        is_answered=turn is not None and turn.state == Turn.State.ANSWERED,
        is_over=is_settled or now > contact.created_at + WATCHED_FOR,
        answer=printable(" ".join(each.text for each in answer)),
        problem=_why_unanswered(turn) if turn and is_settled else _where_it_hangs(contact, steps, now),
        conversation_id=turn.conversation_id if turn else None,
    )


def _is_answer(message: Message) -> bool:
    return message.purpose == Message.Purpose.ANSWER and message.state == Message.State.SENT


def _moments(
    written: Message | None, requests: Sequence[LlmRequest], answer: Sequence[Message]
) -> Iterator[tuple[str, datetime | None]]:
    stored = [request.stored_at for request in requests if request.stored_at]
    yield "Webhook took it", written.received_at if written else None
    yield "Stored", written.stored_at if written else None
    yield "LLM asked", requests[0].asked_at if requests else None
    yield "LLM answered", stored[-1] if stored else None
    yield "Answer ready to leave", answer[-1].sent_at if answer else None


def _steps(start: datetime, moments: Iterator[tuple[str, datetime | None]]) -> Iterator[Step]:
    for label, at in moments:
        yield Step(_(label), at, (at - start).total_seconds() if at else None, _(_HINTS[label]))


def _where_it_hangs(contact: Contact, steps: Sequence[Step], now: datetime) -> str:
    reached = max((step.at for step in steps if step.at), default=contact.created_at)
    missing = next((step for step in steps if step.at is None), None)
    if missing is None or now < reached + SLOW_AFTER:
        return ""
    waited = round((now - reached).total_seconds())
    said = _("It has waited %(seconds)s s for “%(step)s”. What to look at: %(hint)s?")
    return said % {"seconds": waited, "step": missing.label, "hint": missing.hint}


def _why_unanswered(turn: Turn) -> str:
    if turn.state == Turn.State.ANSWERED:
        return ""
    advice = _ADVICE.get(turn.reason)
    outcome = f"{turn.get_state_display()}. {explain(turn.reason, turn.reason_detail)}"
    return " ".join(filter(None, [outcome, _(advice) if advice else ""]))
