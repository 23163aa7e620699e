"""Makes the organizations, then their conversations, then what belongs to these."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction

from console.conversations.models import Contact, Conversation, Message
from console.conversations.seeding import people, texts
from console.conversations.seeding.copying import Copier, without_word_indexes
from console.conversations.seeding.ledger import Book, Talk
from console.conversations.seeding.people import Tenant
from console.conversations.seeding.shape import (
    Calendar,
    PlannedTurn,
    conversations_of,
    turns_of,
    zipf,
)
from console.inbox.models import Labelling, Note

CHUNK = 20_000
"""Turns that are stored together."""
Say = Callable[[str, int, int], None]
"""What is at work, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Plan:
    """What to make. `until`: when the newest message comes; `password`: of every account, "" for none."""

    organizations: int
    messages: int
    days: int
    seed: int
    until: datetime
    password: str


def seed(plan: Plan, say: Say) -> int:
    """Make it all; how many messages it came to."""
    random = Random(plan.seed)  # noqa: S311 - made-up people
    tenants = list(_tenants(plan, random, say))
    talks, turns = _plan_conversations(plan, random, tenants)
    indexed = [] if Message.objects.exists() else ["conversations_message", "conversations_contact"]
    with without_word_indexes(indexed):
        _store_contacts(talks, plan)
        messages = _store_turns(plan, random, talks, turns, say)
    _store_states(talks)
    _store_extras(talks, random)
    with connection.cursor() as cursor:
        cursor.execute(_READ)
        cursor.execute(_OPINIONS)
        cursor.execute("ANALYZE")
    return messages


def _tenants(plan: Plan, random: Random, say: Say) -> Iterator[Tenant]:
    password = make_password(plan.password) if plan.password else ""
    for number, messages in enumerate(zipf(plan.organizations, plan.messages, at_least=40)):
        with transaction.atomic():
            yield people.make(number, messages, random, plan.until, password)
        say("organizations", number + 1, plan.organizations)


def _plan_conversations(
    plan: Plan, random: Random, tenants: Sequence[Tenant]
) -> tuple[list[Talk], list[PlannedTurn]]:
    calendar = Calendar(plan.until, plan.days)
    talks: list[Talk] = []
    turns: list[PlannedTurn] = []
    for tenant in tenants:
        first = len(talks)
        weights = [2.0**-place for place in range(len(tenant.channels))]
        for _ in range(conversations_of(tenant.messages)):
            channel = random.choices(tenant.channels, weights)[0]
            talks.append(Talk(tenant, channel, texts.person(random)))
        turns += turns_of(calendar, random, range(first, len(talks)), tenant.messages)
    turns.sort(key=lambda turn: turn.at)
    return talks, turns


def _store_contacts(talks: Sequence[Talk], plan: Plan) -> None:
    contacts, conversations = Copier(Contact), Copier(Conversation)
    created_at = plan.until - timedelta(days=plan.days)
    for talk, contact, conversation in zip(
        talks, contacts.reserve(len(talks)), conversations.reserve(len(talks)), strict=True
    ):
        talk.contact, talk.key = contact, conversation
    with transaction.atomic():
        contacts.copy(
            contacts.row(
                id=talk.contact,
                channel=talk.channel.pk,
                platform_id=f"contact-{talk.contact}",
                name=talk.name,
                created_at=created_at,
            )
            for talk in talks
        )
        conversations.copy(
            conversations.row(
                id=talk.key,
                organization=talk.tenant.organization.pk,
                contact=talk.contact,
                created_at=created_at,
            )
            for talk in talks
        )


def _store_turns(
    plan: Plan, random: Random, talks: Sequence[Talk], turns: Sequence[PlannedTurn], say: Say
) -> int:
    book, messages = Book(random, plan.until), 0
    for number, turn in enumerate(turns, start=1):
        book.add(talks[turn.conversation], turn.at)
        if number % CHUNK == 0:
            messages += book.store()
            say("turns", number, len(turns))
    book.finish()
    messages += book.store()
    say("turns", len(turns), len(turns))
    return messages


def _store_states(talks: Sequence[Talk]) -> None:
    """How each conversation stands at the end."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_STATE_TABLE)
        with cursor.copy("COPY seeded_state FROM STDIN") as copy:
            for talk in talks:
                copy.write_row(talk.state)
        cursor.execute(_SET_STATES)


def _store_extras(talks: Sequence[Talk], random: Random) -> None:
    """Labels and notes."""
    labellings, notes = Copier(Labelling), Copier(Note)
    labelled = [talk for talk in talks if random.random() < 0.1]
    noted = [talk for talk in talks if random.random() < 0.02 and talk.last_message_at]
    with transaction.atomic():
        keys = labellings.reserve(len(labelled))
        labellings.copy(
            labellings.row(id=key, label=random.choice(talk.tenant.labels).pk, conversation=talk.key)
            for key, talk in zip(keys, labelled, strict=True)
        )
        keys = notes.reserve(len(noted))
        notes.copy(
            notes.row(
                id=key,
                conversation=talk.key,
                author=random.choice(talk.tenant.staff).pk,
                text=texts.note(random),
                created_at=talk.last_message_at,
            )
            for key, talk in zip(keys, noted, strict=True)
        )


_STATE_TABLE = """
CREATE TEMPORARY TABLE seeded_state (
    id bigint, owner text, assignee_id bigint, owned_since timestamptz, waiting_since timestamptz,
    closed_at timestamptz, last_message_at timestamptz
) ON COMMIT DROP
"""
_SET_STATES = """
UPDATE conversations_conversation conversation
SET owner = state.owner, assignee_id = state.assignee_id, owned_since = state.owned_since,
    waiting_since = state.waiting_since, closed_at = state.closed_at, last_message_at = state.last_message_at
FROM seeded_state state WHERE conversation.id = state.id
"""
_OPINIONS = """
INSERT INTO feedback_feedback (organization_id, message_id, source, member_id, is_good, given_at)
SELECT conversation.organization_id, message.id, CASE WHEN message.id % 3 = 0 THEN 'staff' ELSE 'contact' END,
       CASE WHEN message.id % 3 = 0 THEN (
           SELECT min(user_id) FROM organizations_member member
           WHERE member.organization_id = conversation.organization_id
       ) END, message.id % 7 <> 0, message.sent_at + interval '40 seconds'
FROM conversations_message message
JOIN conversations_conversation conversation ON conversation.id = message.conversation_id
JOIN organizations_organization organization ON organization.id = conversation.organization_id
WHERE message.purpose = 'answer' AND message.state = 'sent' AND message.id % 19 = 0
      AND starts_with(organization.slug, 'seed-')
ON CONFLICT DO NOTHING
"""
_READ = """
INSERT INTO inbox_readmark (user_id, conversation_id, message_id)
SELECT message.author_id, message.conversation_id, max(message.id) FROM conversations_message message
JOIN conversations_conversation conversation ON conversation.id = message.conversation_id
JOIN organizations_organization organization ON organization.id = conversation.organization_id
WHERE message.purpose = 'staff' AND message.author_id IS NOT NULL AND starts_with(organization.slug, 'seed-')
GROUP BY message.author_id, message.conversation_id
ON CONFLICT DO NOTHING
"""
