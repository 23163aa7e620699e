"""What the page of one conversation shows: bubbles, and a timeline for each turn."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Prefetch
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from console.conversations.attachments import Attachment, attachment
from console.conversations.models import Conversation, LlmRequest, Message, Turn
from console.conversations.timeline import Timeline, timeline
from console.exact_text import printable
from console.feedback.models import Feedback
from console.feedback.opinions import Opinion, opinion
from console.template_filters import length

PAGE_SIZE = 100
CONTEXT_SIZE = 20
"""How many messages before one show what it was about."""

ICONS = {
    "image": "image",
    "photo": "image",
    "voice": "mic",
    "audio": "music_note",
    "video": "videocam",
    "document": "description",
    "file": "description",
    "sticker": "mood",
    "location": "location_on",
    "contact": "contact_page",
    "contacts": "contact_page",
    "button": "touch_app",
    "feedback": "thumbs_up_down",
    "unsent": "undo",
}
KINDS = {
    "image": gettext_noop("picture"),
    "photo": gettext_noop("picture"),
    "voice": gettext_noop("voice note"),
    "audio": gettext_noop("sound"),
    "video": gettext_noop("video"),
    "document": gettext_noop("document"),
    "file": gettext_noop("file"),
    "sticker": gettext_noop("sticker"),
    "location": gettext_noop("place"),
    "contact": gettext_noop("contact"),
    "contacts": gettext_noop("contacts"),
    "button": gettext_noop("button"),
    "unsent": gettext_noop("taken back"),
}
"""What is no text, in a word; platforms have more kinds than these."""
STATE_BADGES = {
    Message.State.PENDING: "info",
    Message.State.SENDING: "info",
    Message.State.SENT: "success",
    Message.State.FAILED: "danger",
    Message.State.UNKNOWN: "warning",
    Message.State.CANCELLED: "",
}


@dataclass(frozen=True)
class Bubble:
    """One message as it is shown. `side` "in" is the contact's. `media` names what is not text."""

    id: int
    side: str
    sender: str
    purpose: str
    text: str
    choices: Sequence[str]
    """What the contact may tap below it."""
    media: str
    icon: str
    at: datetime
    state: str
    badge: str
    error: str
    is_edited: bool
    is_aside: bool
    """Whether it is said beside the answer: the holding line, and what is said over a limit."""
    teaches: bool
    """Whether staff wrote it, and the bot may learn it."""
    late: str
    """How long after it was written it reached the hub, where that is late."""
    files: list[Attachment]
    is_answer: bool
    """Whether feedback may be given on it: it ends an answer of the bot's that was sent."""
    feedback: Sequence[Opinion]
    turn: Timeline | None
    """The turn that ends here, if one does."""


def newest(conversation: Conversation, before: int | None = None) -> tuple[list[Bubble], bool]:
    """The newest messages (below id `before`), oldest first, and whether there are earlier ones."""
    messages = Message.objects.filter(conversation=conversation).select_related("author").defer("payload")
    if before is not None:
        messages = messages.filter(pk__lt=before)
    opinions = Prefetch("feedback", Feedback.objects.select_related("member"))
    found = list(messages.prefetch_related("media", opinions).order_by("-id")[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE][::-1]
    timelines = _timelines(conversation, {message.turn_id for message in shown if message.turn_id})
    late_after = timedelta(minutes=conversation.organization.late_after_minutes)
    ends = set({message.turn_id: message.pk for message in shown if message.turn_id}.values())
    answers = set({message.turn_id: message.pk for message in shown if _is_sent_answer(message)}.values())
    bubbles = [
        _bubble(
            message,
            late_after,
            timelines.get(message.turn_id) if message.pk in ends else None,
            is_answer=message.pk in answers,
        )
        for message in shown
    ]
    return bubbles, len(found) > PAGE_SIZE


def page_with(conversation: Conversation, message_id: int) -> int | None:
    """Below which id the page begins that has a message with what was said before and after it; None where
    the newest page does."""
    later = Message.objects.filter(conversation=conversation, pk__gt=message_id).order_by("pk")
    ids = list(later.values_list("pk", flat=True)[: PAGE_SIZE - CONTEXT_SIZE])
    return ids[PAGE_SIZE // 2] if len(ids) == PAGE_SIZE - CONTEXT_SIZE else None


def _timelines(conversation: Conversation, turn_ids: set[int]) -> dict[int | None, Timeline]:
    messages: dict[int | None, list[Message]] = defaultdict(list)
    for message in Message.objects.filter(turn__in=turn_ids).defer("payload", "text").order_by("id"):
        messages[message.turn_id].append(message)
    requests: dict[int, list[LlmRequest]] = defaultdict(list)
    for request in (
        LlmRequest.objects.filter(turn__in=turn_ids)
        .select_related("prompt_version")
        .defer("prompt_version__instructions", "prompt_version__canned_prompts")
        .order_by("asked_at")
    ):
        requests[request.turn_id].append(request)
    turns = Turn.objects.filter(pk__in=turn_ids)
    is_held = conversation.contact.channel.is_held
    return {turn.pk: timeline(turn, messages[turn.pk], requests[turn.pk], is_held=is_held) for turn in turns}


def _lateness(message: Message, late_after: timedelta) -> str:
    if message.platform_at is None or message.received_at is None:
        return ""
    delay = message.received_at - message.platform_at
    return length(delay) if delay > late_after else ""


def _media(message: Message) -> str:
    if message.kind == "unsent":
        return (
            _("taken back by the contact") if message.direction == Message.Direction.IN else _("taken back")
        )
    return "" if message.kind == "text" else kind_of(message.kind)


def kind_of(kind: str) -> str:
    """What a message is that is no text, in a word."""
    return _(KINDS[kind]) if kind in KINDS else kind.replace("_", " ")


def _state(message: Message) -> str:
    """How far a message of ours has come."""
    is_sent = message.state == Message.State.SENT
    return (is_sent and message.get_reached_display()) or message.get_state_display()


def _is_sent_answer(message: Message) -> bool:
    return message.purpose == Message.Purpose.ANSWER and message.state == Message.State.SENT


def _bubble(message: Message, late_after: timedelta, turn: Timeline | None, *, is_answer: bool) -> Bubble:
    is_inbound = message.direction == Message.Direction.IN
    is_answer = message.purpose == Message.Purpose.ANSWER
    sender = ""
    if not is_inbound:
        sender = str(message.author) if message.author else _("Bot")
    return Bubble(
        id=message.pk,
        side=message.direction,
        sender=sender,
        purpose="" if is_inbound or is_answer else message.get_purpose_display(),
        text=printable(message.text),
        choices=message.choices,
        media=_media(message),
        icon=ICONS.get(message.kind, "attach_file"),
        at=message.received_at or message.sent_at or message.stored_at,
        state="" if is_inbound else _state(message),
        badge="" if is_inbound else STATE_BADGES.get(Message.State(message.state), ""),
        error=message.error,
        is_edited=message.edited_at is not None,
        is_aside=message.purpose in (Message.Purpose.HOLDING, Message.Purpose.LIMIT),
        teaches=message.purpose == Message.Purpose.STAFF and bool(message.text),
        late=_lateness(message, late_after) if is_inbound else "",
        files=[attachment(each) for each in message.media.all()],
        is_answer=is_answer,
        feedback=[opinion(each) for each in message.feedback.all()],
        turn=turn,
    )
