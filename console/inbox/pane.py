"""One conversation as the inbox shows it: messages, timelines, who answers, and what may be written."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest

from console import tenancy
from console.conversations import page
from console.conversations.models import Conversation
from console.conversations.reply_window import reply_window
from console.exact_text import printable
from console.inbox import notes
from console.inbox.listing import number
from console.inbox.models import Label
from console.inbox.notes import NoteForm
from console.inbox.replies import quick_replies, text_limit
from console.organizations.models import User
from console.signed_in import user_of
from hub_lambdas import drafts
from hub_lambdas.reply_window import WRITTEN_AT


@dataclass(frozen=True)
class ShownDraft:
    """What of the bot's draft the pane shows. `is_overtaken`: the contact has written since."""

    id: int
    text: str
    is_overtaken: bool


def find(request: HttpRequest, conversation_id: int, verb: str) -> Conversation:
    """The conversation if the user may `verb` it; for anybody else there is none. One whose contact was
    erased can only be viewed."""
    seen = tenancy.scope(
        Conversation.objects.select_related("contact__channel", "organization", "assignee"),
        user_of(request),
        f"conversations.{verb}_conversation",
    )
    found = {"written_at": WRITTEN_AT}
    conversation = seen.annotate(**found).filter(pk=conversation_id).first()
    if conversation is None or (verb == "change" and conversation.contact.erased_at is not None):
        raise Http404("There is no such conversation.")
    return conversation


def colleagues(conversation: Conversation) -> QuerySet[User]:
    """Whom a conversation can be assigned to."""
    return User.objects.filter(memberships__organization=conversation.organization_id, is_active=True)


def live(request: HttpRequest, conversation: Conversation) -> dict[str, Any]:
    """What of the pane changes by itself. `token` names this state of it."""
    before, found = number(request.GET.get("before", "")), number(request.GET.get("found", ""))
    if found and before is None:
        before = page.page_with(conversation, found)
    bubbles, has_earlier = page.newest(conversation, before)
    entries = list(notes.among(bubbles, conversation, has_earlier=has_earlier, is_newest=before is None))
    labels = list(conversation.labels.all())
    window = reply_window(conversation)
    draft = _draft(conversation)
    contact, user = conversation.contact, user_of(request)
    contact.name = printable(contact.name)
    owner = (conversation.owner, conversation.assignee_id, conversation.is_closed)
    standing = (contact.is_blocked, contact.is_unreachable, contact.channel.status, str(contact))
    return {
        "conversation": conversation,
        "contact": contact,
        "contact_name": str(contact),
        "channel": contact.channel,
        "entries": entries,
        "labels": labels,
        "earlier": bubbles[0].id if bubbles and has_earlier else None,
        "is_newest": before is None,
        "found": found,
        "seen_id": bubbles[-1].id if bubbles else 0,
        "window": window,
        "draft": draft,
        "may_answer": contact.erased_at is None
        and user.has_perm("conversations.change_conversation", conversation),
        "may_export": user.has_perm("conversations.add_export", conversation),
        "may_erase": contact.erased_at is None and user.has_perm("protection.add_erasure", conversation),
        "may_add_canned": user.has_perm("prompts.add_cannedprompt", conversation),
        "may_add_case": user.has_perm("workshop.add_case", conversation),
        "may_repair": user.has_perm("channels.change_channel", contact.channel),
        "colleagues": colleagues(conversation),
        "all_labels": Label.objects.filter(organization=conversation.organization_id),
        "token": token(entries, labels, window, draft, owner, standing),
    }


def _draft(conversation: Conversation) -> ShownDraft | None:
    draft = drafts.waiting(conversation)
    text = printable(drafts.text_of(draft, conversation)) if draft else ""
    return ShownDraft(draft.pk, text, draft.is_overtaken) if draft and text else None


def writing(conversation: Conversation) -> dict[str, Any]:
    """What a reply or a note is written with."""
    return {
        "limit": text_limit(conversation.contact.channel),
        "quick_replies": quick_replies(conversation),
        "note_form": NoteForm(auto_id="note-%s"),
    }


def token(*shown: object) -> str:
    """A name for what is shown: the same only for the same."""
    return hashlib.sha256(repr(shown).encode("utf-8", "surrogatepass")).hexdigest()[:16]
