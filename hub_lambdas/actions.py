"""Carries out what `decide` says is due: rows change inside one transaction, queue sends follow its commit.

A send that gets lost after the commit is found by the sweep: every row here says what is still to be done.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Case, When
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Conversation, LlmRequest, Message, Turn
from console.inbox.models import Draft
from console.organizations.models import Organization, Translation
from hub_lambdas import choices, limits, llm_text, outbox, personal, prompting, queues, record, thumbs, turns
from hub_lambdas.channels import KINDS
from hub_lambdas.snapshots import snapshot

_CHANGING = ("state", "reason", "reason_detail", "settled_at", "wake_at")
"""What of a turn its actions change, written once when all are carried out."""
CLOCK_TOLERANCE = timedelta(milliseconds=250)
"""A wake-up may seem to come early by so much, for the functions' clocks differ: then it is ordered again."""

CLOCK_STEP = timedelta(microseconds=1)
"""The newest request counts, so each is asked after the ones before, whatever this function's clock says."""


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


def advance(turn_id: int) -> None:
    """Look at a turn and do what is due. One that has its outcome costs no lock, unless it may have it from
    this very record."""
    states = Turn.State.values if record.comes_again() else Turn.UNSETTLED
    found = Turn.objects.filter(pk=turn_id, state__in=states)
    conversation_id = found.values_list("conversation_id", flat=True).first()
    if conversation_id is not None:
        with transaction.atomic():
            lock_conversation(conversation_id)
            do_what_is_due(load_turn(turn_id))


def do_what_is_due(turn: Turn) -> None:
    """The same for a turn whose conversation is locked."""
    now = timezone.now()
    if turn.state in Turn.UNSETTLED:
        decide_anew(turn, now)
    if record.comes_again():
        _queue_again(turn, now)


def decide_anew(turn: Turn, now: datetime) -> None:
    """The same for one that may have its outcome: only what a platform reports changes that, and staff who
    leave it to one another call for a word to the contact."""
    carry_out(turn, turns.decide(snapshot(turn, now), now), now)


def _queue_again(turn: Turn, now: datetime) -> None:
    """What the same record has written down before may not have reached its queue: then the contact need not
    wait for the sweep. Where it has, nothing comes of it."""
    for message in turn.message_rows:
        is_unsent = message.state == Message.State.PENDING and not message.attempts
        if is_unsent and message.stored_at < now:
            outbox.queue_delivery(message)
    pending = [
        request
        for request in turn.request_rows
        if request.state == LlmRequest.State.PENDING and request.asked_at < now
    ]
    if turn.state == Turn.State.ASKED and pending:
        queue_request(pending[-1])


def carry_out(turn: Turn, due: list[turns.Action], now: datetime) -> None:
    """Carry out actions for a turn whose conversation is locked."""
    before = {name: getattr(turn, name) for name in _CHANGING}
    if waits := [action.until for action in due if isinstance(action, turns.Wait)]:
        _wake(turn, min(waits), now)
    for action in due:
        match action:
            case turns.Ask():
                _ask(turn, now)
            case turns.Withdraw(request_id):
                _withdraw(turn, [request_id])
            case turns.HoldTheLine():
                outbox.tell(turn, Message.Purpose.HOLDING, Translation.Purpose.HOLDING_LINE)
            case turns.Answer(request_id, apologize):
                _answer(turn, request_id, apologize)
            case turns.Deliver(part_id, doubts):
                outbox.queue_delivery(
                    Message.objects.get(pk=part_id), occasion=f"doubts-{doubts}" if doubts else ""
                )
            case turns.SendAgain(part_id):
                _send_again(Message.objects.get(pk=part_id))
            case turns.Cancel():
                _cancel(turn)
            case turns.Settle():
                _settle(turn, action, now)
            case turns.TellContact(back_at):
                outbox.tell_of_staff(turn, back_at, now)
    if changed := [name for name in _CHANGING if getattr(turn, name) != before[name]]:
        turn.save(update_fields=changed)


def _wake(turn: Turn, until: datetime, now: datetime) -> None:
    """See to it that the turn is looked at again at `until`. For one moment one wake-up is ordered: with one
    for every look they would multiply while a contact keeps writing."""
    if turn.wake_at == until and until > now + CLOCK_TOLERANCE and not record.comes_again():
        return
    turn.wake_at = until
    outbox.after_commit(partial(queues.wake, turn.pk, until, now))


def queue_request(request: LlmRequest) -> None:
    """Put a request to the LLM on its way; sent twice, it is answered once."""
    turn = request.turn
    resumed_at = turn.conversation.contact.channel.resumed_at
    waits_since = max(turn.last_message_at, resumed_at) if resumed_at else turn.last_message_at
    handover_after = timedelta(seconds=turn.organization.handover_after_seconds)
    body = {
        "id": str(request.id),
        "organization": turn.organization.slug,
        "messages": prompting.chat_messages(turn, request.prompt_version, _attempt(request)),
        "max_tokens": turn.organization.max_answer_tokens,
        "temperature": 0.0,
        "answer_by": (waits_since + turns.HOLDING_AFTER).timestamp(),
        "expires_at": (request.asked_at + handover_after).timestamp(),
    }
    outbox.after_commit(partial(queues.request_llm, turn.organization.slug, body))


