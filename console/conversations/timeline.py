"""How a turn went, hop by hop: what happened when, how long it took, and the outcome in plain words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from console.conversations.models import LlmRequest, Message, Turn
from console.exact_text import printable
from console.stored_sentences import translate_stored

REPLY_LIMIT_MS = 5000
"""The line that a reply is measured against."""

REASONS = {
    "staff_owns": gettext_noop("The conversation belonged to staff, so the bot kept out of it."),
    "unsent": gettext_noop("The contact took back what they had written."),
    "not_text": gettext_noop(
        "The message was not text (a picture, a voice note, a place …), which the LLM cannot take."
    ),
    "files_only": gettext_noop(
        "Nothing was written, only a file sent, and the contact was told what the bot can read."
    ),
    "empty": gettext_noop("The message had no words in it."),
    "too_long": gettext_noop("The message is longer than the LLM can take."),
    "llm_failed": gettext_noop("The LLM failed twice."),
    "no_answer": gettext_noop("The LLM had no answer."),
    "not_known": gettext_noop("The LLM said that this is for a person to answer."),
    "not_grounded": gettext_noop("The LLM stated something twice that the organization's facts do not say."),
    "bot_off": gettext_noop("The channel's bot is off: its messages go to staff at once."),
    "drafted": gettext_noop("The LLM's answer is a draft, which staff send or not: so the channel is set."),
    "after_hours": gettext_noop("Staff were away, and outside business hours the bot does not answer here."),
    "asked_for_person": gettext_noop("The contact asked for a person."),
    "handover_word": gettext_noop("The contact wrote a word that is for staff."),
    "handover_topic": gettext_noop("The contact wrote of a topic that is for staff."),
    "bot_turns": gettext_noop("The bot had answered as often in a row as the organization allows."),
    "late": gettext_noop("The message reached the hub late, and late messages are for staff here."),
    "no_answer_in_time": gettext_noop("No answer came within the organization's limit."),
    "delivery_failed": gettext_noop("The platform refused the answer."),
    "delivery_unknown": gettext_noop(
        "The platform did not say whether it took the answer, so it was not sent again."
    ),
    "dead_letter": gettext_noop("A step of the work failed five times."),
    "organization_retired": gettext_noop("The organization is retired."),
    "channel_retired": gettext_noop("The channel is retired."),
    "channel_paused": gettext_noop("The channel is paused, so no answer could be sent."),
    "channel_held": gettext_noop(
        "The channel was broken for too long: its credential was not repaired within a day."
    ),
    "contact_blocked": gettext_noop("The contact is blocked."),
    "contact_erased": gettext_noop("The contact was erased, at their or the organization's wish."),
    "contact_rate": gettext_noop("The contact sent more messages in a minute than the organization allows."),
    "contact_quota": gettext_noop("The contact has had as many answers in a day as the organization allows."),
    "organization_rate": gettext_noop("More turns came in a minute than the organization allows in all."),
    "organization_quota": gettext_noop(
        "The organization has given as many answers in a day as it allows in all."
    ),
}
OUTCOME_LABELS = {
    Turn.State.ANSWERED: "success",
    Turn.State.HANDED_OVER: "warning",
    Turn.State.DECLINED: "danger",
    Turn.State.OPEN: "info",
    Turn.State.ASKED: "info",
}
"""The color of each in the console's lists."""
REPLIES = (Message.Purpose.ANSWER, Message.Purpose.FALLBACK)
FIRST_REPLIES = (*REPLIES, Message.Purpose.HOLDING)
"""What counts as a first reply; the proof counts the same."""


@dataclass(frozen=True)
class Hop:
    """One thing that happened: when, and how long after the hop before it."""

    label: str
    at: datetime
    after_ms: int | None


@dataclass(frozen=True)
class Timeline:
    """One turn. `first_ms` runs from the contact's last message to the first thing that they were sent then,
    `total_ms` to the answer or fallback. `notes` say what else there is to know, in plain words."""

    turn_id: int
    outcome: str
    outcome_label: str
    reason: str
    hops: Sequence[Hop] = field(default_factory=tuple)
    notes: Sequence[str] = field(default_factory=tuple)
    first_ms: int | None = None
    total_ms: int | None = None
    prompt: str = ""
    model: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def is_late(self) -> bool:
        return self.first_ms is not None and self.first_ms > REPLY_LIMIT_MS

    @property
    def share_of_limit(self) -> int:
        """How much of the five seconds the first reply used, in percent, at most 100."""
        return min(100, round((self.first_ms or 0) * 100 / REPLY_LIMIT_MS))


def timeline(
    turn: Turn, messages: Sequence[Message], requests: Sequence[LlmRequest], *, is_held: bool = False
) -> Timeline:
    """The timeline of `turn` from its messages and requests, both oldest first. `is_held`: its channel waits
    for its repair."""
    written = [message for message in messages if message.direction == Message.Direction.IN]
    last = max(written, key=_came_at, default=None)
    request = _telling_request(requests)
    reply, first = _first(messages, REPLIES), _first(messages, FIRST_REPLIES)
    is_open = turn.state in Turn.UNSETTLED
    hops = _hops(
        [
            (_("Received"), last.received_at if last else None),
            (_("Stored"), last.stored_at if last else None),
            *_request_hops(requests, request),
            (turn.get_state_display(), turn.settled_at if turn.state != Turn.State.ANSWERED else None),
            (_("Sending"), reply.sending_at if reply else None),
            (_("Sent"), reply.sent_at if reply else None),
        ],
        [
            (_("%(what)s sent") % {"what": message.get_purpose_display()}, message.sent_at)
            for message in messages
            if message.purpose in (Message.Purpose.HOLDING, Message.Purpose.LIMIT, Message.Purpose.MEDIA)
        ],
    )
    return Timeline(
        turn_id=turn.pk,
        outcome=turn.state,
        outcome_label=turn.get_state_display(),
        reason=explain(turn.reason, turn.reason_detail),
        hops=hops,
        notes=(*_request_notes(requests), *_held_notes(is_open and is_held)),
        first_ms=_waited_ms(written, first),
        total_ms=_waited_ms(written, reply),
        prompt=f"v{request.prompt_version.number}" if request and request.prompt_version else "",
        model=request.model if request else "",
        prompt_tokens=request.prompt_tokens if request else None,
        completion_tokens=request.completion_tokens if request else None,
    )


