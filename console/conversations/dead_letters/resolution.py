"""What is done about a dead letter: once, by whoever comes first."""

from django.db import transaction
from django.utils import timezone

from console.conversations.models import DeadLetter
from console.organizations.models import User
from hub_lambdas import queues, unsent


@transaction.atomic
def replay(letter_id: int, user: User) -> bool:
    """Put a dead letter back on its queue; False where somebody has replayed or discarded it before. Raises
    what the queue raises, and then it waits as before."""
    letter = _take(letter_id)
    if letter is None:
        return False
    _resolve(letter, DeadLetter.State.REPLAYED, user)
    if letter.queue == queues.OUTBOUND:
        unsent.revive(letter.body)
    # Within the transaction: one that fails to commit leaves a letter that is replayed twice, which is
    # harmless, where one that is marked and not sent would be lost.
    queues.replay(letter.queue, letter.body)
    return True


@transaction.atomic
def discard(letter_id: int, user: User) -> bool:
    """Let a dead letter be; False where somebody has replayed or discarded it before."""
    letter = _take(letter_id)
    if letter is not None:
        _resolve(letter, DeadLetter.State.DISCARDED, user)
    return letter is not None


def _take(letter_id: int) -> DeadLetter | None:
    """The letter under its lock, if it still waits."""
    waiting = DeadLetter.objects.filter(pk=letter_id, state=DeadLetter.State.WAITING)
    return waiting.select_for_update().first()


def _resolve(letter: DeadLetter, state: DeadLetter.State, user: User) -> None:
    letter.state, letter.resolved_by, letter.resolved_at = state, user, timezone.now()
    letter.save(update_fields=["state", "resolved_by", "resolved_at"])
