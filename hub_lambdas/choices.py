"""What a contact may tap in answer: the choices of a canned prompt go with its answer, and a number that
stands for one is understood where there are no buttons."""

import re
from collections.abc import Sequence
from dataclasses import replace

from console.conversations.models import Conversation, Message
from console.prompts.models import CannedPrompt
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import InboundMessage

_NUMBER = re.compile(r"\s*([0-9]{1,2})\s*[.)]?\s*", re.ASCII)


def beside(organization_id: int, answer: str) -> Sequence[str]:
    """The choices that go with an answer: those of the canned prompt whose answer it is, whatever the space
    and the case. An answer in other words may be about something else: it has none."""
    offering = CannedPrompt.objects.filter(organization_id=organization_id, is_active=True).exclude(
        choices=""
    )
    found = (each for each in offering.order_by("position", "id") if _same(each.answer, answer))
    return next((each.offered for each in found), [])


def _same(one: str, other: str) -> bool:
    return one.casefold().split() == other.casefold().split()


def understood(conversation: Conversation, message: InboundMessage) -> InboundMessage:
    """A message with the choice in place of a bare number, where the last that the contact was sent numbers
    some. The caller holds the conversation's lock."""
    number = _NUMBER.fullmatch(message.text) if message.kind == "text" else None
    if number is None or not KINDS[conversation.contact.channel.kind].numbers_choices:
        return message
    last = conversation.messages.filter(
        direction=Message.Direction.OUT, state__in=[Message.State.SENT, Message.State.UNKNOWN]
    ).last()
    index = int(number[1]) - 1
    if last is None or not 0 <= index < len(last.choices):
        return message
    return replace(message, kind="button", text=last.choices[index])
