"""Carries out what `decide` says is due: rows change inside one transaction, queue sends follow its commit.

A send that gets lost after the commit is found by the sweep: every row here says what is still to be done.
"""

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from console.conversations.models import Conversation, LlmRequest, Message, Turn
from console.exact_text import printable
from hub_lambdas import prompting, queues, turns
from hub_lambdas.channels import KINDS
from hub_lambdas.snapshots import snapshot


def lock_conversation(conversation_id: int) -> Conversation:
    """The conversation, locked until the transaction ends: whoever changes its ledger holds this lock."""
    return Conversation.objects.select_for_update().get(pk=conversation_id)


def lock_turn(turn_id: int) -> Turn:
    """The turn with its conversation locked."""
    lock_conversation(Turn.objects.values_list("conversation_id", flat=True).get(pk=turn_id))
    return load_turn(turn_id)


def load_turn(turn_id: int) -> Turn:
    """The turn as it is now; whoever asks holds the conversation's lock."""
    return Turn.objects.select_related("organization", "conversation__contact__channel").get(pk=turn_id)


@transaction.atomic
def advance(turn_id: int) -> None:
    """Look at a turn and do what is due."""
    do_what_is_due(lock_turn(turn_id))


def do_what_is_due(turn: Turn) -> None:
    """The same for a turn whose conversation is locked."""
    now = timezone.now()
    carry_out(turn, turns.decide(snapshot(turn), now), now)


def carry_out(turn: Turn, due: list[turns.Action], now: datetime) -> None:
    """Carry out actions for a turn whose conversation is locked."""
    for action in due:
        match action:
            case turns.Wait(until):
                after_commit(partial(queues.wake, turn.pk, until, now))
            case turns.Ask():
                _ask(turn, now)
            case turns.Answer(request_id):
                _answer(turn, request_id)
            case turns.Deliver(part_id):
                queue_delivery(Message.objects.get(pk=part_id))
            case turns.Cancel():
                _cancel(turn)
            case turns.Settle(outcome, reason, tell_contact):
                _settle(turn, outcome, reason, tell_contact, now)


def after_commit(send: Callable[[], None]) -> None:
    """Queue something once the rows that it speaks of are there to be read."""
    transaction.on_commit(send)


def queue_delivery(message: Message) -> None:
    """Put an outbound message on its way."""
    after_commit(partial(queues.deliver, message.conversation_id, message.pk, message.attempts))


def queue_request(request: LlmRequest) -> None:
    """Put a request to the LLM on its way; sent twice, it is answered once."""
    turn = request.turn
    body = {
        "id": str(request.id),
        "organization": turn.organization.slug,
        "messages": prompting.chat_messages(turn, request.prompt_version),
        "max_tokens": turn.organization.max_answer_tokens,
        "temperature": 0.0,
    }
    after_commit(partial(queues.request_llm, turn.organization.slug, body))


def _ask(turn: Turn, now: datetime) -> None:
    newest = turn.messages.filter(direction=Message.Direction.IN).order_by("id").last()
    assert newest is not None, "a turn begins with a message"
    request = LlmRequest.objects.create(
        turn=turn,
        last_message=newest,
        prompt_version=prompting.published_prompt(turn.organization_id),
        asked_at=now,
    )
    turn.state = Turn.State.ASKED
    turn.save(update_fields=["state"])
    queue_request(request)
    if KINDS[turn.conversation.contact.channel.kind].shows_typing:
        transaction.on_commit(partial(queues.show_typing, turn.conversation_id, request.id), robust=True)


def _answer(turn: Turn, request_id: UUID) -> None:
    request = turn.requests.get(pk=request_id)
    text = printable(request.text).strip()
    if request.finish_reason == "length":
        text = whole_sentences(text)
    send(turn.conversation, Message.Purpose.ANSWER, text, turn=turn, request=request)


def whole_sentences(text: str) -> str:
    """`text` without an unfinished last sentence; all of it when it holds no finished one."""
    ends = [match.end() for match in re.finditer(r"[.!?…。！？؟](?=\s|$)", text)]
    return text[: ends[-1]] if ends else text


def send(conversation: Conversation, purpose: Message.Purpose, text: str, **fields: object) -> list[Message]:
    """Record a text as outbound messages, one per piece that the platform takes, and put the first on its
    way."""
    channel = conversation.contact.channel
    parts = [
        Message.objects.create(
            conversation=conversation,
            channel=channel,
            direction=Message.Direction.OUT,
            purpose=purpose,
            part=number,
            text=piece,
            state=Message.State.PENDING,
            **fields,
        )
        for number, piece in enumerate(KINDS[channel.kind].split(text))
    ]
    for part in parts:
        queue_delivery(part)
    return parts


def _cancel(turn: Turn) -> None:
    turn.messages.filter(direction=Message.Direction.OUT, state=Message.State.PENDING).update(
        state=Message.State.CANCELLED
    )


def _settle(
    turn: Turn, outcome: turns.State, reason: turns.Reason | None, tell_contact: bool, now: datetime
) -> None:
    turn.state, turn.reason, turn.settled_at = outcome.value, (reason.value if reason else ""), now
    turn.save(update_fields=["state", "reason", "settled_at"])
    if outcome is not turns.State.HANDED_OVER:
        return
    conversation = turn.conversation
    if conversation.owner != Conversation.Owner.STAFF:
        conversation.owner = Conversation.Owner.STAFF
        conversation.save(update_fields=["owner"])
    if tell_contact:
        send(conversation, Message.Purpose.FALLBACK, turn.organization.fallback, turn=turn)
