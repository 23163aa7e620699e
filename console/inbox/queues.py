"""The inbox's queues: which conversations each holds, in which order, and what a row of it says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    BigIntegerField,
    Count,
    Exists,
    F,
    OrderBy,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce, JSONObject
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from console import tenancy
from console.conversations.models import Contact, Conversation, Message, Turn
from console.conversations.page import ICONS, kind_of
from console.exact_text import printable, unescape
from console.inbox import search
from console.inbox.models import Label, ReadMark
from console.inbox.search import Finds
from console.organizations.models import Member, User

PAGE_SIZE = 50
SNIPPET_LENGTH = 90

_EVERY = Q()
_OF_STAFF = Q(owner=Conversation.Owner.STAFF)
_OPEN = Q(closed_at__isnull=True) | Q(closed_at__lt=F("last_message_at"))
_HAS_OWNER = Q(
    Exists(
        Member.objects.filter(
            organization=OuterRef("organization"), user=OuterRef("assignee"), user__is_active=True
        )
    )
)
"""Who has left the organization answers nobody: what they owned waits for another."""
_WAITING = _OF_STAFF & Q(waiting_since__isnull=False)
_LONGEST_WAITING = (F("waiting_since").asc(nulls_last=True), F("last_message_at").desc(nulls_last=True))
_SAID = ("", Message.Purpose.ANSWER, Message.Purpose.STAFF)
"""What a row may quote: the hub's own lines say nothing of what it is about."""
_QUOTED = ("text", "kind", "direction", "state")
"""What a row needs of the message that it quotes."""
_NEWEST = (F("last_message_at").desc(nulls_last=True),)


@dataclass(frozen=True)
class Queue:
    """Some of the conversations: which of them for whom, and what to say where there are none. `label` and
    `empty` are translated where they are shown."""

    key: str
    label: str
    icon: str
    empty: str
    condition: Callable[[User], Q]
    order: tuple[OrderBy, ...]


_ALL = (
    Queue(
        "unassigned",
        gettext_noop("Unassigned"),
        "inbox",
        gettext_noop("Nobody waits without an owner."),
        lambda user: _OF_STAFF & ~_HAS_OWNER & _OPEN,
        _LONGEST_WAITING,
    ),
    Queue(
        "mine",
        gettext_noop("Mine"),
        "person",
        gettext_noop("You own no conversation."),
        lambda user: _OF_STAFF & Q(assignee=user) & _OPEN,
        _LONGEST_WAITING,
    ),
    Queue(
        "bot",
        gettext_noop("Bot"),
        "smart_toy",
        gettext_noop("The bot is in no conversation."),
        lambda user: Q(owner=Conversation.Owner.BOT) & _OPEN,
        _NEWEST,
    ),
    Queue(
        "all",
        gettext_noop("All"),
        "forum",
        gettext_noop("No contact has written yet."),
        lambda user: Q(),
        _NEWEST,
    ),
)
QUEUES: Mapping[str, Queue] = {queue.key: queue for queue in _ALL}


@dataclass(frozen=True)
class Row:
    """One conversation as the list shows it."""

    id: int
    name: str
    channel: str
    organization: str
    snippet: str
    icon: str
    """Of what is no text."""
    is_ours: bool
    """Whether the newest message is to the contact."""
    has_failed: bool
    """Whether that one did not arrive."""
    at: datetime | None
    waiting_since: datetime | None
    unread: int
    owner: str
    """Who answers, in a word."""
    is_with_bot: bool
    is_unassigned: bool
    is_closed: bool
    is_blocked: bool
    labels: Sequence[Mapping[str, str]]
    """The name and the color of each."""
    found_id: int | None = None
    """The message that was found, where somebody searches and it was no name."""


@dataclass(frozen=True)
class Tab:
    """A queue and how much is in it. `waiting`: of how many the contact waits."""

    queue: Queue
    count: int
    waiting: int


def conversations(user: User) -> QuerySet[Conversation]:
    """Those that `user` may read; the hub's own test messages are none of them, nor is what is left of
    contacts who were erased."""
    seen = tenancy.scope_in_view(Conversation.objects.all(), user, "conversations.view_conversation")
    return seen.exclude(Exists(Contact.objects.filter(Contact.COUNTS_NOWHERE, pk=OuterRef("contact"))))


def waiting_count(user: User) -> int:
    """How many conversations wait for staff: what the sidebar says."""
    return conversations(user).filter(_WAITING).count()


