"""A turn's timeline, from rows that no database has seen."""

from datetime import UTC, datetime, timedelta

from console.conversations.models import LlmRequest, Message, Turn
from console.conversations.timeline import explain, timeline
from console.prompts.models import PromptVersion
from hub_lambdas.turns import Reason

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def at(ms: int) -> datetime:
    return START + timedelta(milliseconds=ms)


def inbound(ms: int) -> Message:
    return Message(direction="in", received_at=at(ms), stored_at=at(ms + 20))


def outbound(sending_ms: int | None, sent_ms: int | None, **fields: object) -> Message:
    values = {"direction": "out", "purpose": "answer", "state": "sent" if sent_ms else "pending", **fields}
    return Message(
        sending_at=None if sending_ms is None else at(sending_ms),
        sent_at=None if sent_ms is None else at(sent_ms),
        **values,
    )


def request(asked_ms: int, state: str = "completed", **fields: object) -> LlmRequest:
    request = LlmRequest(state=state, model="m", **fields)
    request.asked_at = at(asked_ms)
    return request


def test_hops_follow_each_other_and_the_total_runs_from_the_last_message() -> None:
    turn = Turn(pk=7, state="answered", settled_at=at(3000))
    asked = request(
        1500,
        prompt_version=PromptVersion(number=4),
        received_at=at(1550),
        started_at=at(1560),
        finished_at=at(2560),
        stored_at=at(2600),
        prompt_tokens=10,
        completion_tokens=5,
    )
    found = timeline(turn, [inbound(0), inbound(400), outbound(2650, 2900)], [asked])
    assert [(hop.label, hop.after_ms) for hop in found.hops] == [
        ("Received", None),
        ("Stored", 20),
        ("Asked the LLM", 1080),
        ("LLM took it", 50),
        ("LLM started", 10),
        ("LLM finished", 1000),
        ("Reply stored", 40),
        ("Sending", 50),
        ("Sent", 250),
    ]
    assert (found.total_ms, found.is_late, found.share_of_limit) == (2500, False, 50)
    assert (found.prompt, found.model, found.prompt_tokens, found.completion_tokens) == ("v4", "m", 10, 5)


def test_beyond_five_seconds_is_late() -> None:
    turn = Turn(state="answered", settled_at=at(6000))
    found = timeline(turn, [inbound(0), outbound(5900, 6000)], [])
    assert (found.is_late, found.share_of_limit) == (True, 100)


def test_a_turn_that_waits_shows_how_far_it_came() -> None:
    found = timeline(Turn(state="asked"), [inbound(0)], [request(1000, "pending")])
    assert [hop.label for hop in found.hops] == ["Received", "Stored", "Asked the LLM"]
    assert found.total_ms is None


def test_a_handover_stands_where_it_happened() -> None:
    turn = Turn(state="handed_over", reason="not_text", settled_at=at(45))
    found = timeline(turn, [inbound(0), outbound(80, 210, purpose="fallback")], [])
    assert [hop.label for hop in found.hops] == ["Received", "Stored", "Handed over", "Sending", "Sent"]
    assert found.reason.startswith("The message was not text")


def test_an_answer_taken_back_is_no_reply() -> None:
    turn = Turn(state="handed_over", reason="staff_owns", settled_at=at(500))
    found = timeline(turn, [inbound(0), outbound(None, None, state="cancelled")], [request(100)])
    assert found.total_ms is None
    assert "Sent" not in [hop.label for hop in found.hops]


def test_the_request_that_was_completed_tells() -> None:
    failed = request(100, "failed")
    completed = request(200, finished_at=at(900))
    found = timeline(Turn(state="asked"), [inbound(0)], [failed, completed, request(300, "pending")])
    assert ("LLM finished", 700) in [(hop.label, hop.after_ms) for hop in found.hops]


def test_every_reason_has_a_sentence() -> None:
    for reason in Reason:
        assert explain(reason) != reason.replace("_", " "), reason
    assert explain("") == ""
    assert explain("something_new") == "something new"
