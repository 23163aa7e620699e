"""Answers of the LLM that wait for staff: sent as they are, changed and sent, or discarded, once."""

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from console.conversations.models import Conversation, Message
from console.inbox.models import Draft
from console.organizations.models import User
from hub_lambdas import actions, choices, llm_text, outbox, personal, staff, thumbs
from hub_lambdas.staff import AnsweredAlready, NotRead


def waiting(conversation: Conversation) -> Draft | None:
    """What waits for staff in a conversation of theirs."""
    of_staff = _drafts(conversation.pk).filter(turn__conversation__owner=Conversation.Owner.STAFF)
    return of_staff.filter(state=Draft.State.WAITING).select_related("request", "turn").first()


def text_of(draft: Draft, conversation: Conversation) -> str:
    """What the contact would get."""
    return personal.fill(llm_text.to_send(draft.request), conversation)


def _drafts(conversation_id: int) -> QuerySet[Draft]:
    """Those of a conversation, each with whether it `is_overtaken`."""
    asked_at, last_message_id = OuterRef("request__asked_at"), OuterRef("request__last_message_id")
    since = Q(pk__gt=last_message_id) | Q(turn=OuterRef("turn"), edited_at__gt=asked_at)
    written = Message.objects.filter(since, conversation=conversation_id, direction=Message.Direction.IN)
    found = {"is_overtaken": Exists(written.exclude(kind=thumbs.KIND))}
    return Draft.objects.filter(turn__conversation=conversation_id).annotate(**found)


@transaction.atomic
def send(conversation_id: int, draft_id: int, user: User, text: str) -> list[Message]:
    """Send a draft in the name of `user`, as it is or as they changed it. The conversation is done with then:
    what the contact writes next gets a draft again, unless a member has taken it over. Raises AnsweredAlready
    and NotRead: of two members who send one, one is heard, and nobody sends what answers too little."""
    conversation, draft = _lock(conversation_id, draft_id)
    staff.demand_no_answer(conversation, user, draft.request.last_message_id)
    if draft.is_overtaken:
        raise NotRead(_("The contact has written meanwhile, so the draft was not sent. Answer that, too."))
    whole = text_of(draft, conversation)
    offered = choices.beside(conversation.organization_id, llm_text.to_send(draft.request))
    if text.split() == whole.split():
        text = whole
    else:
        offered = ()
    sent = outbox.send(conversation, Message.Purpose.STAFF, text, offered, author=user)
    staff.note_answer(conversation_id, Q(pk__gt=draft.request.last_message_id))
    if conversation.assignee_id is None:
        Conversation.objects.filter(pk=conversation_id).update(closed_at=timezone.now())
    _settle(draft, Draft.State.SENT, user)
    return sent


@transaction.atomic
def discard(conversation_id: int, draft_id: int, user: User) -> None:
    """Staff answer themselves. Raises AnsweredAlready where it does not wait any more."""
    _conversation, draft = _lock(conversation_id, draft_id)
    _settle(draft, Draft.State.DISCARDED, user)


def _lock(conversation_id: int, draft_id: int) -> tuple[Conversation, Draft]:
    actions.lock_conversation(conversation_id)
    conversation = Conversation.objects.select_related("contact__channel", "organization", "assignee").get(
        pk=conversation_id
    )
    draft = _drafts(conversation_id).select_related("request", "settled_by").get(pk=draft_id)
    if draft.state != Draft.State.WAITING:
        who = draft.settled_by or _("Somebody")
        if draft.state == Draft.State.SENT:
            raise AnsweredAlready(_("%(who)s has sent this draft already.") % {"who": who})
        raise AnsweredAlready(_("%(who)s has discarded this draft already.") % {"who": who})
    return conversation, draft


def _settle(draft: Draft, state: Draft.State, user: User) -> None:
    draft.state, draft.settled_by, draft.settled_at = state, user, timezone.now()
    draft.save(update_fields=["state", "settled_by", "settled_at"])
