"""How a turn went, hop by hop: what happened when, how long it took, and the outcome in plain words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from console.conversations.models import LlmRequest, Message, Turn

REPLY_LIMIT_MS = 5000
"""The line that a reply is measured against."""

REASONS = {
    "staff_owns": "The conversation belonged to staff, so the bot kept out of it.",
    "not_text": "The message was not text (a picture, a voice note, a place …), which the LLM cannot take.",
    "empty": "The message had no words in it.",
    "too_long": "The message is longer than the LLM can take.",
    "llm_failed": "The LLM failed twice.",
    "no_answer": "The LLM had no answer.",
    "not_known": "The LLM said that this is for a person to answer.",
    "no_answer_in_time": "No answer came within the organization's limit.",
    "delivery_failed": "The platform refused the answer.",
    "delivery_unknown": "The platform did not say whether it took the answer, so it was not sent again.",
    "dead_letter": "A step of the work failed five times.",
    "organization_retired": "The organization is retired.",
    "channel_retired": "The channel is retired.",
    "channel_paused": "The channel is paused, so no answer could be sent.",
}


@dataclass(frozen=True)
class Hop:
    """One thing that happened: when, and how long after the hop before it."""

    label: str
    at: datetime
    after_ms: int | None


@dataclass(frozen=True)
class Timeline:
    """One turn. `total_ms` runs from the contact's last message to the moment the platform took the reply."""

    turn_id: int
    outcome: str
    outcome_label: str
    reason: str
    hops: Sequence[Hop] = field(default_factory=tuple)
    total_ms: int | None = None
    prompt: str = ""
    model: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def is_late(self) -> bool:
        return self.total_ms is not None and self.total_ms > REPLY_LIMIT_MS

    @property
    def share_of_limit(self) -> int:
        """How much of the five seconds was used, in percent, at most 100."""
        return min(100, round((self.total_ms or 0) * 100 / REPLY_LIMIT_MS))


def timeline(turn: Turn, messages: Sequence[Message], requests: Sequence[LlmRequest]) -> Timeline:
    """The timeline of `turn` from its messages and requests, both oldest first."""
    written = [message for message in messages if message.direction == Message.Direction.IN]
    last = max(written, key=lambda message: message.received_at or message.stored_at, default=None)
    request = _telling_request(requests)
    reply = _reply(messages)
    hops = _hops(
        [
            ("Received", last.received_at if last else None),
            ("Stored", last.stored_at if last else None),
            ("Asked the LLM", request.asked_at if request else None),
            ("LLM took it", request.received_at if request else None),
            ("LLM started", request.started_at if request else None),
            ("LLM finished", request.finished_at if request else None),
            ("Reply stored", request.stored_at if request else None),
            (turn.get_state_display(), turn.settled_at if turn.state != Turn.State.ANSWERED else None),
            ("Sending", reply.sending_at if reply else None),
            ("Sent", reply.sent_at if reply else None),
        ]
    )
    received_at = last.received_at or last.stored_at if last else None
    sent_at = reply.sent_at if reply else None
    return Timeline(
        turn_id=turn.pk,
        outcome=turn.state,
        outcome_label=turn.get_state_display(),
        reason=explain(turn.reason),
        hops=hops,
        total_ms=_ms_between(received_at, sent_at) if received_at and sent_at else None,
        prompt=f"v{request.prompt_version.number}" if request and request.prompt_version else "",
        model=request.model if request else "",
        prompt_tokens=request.prompt_tokens if request else None,
        completion_tokens=request.completion_tokens if request else None,
    )


def explain(reason: str) -> str:
    """A reason code of the ledger as a sentence for staff."""
    return REASONS.get(reason, reason.replace("_", " "))


def _telling_request(requests: Sequence[LlmRequest]) -> LlmRequest | None:
    """The newest request that was completed, else the newest."""
    completed = [request for request in requests if request.state == LlmRequest.State.COMPLETED]
    candidates = completed or list(requests)
    return candidates[-1] if candidates else None


def _reply(messages: Sequence[Message]) -> Message | None:
    """What the contact was told first: a part that was sent, else one that should be."""
    purposes = (Message.Purpose.ANSWER, Message.Purpose.FALLBACK)
    replies = [
        message
        for message in messages
        if message.purpose in purposes and message.state != Message.State.CANCELLED and message.part == 0
    ]
    sent = [message for message in replies if message.sent_at]
    return next(iter(sent or replies), None)


def _hops(moments: Sequence[tuple[str, datetime | None]]) -> tuple[Hop, ...]:
    """The moments that are known, each with the time since the one before."""
    known = [(label, at) for label, at in moments if at is not None]
    settled = sorted(known, key=lambda moment: moment[1]) if _has_outcome_among(known) else known
    hops: list[Hop] = []
    for label, at in settled:
        hops.append(Hop(label, at, _ms_between(hops[-1].at, at) if hops else None))
    return tuple(hops)


def _has_outcome_among(moments: Sequence[tuple[str, datetime]]) -> bool:
    """Handing over may come before or after any other hop: only then the clock decides on the order."""
    return any(label in (Turn.State.HANDED_OVER.label, Turn.State.DECLINED.label) for label, _ in moments)


def _ms_between(start: datetime, end: datetime) -> int:
    return round((end - start).total_seconds() * 1000)