def explain(reason: str, detail: str = "") -> str:
    """A reason code of the ledger as a sentence for staff. `detail`: the word or topic behind it."""
    sentence = _(REASONS[reason]) if reason in REASONS else reason.replace("_", " ")
    return f"{sentence.removesuffix('.')}: “{printable(detail)}”." if detail else sentence


def _came_at(message: Message) -> datetime:
    return message.received_at or message.stored_at


def _waited_ms(written: Sequence[Message], reply: Message | None) -> int | None:
    """From the last message before `reply` to the moment when the platform took it."""
    if reply is None or reply.sent_at is None:
        return None
    before = [came_at for message in written if (came_at := _came_at(message)) <= reply.sent_at]
    return _ms_between(max(before), reply.sent_at) if before else None


def _telling_request(requests: Sequence[LlmRequest]) -> LlmRequest | None:
    """The newest request whose reply could be sent, else the newest that somebody still wanted."""
    wanted = [request for request in requests if request.state != LlmRequest.State.CANCELLED]
    usable = [request for request in wanted if _is_usable(request)]
    candidates = usable or wanted or list(requests)
    return candidates[-1] if candidates else None


def _is_usable(request: LlmRequest) -> bool:
    return request.state == LlmRequest.State.COMPLETED and not request.objection


def _request_hops(
    requests: Sequence[LlmRequest], telling: LlmRequest | None
) -> list[tuple[str, datetime | None]]:
    """Every hop of the request that tells; of those before it, that they were asked and why it went on."""
    if telling is None:
        return []
    hops: list[tuple[str, datetime | None]] = []
    for request in requests[: list(requests).index(telling)]:
        if request.state == LlmRequest.State.CANCELLED:
            continue
        hops += [
            (_("Asked again") if hops else _("Asked the LLM"), request.asked_at),
            (_("Answer not sent") if request.objection else _("LLM had no answer"), request.stored_at),
        ]
    return [
        *hops,
        (_("Asked again") if hops else _("Asked the LLM"), telling.asked_at),
        (_("LLM took it"), telling.received_at),
        (_("LLM started"), telling.started_at),
        (_("LLM finished"), telling.finished_at),
        (_("Answer not sent") if telling.objection else _("Reply stored"), telling.stored_at),
    ]


def _request_notes(requests: Sequence[LlmRequest]) -> list[str]:
    """Why answers were not sent, and how many questions were withdrawn."""
    notes = []
    for number, request in enumerate(requests, start=1):
        if request.objection:
            again = any(later.state != LlmRequest.State.CANCELLED for later in requests[number:])
            not_sent = _("Not sent: %(why)s") % {"why": translate_stored(request.objection)}
            notes.append(" ".join([not_sent, *([_("The LLM was asked again.")] if again else [])]))
    withdrawn = sum(request.state == LlmRequest.State.CANCELLED for request in requests)
    if withdrawn:
        said = ngettext(
            "A question to the LLM was withdrawn: the contact wrote more, or its outcome was known.",
            "%(count)s questions to the LLM were withdrawn: the contact wrote more, or its outcome was "
            "known.",
            withdrawn,
        )
        notes.append(said % {"count": withdrawn})
    return notes


def _held_notes(is_held: bool) -> list[str]:
    return [_("It waits for the repair of its channel, and is answered then.")] if is_held else []


def _first(messages: Sequence[Message], purposes: Sequence[str]) -> Message | None:
    """What the contact was told first of `purposes`: a part that was sent, else one that should be."""
    replies = [
        message
        for message in messages
        if message.purpose in purposes and message.state != Message.State.CANCELLED and message.part == 0
    ]
    sent = {message.sent_at: message for message in reversed(replies) if message.sent_at}
    return sent[min(sent)] if sent else next(iter(replies), None)


def _hops(
    moments: Sequence[tuple[str, datetime | None]], asides: Sequence[tuple[str, datetime | None]]
) -> tuple[Hop, ...]:
    """The moments that are known, each with the time since the one before; `asides` may stand anywhere among
    them."""
    known = [(label, at) for label, at in (*moments, *asides) if at is not None]
    if any(at for label, at in asides) or _has_outcome_among(known):
        known.sort(key=lambda moment: moment[1])
    hops: list[Hop] = []
    for label, at in known:
        hops.append(Hop(label, at, _ms_between(hops[-1].at, at) if hops else None))
    return tuple(hops)


def _has_outcome_among(moments: Sequence[tuple[str, datetime]]) -> bool:
    """Handing over may come before or after any other hop: only then the clock decides on the order."""
    outcomes = {str(state.label) for state in (Turn.State.HANDED_OVER, Turn.State.DECLINED)}
    return any(label in outcomes for label, at in moments)


def _ms_between(start: datetime, end: datetime) -> int:
    return round((end - start).total_seconds() * 1000)
