"""E-mails to staff: conversations that wait for them, messages that could not be stored, broken channels.

The sweep sends them, one e-mail per organization and minute at most. What is told is marked after the e-mail
has gone, so that a mail server out of order delays an e-mail and loses none: however long that takes, the one
that is sent then says all that somebody still waits for. They hold no message text and no
name: a mailbox is no place for what a contact wrote. Where no member takes them, an organization's admins get
them; where it has no active admin either, ops.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone, translation
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from console.channels.models import Channel
from console.conversations.models import DeadLetter, Message, Turn
from console.conversations.timeline import explain
from console.organizations.models import Member, Organization, User
from console.stored_sentences import translate_stored
from console.zones import find_zone
from hub_lambdas import queues, thumbs, waits
from hub_lambdas.turns import Reason

log = logging.getLogger(__name__)

RECENT = timedelta(days=1)
"""What is older is news only where the contact still waits."""
MAX_LINES = 20
LETTERS = (queues.INBOUND, queues.OUTBOUND)
"""Dead letters for which somebody waits though no turn says so. Nobody waits for an errand, which the sweep
has run again as long as there is any use."""
WAITING = ("", Message.Purpose.FALLBACK)
"""Purposes of a message after which a contact waits for staff: their own messages have none."""

TO_TAKERS = gettext_noop("An admin of yours can switch these e-mails off on your member page.")
TO_ADMINS = gettext_noop(
    "You get this as an admin, for no member takes these e-mails: switch them on for somebody."
)
TO_OPS = gettext_noop(
    "Nobody there is told: it has no active admin, and no member takes these e-mails. Invite an admin:"
)


@dataclass(frozen=True)
class _Readers:
    """Who is told, and why they are. `are_members`: they may know which conversations and channels it is."""

    users: Sequence[User]
    why: str
    are_members: bool = True


@dataclass(frozen=True)
class _News:
    """What an organization's staff have not been told yet. `turns`: which, each with its conversation, in the
    order in which they were handed over."""

    turns: Sequence[tuple[int, int]]
    channels: Sequence[Channel]
    letters: Sequence[DeadLetter]

    @property
    def first_turns(self) -> Sequence[int]:
        """Of each conversation the first."""
        first: dict[int, int] = {}
        for turn, conversation in self.turns:
            first.setdefault(conversation, turn)
        return list(first.values())


def due(now: datetime) -> list[int]:
    """Organizations whose staff are to be told something. While there is nobody to tell, not even ops, their
    news wait: none is told in vain each minute."""
    sources = (recent_turns(now), old_turns(now), _channels(), _letters())
    found = {
        organization_id
        for news in sources
        for organization_id in news.order_by().values_list("organization", flat=True).distinct()
    }
    return sorted(_read(found))


def send(organization_id: int) -> None:
    """Tell an organization what waits for it. Raises what the mail server says."""
    now, mine = timezone.now(), {"organization_id": organization_id}
    old, recent = (
        turns.filter(**mine).values_list("pk", "conversation")
        for turns in (old_turns(now), recent_turns(now))
    )
    news = _News([*old, *recent], list(_channels().filter(**mine)), list(_letters().filter(**mine)))
    organization, readers = Organization.objects.get(pk=organization_id), _readers(organization_id)
    with get_connection() as connection:
        sent = [_send(connection, _message(organization, news, readers, user)) for user in readers.users]
    if not any(sent):
        raise OSError("no e-mail could be sent: see the reasons above")
    Turn.objects.filter(pk__in=[turn for turn, _ in news.turns]).update(staff_told_at=now)
    Channel.objects.filter(pk__in=[channel.pk for channel in news.channels]).update(alerted_at=now)
    DeadLetter.objects.filter(pk__in=[letter.pk for letter in news.letters]).update(alerted_at=now)


def _read(organization_ids: Collection[int]) -> Collection[int]:
    """Those of them where somebody is to be told."""
    if not organization_ids or _ops().exists():
        return organization_ids
    takes = Q(gets_alerts=True) | Q(role=Member.Role.ADMIN)
    readers = Member.objects.filter(takes, organization__in=organization_ids, user__is_active=True)
    return set(readers.order_by().values_list("organization", flat=True))


def _readers(organization_id: int) -> _Readers:
    """The same of one organization: who they are."""
    members = Member.objects.filter(organization=organization_id, user__is_active=True).select_related("user")
    if takers := [each.user for each in members if each.gets_alerts]:
        return _Readers(takers, TO_TAKERS)
    if admins := [each.user for each in members if each.role == Member.Role.ADMIN]:
        return _Readers(admins, TO_ADMINS)
    return _Readers(list(_ops()), TO_OPS, are_members=False)


def _ops() -> "QuerySet[User]":
    return User.objects.filter(is_active=True, is_ops=True)


def _message(organization: Organization, news: _News, readers: _Readers, user: User) -> EmailMessage:
    """The e-mail to one of them, in their language and time zone."""
    zone = find_zone(user.time_zone) or UTC
    with translation.override(user.language or settings.LANGUAGE_CODE), timezone.override(zone):
        subject = f"{_subject(news)} · {organization.name}"
        return EmailMessage(subject, _body(organization, news, readers), to=[user.email])


def _send(connection: BaseEmailBackend, message: EmailMessage) -> bool:
    """One mailbox that refuses keeps nobody else from theirs."""
    message.connection = connection
    try:
        return bool(message.send())
    except (SMTPException, OSError) as error:
        log.warning("an e-mail to a member was refused: %s", type(error).__name__)
        return False


def recent_turns(now: datetime) -> "QuerySet[Turn]":
    return _untold_turns().filter(settled_at__gt=now - RECENT)


def old_turns(now: datetime) -> "QuerySet[Turn]":
    """Those that somebody waits for, found by who waits: of old turns of which nobody is to be told there are
    ever more."""
    return _untold_turns().filter(_is_waited_for(), settled_at__lte=now - RECENT)


def _untold_turns() -> "QuerySet[Turn]":
    """Hand-overs that are news: not what a contact adds while they wait for a member or for staff who have
    been told, but what they write after staff have answered, or after a member took the conversation over
    without a word, and what a member has left to all."""
    untold = waits.handed_over().filter(staff_told_at__isnull=True, conversation__contact__is_test=False)
    first = Message.objects.filter(turn=OuterRef(OuterRef("pk"))).order_by("id").values("id")[:1]
    said = Message.objects.filter(conversation=OuterRef("conversation"), id__lt=first)
    before = said.exclude(kind=thumbs.KIND).order_by("-id")
    added = Q(reason=Reason.STAFF_OWNS) & (Q(before__isnull=True) | Q(before__in=WAITING))
    left_to_all = Q(conversation__assignee__isnull=True) & _is_waited_for() & ~Exists(_told_before())
    return (
        untold.annotate(before=Subquery(before.values("purpose")[:1]))
        .exclude(added & ~left_to_all)
        .order_by("settled_at")
    )


def _is_waited_for() -> Q:
    return Q(conversation__waiting_since__isnull=False) & waits.is_newest_or_since()


def _told_before() -> "QuerySet[Turn]":
    """Hand-overs of the same wait before one, of which staff know."""
    before = waits.handed_over().filter(conversation=OuterRef("conversation"), pk__lt=OuterRef("pk"))
    return before.filter(
        staff_told_at__isnull=False, last_message_at__gte=OuterRef("conversation__waiting_since")
    )


def _channels() -> "QuerySet[Channel]":
    """Those that are broken, and those that still work and need attention: a token that ends soon, say."""
    troubled = Channel.objects.exclude(status=Channel.Status.RETIRED).exclude(status_reason="")
    return troubled.filter(alerted_at__isnull=True).order_by("name")


def _letters() -> "QuerySet[DeadLetter]":
    """Messages that could not be stored at all, and replies of staff: no turn speaks for them."""
    waiting = DeadLetter.objects.filter(
        state=DeadLetter.State.WAITING, alerted_at__isnull=True, queue__in=LETTERS
    )
    return waiting.filter(turn__isnull=True, organization__isnull=False).order_by("stored_at")


def _subject(news: _News) -> str:
    conversations = len(news.first_turns)
    unstored = sum(letter.queue == queues.INBOUND for letter in news.letters)
    unsent = len(news.letters) - unstored
    channels = len(news.channels)
    counts = (
        (
            ngettext("%(count)s conversation waits", "%(count)s conversations wait", conversations),
            conversations,
        ),
        (
            ngettext("%(count)s channel needs attention", "%(count)s channels need attention", channels),
            channels,
        ),
        (
            ngettext(
                "%(count)s message could not be stored", "%(count)s messages could not be stored", unstored
            ),
            unstored,
        ),
        (
            ngettext("%(count)s reply could not be sent", "%(count)s replies could not be sent", unsent),
            unsent,
        ),
    )
    return ", ".join(said % {"count": count} for said, count in counts if count)


def _body(organization: Organization, news: _News, readers: _Readers) -> str:
    at = _("At %(organization)s: %(news)s.")
    why = _(readers.why)
    pieces = [
        at % {"organization": organization.name, "news": _subject(news)},
        "\n".join(_lines(news)) if readers.are_members else "",
        why if readers.are_members else f"{why}\n{settings.CONSOLE_URL}/organizations/invitation/add/",
    ]
    return "\n\n".join(filter(None, pieces))


def _lines(news: _News) -> list[str]:
    """What waits, piece by piece, with where to find it."""
    lines, first = [], news.first_turns
    shown = Turn.objects.select_related("conversation__contact__channel").in_bulk(first[:MAX_LINES])
    for turn in (shown[each] for each in first if each in shown):
        channel = turn.conversation.contact.channel
        lines += [
            f"* {channel.name}, {_clock(turn.first_message_at)}: {explain(turn.reason)}",
            f"  {settings.CONSOLE_URL}/inbox/{turn.conversation_id}/",
        ]
    if (more := len(first) - MAX_LINES) > 0:
        lines.append("* " + ngettext("and %(count)s more", "and %(count)s more", more) % {"count": more})
    for channel in news.channels:
        lines += [
            f"* {_channel_state(channel)} {translate_stored(channel.status_reason)}",
            *(["  " + _("What is to be sent there waits until it is repaired.")] if channel.is_held else []),
            f"  {settings.CONSOLE_URL}/channels/channel/{channel.pk}/change/",
        ]
    if news.letters:
        lines += [
            "* " + _("Nobody has answered what could not be stored, or got what could not be sent:"),
            f"  {settings.CONSOLE_URL}/conversations/deadletter/",
        ]
    return lines


def _clock(at: datetime) -> str:
    """In the reader's zone, with the date where it was not today."""
    there, today = localtime(at), localtime(timezone.now()).date()
    return f"{there:%H:%M %Z}" if there.date() == today else f"{there:%Y-%m-%d %H:%M %Z}"


def _channel_state(channel: Channel) -> str:
    if channel.is_held:
        said = _("The channel %(channel)s is paused:")
    else:
        said = _("The channel %(channel)s needs attention:")
    return said % {"channel": channel.name}
