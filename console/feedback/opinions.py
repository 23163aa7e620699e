"""Who thinks what of an answer."""

from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone

from console.conversations.models import Message
from console.feedback.models import Feedback
from console.organizations.models import User


@dataclass(frozen=True)
class Opinion:
    """Feedback as it is shown. `member_id`: whose; None for the contact's, and for who is gone."""

    is_good: bool
    is_of_contact: bool
    member: str
    member_id: int | None


def opinion(feedback: Feedback) -> Opinion:
    """One row."""
    is_of_contact = feedback.source == Feedback.Source.CONTACT
    return Opinion(feedback.is_good, is_of_contact, str(feedback.member or ""), feedback.member_id)


def answers() -> QuerySet[Message]:
    """What feedback may be given on. Test messages are none of it: they count nowhere."""
    sent = Message.objects.filter(purpose=Message.Purpose.ANSWER, state=Message.State.SENT)
    return sent.filter(conversation__contact__is_test=False)


def give(answer: Message, member: User, *, is_good: bool) -> None:
    """What a member thinks; the same once more takes it back."""
    theirs = Feedback.objects.filter(message=answer, member=member)
    if theirs.filter(is_good=is_good).delete()[0]:
        return
    Feedback.objects.update_or_create(
        message=answer,
        member=member,
        defaults={
            "organization_id": answer.conversation.organization_id,
            "source": Feedback.Source.STAFF,
            "is_good": is_good,
            "given_at": timezone.now(),
        },
    )
