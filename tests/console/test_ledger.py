"""The ledger's numbers, from rows made by hand."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from console.conversations.models import Conversation, DeadLetter, Message
from console.conversations.report import HOPS, Numbers, Scope, report
from console.organizations.models import Organization
from tests import factories
from tests.console.conftest import World


@pytest.fixture
def conversation(db: None) -> Conversation:
    return factories.make_conversation(factories.make_channel(factories.make_organization("counted")))


def ledger(*arguments: str) -> dict[str, object]:
    output = StringIO()
    call_command("ledger", "--json", *arguments, stdout=output)
    found: dict[str, object] = json.loads(output.getvalue())
    return found


def numbers(conversation: Conversation) -> Numbers:
    return report(Scope([conversation.organization_id])).total


def test_outcomes_are_counted(conversation: Conversation) -> None:
    for _ in range(3):
        factories.make_answered_turn(conversation)
    factories.make_handed_over_turn(conversation)
    turn = factories.make_handed_over_turn(conversation)
    turn.state = "declined"
    turn.save()
    factories.make_inbound(conversation, received_at=timezone.now() - timedelta(seconds=90))
    found = ledger()
    assert [found[key] for key in ("turns", "answered", "handed_over", "declined", "open")] == [6, 3, 1, 1, 1]
    assert found["duplicates"] == 0
    assert found["oldest_open_seconds"] in range(90, 100)


def test_percentiles_and_hops(conversation: Conversation) -> None:
    for llm_ms in (1000, 2000, 3000):
        factories.make_answered_turn(conversation, hops_ms=(10, 1000, 30, 20, llm_ms, 25, 15, 100))
    found = numbers(conversation)
    assert found.ms["reply"] == {"p50": 3200, "p95": 4100, "p99": 4180}
    assert found.ms["llm"] == {"p50": 2000, "p95": 2900, "p99": 2980}
    medians = {name: found.ms[name]["p50"] for name in HOPS}
    assert medians == {
        "store": 10,
        "ask": 1000,
        "queue_for_llm": 30,
        "llm_wait": 20,
        "llm": 2000,
        "reply_back": 25,
        "enqueue": 15,
        "send": 100,
    }


def test_the_clock_starts_with_the_last_message(conversation: Conversation) -> None:
    now = timezone.now()
    turn = factories.make_answered_turn(conversation, at=now, hops_ms=(10, 100, 10, 10, 500, 10, 10, 50))
    factories.make_inbound(conversation, "first", turn=turn, received_at=now - timedelta(seconds=20))
    assert numbers(conversation).ms["reply"]["p50"] == 700


def test_two_replies_to_one_turn_are_a_duplicate(conversation: Conversation) -> None:
    turn = factories.make_answered_turn(conversation)
    factories.make_outbound(conversation, "second part", turn=turn, part=1)
    factories.make_outbound(conversation, "taken back", turn=turn, purpose="fallback", state="cancelled")
    factories.make_outbound(conversation, "a person", turn=turn, purpose="staff")
    assert numbers(conversation).counts["duplicates"] == 0
    factories.make_outbound(conversation, "Sorry", turn=turn, purpose="fallback")
    assert numbers(conversation).counts["duplicates"] == 1


def test_what_must_be_none_is_told(conversation: Conversation) -> None:
    """A turn beyond its limit, a dead letter of nobody's, a delivery that nobody can tell the fate of."""
    factories.make_answered_turn(conversation)
    factories.make_inbound(conversation, received_at=timezone.now() - timedelta(seconds=90))
    Message.objects.filter(direction="out").update(state="unknown", sent_at=None)
    DeadLetter.objects.create(queue_message_id="1", body="{}")
    DeadLetter.objects.create(queue_message_id="2", body="{}", state="replayed")
    found = ledger()
    assert (found["overdue"], found["held"], found["unknown_deliveries"]) == (1, 0, 1)
    assert (found["dead_letters"], found["dead_letters_waiting"]) == (2, 1)
    assert ledger("--organization", "counted")["dead_letters"] == 0


def test_reasons_are_told(conversation: Conversation) -> None:
    for reason in ("not_text", "not_known", "not_known"):
        factories.make_handed_over_turn(conversation, reason=reason)
    assert ledger()["reasons"] == {"handed_over": {"not_known": 2, "not_text": 1}, "declined": {}}


def test_times_to_the_first_reply_are_told_beside_the_others(conversation: Conversation) -> None:
    at = timezone.now() - timedelta(minutes=1)
    turn = factories.make_answered_turn(conversation, at=at, hops_ms=(10, 1000, 0, 0, 8000, 0, 0, 90))
    factories.make_outbound(conversation, turn=turn, purpose="holding", sent_at=at + timedelta(seconds=4))
    found: dict[str, Any] = ledger()
    assert found["latency_ms"]["p50"] == found["latency_ms"]["answer"]["p50"] == 9100
    assert found["latency_ms"]["first_reply"]["p50"] == 4000
    assert (found["in_time_percent"], found["held_the_line"], found["duplicates"]) == (100, 1, 0)


def test_an_unsent_reply_has_no_latency(conversation: Conversation) -> None:
    turn = factories.make_answered_turn(conversation)
    Message.objects.filter(turn=turn, direction="out").update(state="failed", sent_at=None)
    assert numbers(conversation).ms["reply"] == {"p50": None, "p95": None, "p99": None}


def test_an_empty_ledger(db: None) -> None:
    found = ledger()
    assert found["turns"] == 0
    assert found["latency_ms"]["p95"] is None  # type: ignore[index]
    output = StringIO()
    call_command("ledger", stdout=output)
    assert "answered" in output.getvalue()


def test_one_organization_only(world: World) -> None:
    factories.make_answered_turn(world.conversation)
    assert ledger()["turns"] == 3
    assert ledger("--organization", "heron-bakery")["turns"] == 1
    with pytest.raises(CommandError, match="There is no organization 'nobody'"):
        ledger("--organization", "nobody")


def test_only_turns_since(conversation: Conversation) -> None:
    factories.make_answered_turn(conversation, at=timezone.now() - timedelta(days=2))
    ids = list(Organization.objects.values_list("pk", flat=True))
    assert report(Scope(ids, timezone.now() - timedelta(days=1))).total.counts["turns"] == 0
    assert report(Scope(ids, timezone.now() - timedelta(days=3))).total.counts["turns"] == 1
