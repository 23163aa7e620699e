"""E-mails to staff: conversations that wait for them, messages that could not be stored, broken channels.

The sweep sends them, one e-mail per organization and minute at most. What is told is marked after the e-mail
has gone, so that a mail server out of order delays an e-mail and loses none. They hold no message text and no
name: a mailbox is no place for what a contact wrote.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import DeadLetter, Message, Turn
from console.organizations.models import Member, Organization
from hub_lambdas.turns import Reason

log = logging.getLogger(__name__)

TELL_WITHIN = timedelta(days=1)
"""What is older is no news."""
MAX_LINES = 20
WAITING = ("", Message.Purpose.FALLBACK)
"""Purposes of a message after which a contact waits for staff: their own messages have none."""


@dataclass(frozen=True)
class _News:
    """What an organization's staff have not been told yet."""

    turns: Sequence[Turn]
    channels: Sequence[Channel]
    letters: Sequence[DeadLetter]


def due(now: datetime) -> list[int]:
    """Organizations whose staff are to be told something."""
    found = {
        *_turns(now).values_list("organization_id", flat=True),
        *_channels().values_list("organization_id", flat=True),
        *_letters(now).values_list("organization_id", flat=True),
    }
    return sorted(found)


def send(organization_id: int) -> None:
    """Tell an organization's members what waits for them. Raises what the mail server says."""
    now, mine = timezone.now(), {"organization_id": organization_id}
    turns = _turns(now).filter(**mine).select_related("conversation__contact__channel")
    news = _News(list(turns), list(_channels().filter(**mine)), list(_letters(now).filter(**mine)))
    organization = Organization.objects.get(pk=organization_id)
    members = Member.objects.filter(organization=organization, gets_alerts=True, user__is_active=True)
    subject, body = f"{_subject(news)} · {organization.name}", _body(organization, news)
    addresses = list(members.values_list("user__email", flat=True))
    with get_connection() as connection:
        sent = [_send(connection, subject, body, address) for address in addresses]
    if addresses and not any(sent):
        raise OSError("no e-mail could be sent: see the reasons above")
    Turn.objects.filter(pk__in=[turn.pk for turn in news.turns]).update(staff_told_at=now)
    Channel.objects.filter(pk__in=[channel.pk for channel in news.channels]).update(alerted_at=now)
    DeadLetter.objects.filter(pk__in=[letter.pk for letter in news.letters]).update(alerted_at=now)


def _send(connection: BaseEmailBackend, subject: str, body: str, address: str) -> bool:
    """One mailbox that refuses keeps nobody else from theirs."""
    message = EmailMessage(subject, body, settings.DEFAULT_FROM_EMAIL, [address], connection=connection)
    try:
        return bool(message.send())
    except (SMTPException, OSError) as error:
        log.warning("an e-mail to a member was refused: %s", type(error).__name__)
        return False


def _turns(now: datetime) -> "QuerySet[Turn]":
    """Hand-overs that are news: not what a contact adds while they wait for staff already, but what they
    write after staff have answered, or after a member took the conversation over without a word."""
    handed_over = Turn.objects.filter(
        state=Turn.State.HANDED_OVER,
        staff_told_at__isnull=True,
        settled_at__gt=now - TELL_WITHIN,
        conversation__contact__is_test=False,
    )
    first = Message.objects.filter(turn=OuterRef(OuterRef("pk"))).order_by("id").values("id")[:1]
    before = Message.objects.filter(conversation=OuterRef("conversation"), id__lt=first).order_by("-id")
    added = Q(reason=Reason.STAFF_OWNS) & (Q(before__isnull=True) | Q(before__in=WAITING))
    return (
        handed_over.annotate(before=Subquery(before.values("purpose")[:1]))
        .exclude(added)
        .order_by("settled_at")
    )


def _channels() -> "QuerySet[Channel]":
    """Those that are broken, and those that still work and need attention: a token that ends soon, say."""
    troubled = Channel.objects.exclude(status=Channel.Status.RETIRED).exclude(status_reason="")
    return troubled.filter(alerted_at__isnull=True).order_by("name")


def _letters(now: datetime) -> "QuerySet[DeadLetter]":
    """Messages that could not be stored at all: no turn speaks for them."""
    waiting = DeadLetter.objects.filter(state=DeadLetter.State.WAITING, alerted_at__isnull=True)
    return waiting.filter(
        turn__isnull=True, organization__isnull=False, stored_at__gt=now - TELL_WITHIN
    ).order_by("stored_at")


def _subject(news: _News) -> str:
    counts = (
        (len({turn.conversation_id for turn in news.turns}), "conversation waits", "conversations wait"),
        (len(news.channels), "channel needs attention", "channels need attention"),
        (len(news.letters), "message could not be stored", "messages could not be stored"),
    )
    return ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts if count)


def _body(organization: Organization, news: _News) -> str:
    lines = [f"{_subject(news)} at {organization.name}.", ""]
    for turn in news.turns[:MAX_LINES]:
        channel = turn.conversation.contact.channel
        lines += [
            f"* {channel.name}, {turn.first_message_at:%H:%M} UTC ({turn.reason.replace('_', ' ')}):",
            f"  {settings.CONSOLE_URL}/conversations/conversation/{turn.conversation_id}/change/",
        ]
    if len(news.turns) > MAX_LINES:
        lines.append(f"* and {len(news.turns) - MAX_LINES} more")
    for channel in news.channels:
        state = "is paused" if channel.is_held else "needs attention"
        lines += [
            f"* The channel {channel.name} {state}: {channel.status_reason}",
            *(["  What is to be sent there waits until it is repaired."] if channel.is_held else []),
            f"  {settings.CONSOLE_URL}/channels/channel/{channel.pk}/change/",
        ]
    if news.letters:
        lines += [
            f"* {len(news.letters)} could not be stored, so nobody has answered:",
            f"  {settings.CONSOLE_URL}/conversations/deadletter/",
        ]
    return "\n".join([*lines, "", "An admin of yours can switch these e-mails off on your member page."])
