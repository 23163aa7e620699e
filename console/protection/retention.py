"""What an organization has kept for as long as it wants to, and getting rid of that.

The ledger goes by whole turns: one that is open, that still has a message to send, or that its contact waits
for staff to answer, stays with all that belongs to it. A conversation goes with its contact when all of it is
old. Rows are deleted in small transactions, each under the locks that the handlers take: a conversation that
is being worked on is left to the next day.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet

from console.conversations.models import (
    Contact,
    Conversation,
    DeadLetter,
    Export,
    LlmRequest,
    Message,
    MessageMedia,
    PlatformEvent,
    Turn,
)
from console.inbox.models import Note
from console.organizations.models import Organization
from console.protection.batches import batches
from console.protection.models import Retirement
from console.workshop.models import Rehearsal

Counts = Counter[str]
"""How many rows of each kind, by the name in `Expired`."""
Show = Callable[[Counts], None]
"""Is told what a batch deletes, in its transaction."""

_UNSENT = (Message.State.PENDING, Message.State.SENDING)


@dataclass(frozen=True)
class Expired:
    """What of an organization is older than it keeps."""

    organization: Organization
    before: datetime

    @property
    def turns(self) -> QuerySet[Turn]:
        """Turns that have their outcome, and nobody waits for."""
        unsent = Message.objects.filter(turn=OuterRef("pk"), state__in=_UNSENT)
        waiting = Q(conversation__waiting_since__lte=F("last_message_at"))
        settled = Turn.objects.filter(
            organization=self.organization, first_message_at__lt=self.before, settled_at__lt=self.before
        )
        return settled.exclude(state__in=Turn.UNSETTLED).exclude(waiting).filter(~Exists(unsent))

    @property
    def messages(self) -> QuerySet[Message]:
        """Messages of staff, which belong to no turn."""
        old = Message.objects.filter(turn=None, stored_at__lt=self.before)
        return old.filter(conversation__organization=self.organization).exclude(state__in=_UNSENT)

    @property
    def conversations(self) -> QuerySet[Conversation]:
        """Conversations of which everything is old. Who has just asked for a file of theirs finds it."""
        mine = Conversation.objects.filter(
            organization=self.organization, created_at__lt=self.before, waiting_since=None
        )
        inside = Q(conversation=OuterRef("pk"))
        newer = Message.objects.filter(inside, Q(stored_at__gte=self.before) | Q(state__in=_UNSENT))
        standing = Turn.objects.filter(inside).exclude(pk__in=self.turns.values("pk"))
        noted = Note.objects.filter(inside, created_at__gte=self.before)
        exported = Export.objects.filter(contact=OuterRef("contact"), created_at__gte=self.before)
        return mine.filter(~Exists(newer), ~Exists(standing), ~Exists(noted), ~Exists(exported))

    @property
    def contacts(self) -> QuerySet[Contact]:
        """Contacts that never had a conversation."""
        old = Contact.objects.filter(channel__organization=self.organization, created_at__lt=self.before)
        return old.filter(conversation=None)

    @property
    def notes(self) -> QuerySet[Note]:
        """Notes among members."""
        return Note.objects.filter(conversation__organization=self.organization, created_at__lt=self.before)

    @property
    def events(self) -> QuerySet[PlatformEvent]:
        """What platforms reported besides messages."""
        return PlatformEvent.objects.filter(
            channel__organization=self.organization, stored_at__lt=self.before
        )

    @property
    def dead_letters(self) -> QuerySet[DeadLetter]:
        """Dead letters, whatever became of them."""
        return DeadLetter.objects.filter(organization=self.organization, stored_at__lt=self.before)

    @property
    def rehearsals(self) -> QuerySet[Rehearsal]:
        """Questions tried in the workshop, which may be contacts' own."""
        return Rehearsal.objects.filter(organization=self.organization, asked_at__lt=self.before)

    @property
    def exports(self) -> QuerySet[Export]:
        """Files that somebody asked for, except the one that a retirement hands over."""
        old = Export.objects.filter(organization=self.organization, created_at__lt=self.before)
        return old.filter(~Exists(Retirement.objects.filter(export=OuterRef("pk"))))


def expired(organization: Organization, now: datetime) -> Expired | None:
    """What is to go of `organization`; None where it keeps everything."""
    if organization.retention_days is None:
        return None
    return Expired(organization, now - timedelta(days=organization.retention_days))


