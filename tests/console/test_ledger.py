"""The ledger's numbers, from rows made by hand."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from console.conversations.models import Conversation, Message
from console.conversations.report import report
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
    found = report([conversation.organization_id])
    assert found.reply_ms == {"p50": 3200, "p95": 4100, "p99": 4180}
    assert found.hops_ms["llm"] == {"p50": 2000, "p95": 2900, "p99": 2980}
    medians = {name: values["p50"] for name, values in found.hops_ms.items()}
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
    assert report([conversation.organization_id]).reply_ms["p50"] == 700


def test_two_replies_to_one_turn_are_a_duplicate(conversation: Conversation) -> None:
    turn = factories.make_answered_turn(conversation)
    factories.make_outbound(conversation, "second part", turn=turn, part=1)
    factories.make_outbound(conversation, "taken back", turn=turn, purpose="fallback", state="cancelled")
    factories.make_outbound(conversation, "a person", turn=turn, purpose="staff")
    assert report([conversation.organization_id]).duplicates == 0
    factories.make_outbound(conversation, "Sorry", turn=turn, purpose="fallback")
    assert report([conversation.organization_id]).duplicates == 1


def test_an_unsent_reply_has_no_latency(conversation: Conversation) -> None:
    turn = factories.make_answered_turn(conversation)
    Message.objects.filter(turn=turn, direction="out").update(state="failed", sent_at=None)
    assert report([conversation.organization_id]).reply_ms == {"p50": None, "p95": None, "p99": None}


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
    assert report(ids, timezone.now() - timedelta(days=1)).turns == 0
    assert report(ids, timezone.now() - timedelta(days=3)).turns == 1
