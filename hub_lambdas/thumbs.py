"""Contacts say whether an answer helped: two choices below it, and a press of one is feedback, no message
that wants an answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import Q

from console.conversations.models import Conversation, Message, Turn
from console.feedback.models import Feedback
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import InboundMessage

THUMBS: Mapping[str, bool] = {"👍": True, "👎": False}
KIND = "feedback"
"""Of the message that a press is stored as."""
_REACHED = (Message.State.SENDING, Message.State.SENT, Message.State.UNKNOWN)


def below(turn: Turn) -> Sequence[str]:
    """What is offered below an answer that has no choices of its own: nothing where the organization does not
    ask, or the platform has no buttons."""
    has_buttons = not KINDS[turn.conversation.contact.channel.kind].numbers_choices
    return list(THUMBS) if turn.organization.asks_for_feedback and has_buttons else []


def is_press(conversation: Conversation, message: InboundMessage) -> bool:
    """Whether `message` is a press of a thumb that the hub offered, and no message like any other. The caller
    holds the conversation's lock."""
    if message.kind != "button" or message.text not in THUMBS or conversation.contact.is_test:
        return False
    return _answer_above(conversation, message) is not None or _is_below_nothing(conversation, message)


def store(conversation: Conversation, message: InboundMessage, received_at: datetime) -> None:
    """Keep a press with the conversation, in no turn, and the opinion with its answer where that is still
    here: the last counts."""
    answer = _answer_above(conversation, message)
    Message.objects.create(
        conversation=conversation,
        channel=conversation.contact.channel,
        direction=Message.Direction.IN,
        kind=KIND,
        text=message.text,
        payload=message.payload,
        platform_id=message.platform_id,
        platform_at=message.platform_at,
        received_at=received_at,
    )
    if answer is None:
        return
    Feedback.objects.update_or_create(
        message=answer,
        source=Feedback.Source.CONTACT,
        defaults={
            "organization_id": conversation.organization_id,
            "is_good": THUMBS[message.text],
            "given_at": received_at,
        },
    )


def _answer_above(conversation: Conversation, message: InboundMessage) -> Message | None:
    """The answer that a press stood below, or the newest where the platform does not say."""
    asking = conversation.messages.filter(purpose=Message.Purpose.ANSWER, choices=list(THUMBS))
    answers = asking.filter(state__in=_REACHED).order_by("-id")
    if message.below_reference.isdecimal():
        return answers.filter(pk=message.below_reference).first()
    if message.below_platform_id:
        # Of an answer that is just being sent, or of unknown fate, the platform's id is not known.
        named = answers.filter(platform_id=message.below_platform_id).first()
        return named or answers.filter(platform_id=None).first()
    return answers.first()


def _is_below_nothing(conversation: Conversation, message: InboundMessage) -> bool:
    """Whether a press names a message that is not here: retention deletes messages, their buttons stay."""
    if message.below_reference.isdecimal():
        return not conversation.messages.filter(pk=message.below_reference).exists()
    if not message.below_platform_id:
        return False
    unnamed = Q(platform_id=None, state__in=_REACHED, choices__contains=[message.text])
    named = Q(platform_id=message.below_platform_id)
    return not conversation.messages.filter(named | unnamed).exists()