def count(old: Expired) -> Counts:
    """What `purge` would delete now."""
    messages = Message.objects.filter(turn__in=old.turns)
    found = {
        "messages": messages.count() + old.messages.count(),
        "files": _files(MessageMedia.objects.filter(Q(message__in=messages) | Q(message__in=old.messages))),
        "turns": old.turns.count(),
        "contacts": old.conversations.count() + old.contacts.count(),
        "notes": old.notes.count(),
        "events": old.events.count(),
        "dead letters": old.dead_letters.count(),
        "rehearsals": old.rehearsals.count(),
        "exports": old.exports.count(),
    }
    return Counter({name: number for name, number in found.items() if number})


def purge(old: Expired, show: Show = lambda counts: None) -> Counts:
    """Delete what is old, batch by batch; says how much. What dies in between has deleted whole batches."""
    done: Counts = Counter()
    steps: Sequence[tuple[QuerySet[Any], Callable[[Expired, list[Any]], Counts]]] = (
        (old.exports, _delete_exports),  # before their contacts, with which only the rows would go
        (old.turns, _delete_turns),
        (old.messages, _delete_messages),
        (old.notes, lambda old, keys: _delete(old.notes, keys, "notes")),
        (old.conversations, _delete_conversations),
        (old.contacts, lambda old, keys: _delete(old.contacts, keys, "contacts")),
        (old.events, lambda old, keys: _delete(old.events, keys, "events")),
        (old.dead_letters, lambda old, keys: _delete(old.dead_letters, keys, "dead letters")),
        (old.rehearsals, lambda old, keys: _delete(old.rehearsals, keys, "rehearsals")),
    )
    for rows, delete in steps:
        for keys in batches(rows):
            with transaction.atomic():
                counted = delete(old, keys)
                show(counted)
            done += counted
    return done


def _free(keys: Any) -> list[int]:
    """Those of the conversations that nobody is working on, locked."""
    free = Conversation.objects.select_for_update(skip_locked=True).filter(pk__in=keys).order_by("pk")
    return list(free.values_list("pk", flat=True))


def _delete_turns(old: Expired, keys: list[Any]) -> Counts:
    """With their messages, files and requests. What was locked meanwhile may not be old any more."""
    free = _free(Turn.objects.filter(pk__in=keys).values("conversation"))
    turns = list(old.turns.filter(pk__in=keys, conversation__in=free).values_list("pk", flat=True))
    messages = Message.objects.filter(turn__in=turns)
    files = delete_files(MessageMedia.objects.filter(message__in=messages))
    LlmRequest.objects.filter(turn__in=turns).delete()
    gone = _deleted(messages)
    return Counter({"turns": _deleted(Turn.objects.filter(pk__in=turns)), "messages": gone, "files": files})


def _delete_messages(old: Expired, keys: list[Any]) -> Counts:
    free = _free(Message.objects.filter(pk__in=keys).values("conversation"))
    messages = old.messages.filter(pk__in=keys, conversation__in=free)
    files = delete_files(MessageMedia.objects.filter(message__in=messages))
    return Counter({"messages": _deleted(messages), "files": files})


def _delete_conversations(old: Expired, keys: list[Any]) -> Counts:
    """With their contacts. By now nothing is in them any more."""
    empty = old.conversations.filter(pk__in=_free(keys), turns=None, messages=None)
    contacts = list(empty.values_list("contact", flat=True))
    Conversation.objects.filter(contact__in=contacts).delete()
    return Counter({"contacts": _deleted(Contact.objects.filter(pk__in=contacts))})


def _delete_exports(old: Expired, keys: list[Any]) -> Counts:
    exports = old.exports.filter(pk__in=keys)
    for export in exports:
        if export.file:
            default_storage.delete(str(export.file))
    return Counter({"exports": _deleted(exports)})


def _delete(rows: QuerySet[Any], keys: list[Any], name: str) -> Counts:
    return Counter({name: _deleted(rows.filter(pk__in=keys))})


def _deleted(rows: QuerySet[Any]) -> int:
    """Delete rows, with what goes with them; how many they were themselves."""
    model: type[Model] = rows.model
    return rows.delete()[1].get(model._meta.label, 0)


def _files(media: QuerySet[MessageMedia]) -> int:
    return media.filter(state=MessageMedia.State.KEPT).count()


def delete_files(media: QuerySet[MessageMedia]) -> int:
    """Take files out of the storage; how many there were. Under the lock of their rows: one that is just
    being fetched has been stored, or never will be. Call it in the transaction that deletes the rows."""
    kept = 0
    for each in media.select_for_update(of=("self",)):
        if each.file:
            default_storage.delete(str(each.file))
        kept += each.state == MessageMedia.State.KEPT
    return kept
