"""How far each member has read."""

from console.conversations.models import Conversation
from console.inbox.models import ReadMark
from console.organizations.models import User


def mark_read(user: User, conversation: Conversation, message_id: int) -> None:
    """`user` has the conversation before them, up to a message."""
    marks = ReadMark.objects.filter(user=user, conversation=conversation)
    if not marks.filter(message_id__gte=message_id).exists():
        ReadMark.objects.bulk_create(
            [ReadMark(user=user, conversation=conversation, message_id=message_id)],
            update_conflicts=True,
            unique_fields=["conversation", "user"],
            update_fields=["message_id"],
        )
