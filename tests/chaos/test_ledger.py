"""What a run writes into the hub and reads from its database is what the hub knows by those names."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml
from django.db import connection
from django.utils import timezone

from console.conversations.models import Contact, DeadLetter
from console.organizations import organization_file
from tests import factories
from tests.chaos import codes
from tests.chaos.ledger import Ledger
from tests.chaos.organizations import settings
from tests.chaos.policies import policies
from tests.chaos.records import Letter, Sending, Turn

CODE = codes.code(0, 0)


@pytest.fixture
def ledger(db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Ledger:
    def rows(self: Ledger, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())

    monkeypatch.setattr(Ledger, "_rows", rows)
    return Ledger(tmp_path)


def test_turns_are_read_with_what_was_sent_in_them(ledger: Ledger) -> None:
    channel = factories.make_channel(factories.make_organization(), resumed_at=timezone.now())
    conversation = factories.make_conversation(channel)
    Contact.objects.update(platform_id="7")
    turn = factories.make_answered_turn(conversation, f"Is {CODE} ready?")
    sent = turn.messages.get(direction="out")
    turn.messages.filter(pk=sent.pk).update(unknown_attempts=1)

    sending = Sending("answer", "sent", sent.platform_id, 1)
    settled_at = turn.settled_at.timestamp() if turn.settled_at else 0.0
    answered = Turn(turn.pk, "7", "answered", "", [CODE], [sending], was_held=True, settled_at=settled_at)
    assert ledger.turns() == [answered]
    assert (ledger.progress().stored, ledger.progress().answered) == (1, 1)


def test_dead_letters_are_read_with_whether_staff_were_told(ledger: Ledger) -> None:
    told = {"queue": "dm-inbound.fifo", "alerted_at": timezone.now()}
    DeadLetter.objects.create(queue="wakeups", queue_message_id="1", body="{rubbish poison:1")
    DeadLetter.objects.create(queue_message_id="2", body="{rubbish poison:2", **told)
    DeadLetter.objects.create(queue="wakeups", queue_message_id="3", body="{rubbish")
    DeadLetter.objects.update(stored_at=timezone.now() - timedelta(minutes=5))

    found = sorted(ledger.dead_letters("poison"), key=lambda letter: letter.body)
    assert [replace(letter, age_seconds=0) for letter in found] == [
        Letter("{rubbish poison:1", False),
        Letter("{rubbish poison:2", True),
    ]
    assert all(240 < letter.age_seconds < 360 for letter in found)


def test_the_hub_takes_the_files_of_the_organizations() -> None:
    for number, policy in enumerate(policies(1, 6)):
        read = organization_file.parse("a file", yaml.safe_dump(settings(number, policy)))
        assert read.settings["late_policy"] == policy.late_policy
        assert read.settings["holding_line"] == policy.holding_line