def tabs(user: User, narrowed: Q = _EVERY) -> list[Tab]:
    """Every queue with its counts, in one query. `narrowed`: which conversations count."""
    counts: dict[str, Any] = {}
    for queue in QUEUES.values():
        counts[queue.key] = Count("pk", filter=queue.condition(user))
        counts[f"{queue.key}_waiting"] = Count("pk", filter=queue.condition(user) & _WAITING)
    found = conversations(user).filter(narrowed).aggregate(**counts)
    return [Tab(queue, found[key], found[f"{key}_waiting"]) for key, queue in QUEUES.items()]


def rows(
    user: User, queue: Queue, pages: int = 1, narrowed: Q = _EVERY, finds: Finds | None = None
) -> tuple[list[Row], bool]:
    """The first `pages` of a queue, in one query, and whether there are more. `narrowed`: which of them;
    `finds`: what a row quotes in place of its newest message, which takes a second query."""
    found = conversations(user).filter(queue.condition(user), narrowed).order_by(*queue.order, "-pk")
    shown = list(_with_newest(found, user)[: pages * PAGE_SIZE + 1])
    is_mixed = len({each.organization_id for each in shown}) > 1
    if finds:
        _quote(shown, finds)
    words = finds.words if finds else ""
    made = [_row(each, user, is_mixed, words) for each in shown[: pages * PAGE_SIZE]]
    return made, len(shown) > len(made)


def _quote(shown: Sequence[Any], finds: Finds) -> None:
    """Put what was found in place of the newest message."""
    ids = {each.pk: finds.message_ids.get(each.pk) for each in shown}
    found = Message.objects.filter(search.one_of(found_id for found_id in ids.values() if found_id))
    quoted = {message.pk: message for message in found.only(*_QUOTED)}
    for each in shown:
        if message := quoted.get(ids[each.pk] or 0):
            each.newest = {**{name: getattr(message, name) for name in _QUOTED}, "found_id": message.pk}


def _with_newest(found: QuerySet[Conversation], user: User) -> QuerySet[Any]:
    messages = Message.objects.filter(conversation=OuterRef("pk"))
    said = messages.filter(purpose__in=_SAID).order_by("-id")
    newest = Subquery(said.values(said=JSONObject(**{name: name for name in _QUOTED}))[:1])
    mark = ReadMark.objects.filter(conversation=OuterRef(OuterRef("pk")), user=user).values("message_id")
    read = Coalesce(Subquery(mark), Value(0), output_field=BigIntegerField())
    # What the bot has answered is for nobody to read.
    unread = (
        messages.filter(direction=Message.Direction.IN, turn__state=Turn.State.HANDED_OVER, id__gt=read)
        .order_by()
        .values("conversation")
        .annotate(count=Count("pk"))
        .values("count")
    )
    labels = Label.objects.filter(conversations=OuterRef("pk")).order_by("name")
    marks = labels.values(mark=JSONObject(name="name", color="color"))
    return found.select_related("contact__channel", "organization", "assignee").annotate(
        newest=newest, unread=Coalesce(Subquery(unread), 0), marks=ArraySubquery(marks)
    )


def _row(conversation: Any, user: User, names_organization: bool, words: str) -> Row:
    newest: dict[str, Any] = conversation.newest or {}
    text = search.excerpt(printable(unescape(newest.get("text", ""))), words, SNIPPET_LENGTH)
    kind = newest.get("kind", "text")
    contact = conversation.contact
    return Row(
        id=conversation.pk,
        name=printable(str(contact)),
        channel=contact.channel.name,
        organization=conversation.organization.name if names_organization else "",
        snippet=Truncator(text).chars(SNIPPET_LENGTH) or kind_of(kind).capitalize(),
        icon="" if kind in ("text", "button") else ICONS.get(kind, "attach_file"),
        is_ours=newest.get("direction") == Message.Direction.OUT,
        has_failed=newest.get("state") in (Message.State.FAILED, Message.State.UNKNOWN),
        at=conversation.last_message_at,
        waiting_since=conversation.waiting_since if conversation.owner == Conversation.Owner.STAFF else None,
        unread=conversation.unread,
        owner=_owner(conversation, user),
        is_with_bot=conversation.owner == Conversation.Owner.BOT,
        is_unassigned=conversation.owner == Conversation.Owner.STAFF and conversation.assignee is None,
        is_closed=conversation.is_closed,
        is_blocked=contact.is_blocked,
        labels=conversation.marks,
        found_id=newest.get("found_id"),
    )


def _owner(conversation: Conversation, user: User) -> str:
    if conversation.owner == Conversation.Owner.BOT:
        return _("Bot")
    if conversation.assignee is None:
        return _("Unassigned")
    return _("You") if conversation.assignee == user else str(conversation.assignee)