def _attempt(request: LlmRequest) -> int:
    """Which try to get an answer out of the LLM that may be sent."""
    return 1 + sum(
        bool(before.objection) and before.last_message_id == request.last_message_id
        for before in request.turn.request_rows
        if before.asked_at < request.asked_at
    )


def _ask(turn: Turn, now: datetime) -> None:
    written = [message for message in turn.message_rows if message.direction == Message.Direction.IN]
    request = LlmRequest.objects.create(
        turn=turn,
        last_message=written[-1],
        prompt_version=prompting.published_prompt(turn.organization_id),
        asked_at=max([now, *(before.asked_at + CLOCK_STEP for before in turn.request_rows)]),
    )
    turn.request_rows.append(request)
    turn.state = Turn.State.ASKED
    queue_request(request)
    channel = turn.conversation.contact.channel
    if KINDS[channel.kind].shows_typing and channel.bot == Channel.Bot.ANSWERS:
        # No partial: Django logs a failing hook by its name, which a partial has not.
        transaction.on_commit(lambda: queues.show_typing(turn.conversation_id, request.id), robust=True)


def _withdraw(turn: Turn, request_ids: Collection[UUID]) -> None:
    """Cancel what the LLM has not answered yet: whatever it still writes is of no use."""
    pending = [
        request
        for request in turn.request_rows
        if request.pk in request_ids and request.state == LlmRequest.State.PENDING
    ]
    for request in pending:
        request.state = LlmRequest.State.CANCELLED
        request.save(update_fields=["state"])
        outbox.after_commit(partial(queues.cancel_llm, turn.organization.slug, request.pk))
    if pending:
        outbox.after_commit(partial(admit, turn.organization))


def admit(organization: Organization) -> None:
    """Wake the next turns that were held off because their organization had enough requests at the LLM:
    those that can still be answered in time come first."""
    now = timezone.now()
    in_time = Case(When(last_message_at__gt=now - turns.HOLDING_AFTER, then=0), default=1)
    held_off = Turn.objects.filter(
        organization=organization,
        state=Turn.State.OPEN,
        sealed_at__isnull=True,
        last_message_at__lt=now - timedelta(seconds=organization.burst_window_seconds),
        conversation__assignee=None,  # else a member answers
    ).order_by(in_time, "last_message_at")
    waiting = list(held_off.values_list("pk", flat=True)[: settings.LLM_REQUESTS_PER_ORGANIZATION])
    if waiting:
        room = settings.LLM_REQUESTS_PER_ORGANIZATION - limits.pending_requests(organization, now)
        for turn_id in waiting[: max(0, room)]:
            queues.wake(turn_id, now, now)


def _answer(turn: Turn, request_id: UUID, apologize: bool) -> None:
    request = next(request for request in turn.request_rows if request.pk == request_id)
    text = llm_text.to_send(request)
    offered = choices.beside(turn.organization_id, text) or thumbs.below(turn)
    text = personal.fill(text, turn.conversation)
    if apologize:
        apology = turn.organization.text(Translation.Purpose.APOLOGY, turn.conversation.contact.language)
        text = f"{apology} {text}"
    answer = outbox.send(turn.conversation, Message.Purpose.ANSWER, text, offered, turn=turn, request=request)
    turn.message_rows += answer


def _send_again(part: Message) -> None:
    part.state, part.error = Message.State.PENDING, "It may have arrived before."
    part.save(update_fields=["state", "error"])
    outbox.queue_delivery(part)


def _cancel(turn: Turn) -> None:
    pending = [message for message in turn.message_rows if message.state == Message.State.PENDING]
    for message in pending:
        message.state = Message.State.CANCELLED
    if pending:
        ids = [message.pk for message in pending]
        Message.objects.filter(pk__in=ids).update(state=Message.State.CANCELLED)


def _settle(turn: Turn, settle: turns.Settle, now: datetime) -> None:
    reason = settle.reason
    turn.state, turn.settled_at = settle.outcome.value, now
    turn.reason, turn.reason_detail = (reason.value if reason else ""), settle.detail
    if turn.sealed_at is None:  # else its answer was made, and nothing is asked any more
        _withdraw(turn, [request.pk for request in turn.request_rows])
    match settle.outcome:
        case turns.State.HANDED_OVER:
            _give_to_staff(turn, settle, now)
        case turns.State.DECLINED if reason is turns.Reason.FILES_ONLY:
            outbox.tell(turn, Message.Purpose.MEDIA, Translation.Purpose.MEDIA_LINE)
        case turns.State.DECLINED if settle.tell_contact:
            outbox.tell_of_limit(turn, now)


def _give_to_staff(turn: Turn, settle: turns.Settle, now: datetime) -> None:
    await_staff(turn.conversation, turn.first_message_at)
    if settle.draft_of:
        Draft.put(turn, settle.draft_of, now)
    if settle.tell_contact:
        outbox.tell_of_staff(turn, settle.back_at, now)


def await_staff(conversation: Conversation, since: datetime) -> None:
    """Make the conversation staff's. Its contact waits for them since then, unless they have waited longer.
    The caller holds its lock."""
    if conversation.owner != Conversation.Owner.STAFF:
        conversation.owner, conversation.owned_since = Conversation.Owner.STAFF, timezone.now()
    conversation.waiting_since = conversation.waiting_since or since
    conversation.closed_at = None
    conversation.save(update_fields=["owner", "owned_since", "waiting_since", "closed_at"])
