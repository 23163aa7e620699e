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


def holding(ms: int, **fields: object) -> Message:
    return outbound(ms - 10, ms, purpose="holding", **fields)


def test_the_holding_line_is_a_hop_and_the_first_reply() -> None:
    turn = Turn(state="answered", settled_at=at(9000))
    asked = request(1000, started_at=at(1100), finished_at=at(8000), stored_at=at(8050))
    found = timeline(turn, [inbound(0), holding(4100), outbound(8100, 8300)], [asked])
    hops = [(hop.label, hop.after_ms) for hop in found.hops]
    assert hops[3:6] == [("LLM started", 100), ("Holding line sent", 3000), ("LLM finished", 3900)]
    assert (found.first_ms, found.total_ms, found.is_late, found.share_of_limit) == (4100, 8300, False, 82)


def test_a_holding_line_that_never_left_is_no_reply() -> None:
    left = [holding(4100, state="cancelled"), outbound(None, None, purpose="holding", state="pending")]
    found = timeline(Turn(state="asked"), [inbound(0), *left], [request(1000, "pending")])
    assert found.first_ms is None
    assert "Sent" not in [hop.label for hop in found.hops]


def test_a_reply_is_measured_from_the_message_before_it() -> None:
    turn = Turn(state="answered", settled_at=at(20_000))
    found = timeline(turn, [inbound(0), holding(4100), inbound(12_000), outbound(13_000, 13_500)], [])
    assert (found.first_ms, found.total_ms) == (4100, 1500)


def test_an_objection_is_told_and_so_is_the_second_try() -> None:
    objection = "It names the price 45 €, which is nowhere in the organization's facts."
    first = request(1000, objection=objection, stored_at=at(2000))
    second = request(2010, received_at=at(2020), stored_at=at(3000))
    turn = Turn(state="answered", settled_at=at(3200))
    found = timeline(turn, [inbound(0), outbound(3050, 3200)], [first, second])
    assert [hop.label for hop in found.hops] == [
        "Received",
        "Stored",
        "Asked the LLM",
        "Answer not sent",
        "Asked again",
        "LLM took it",
        "Reply stored",
        "Sending",
        "Sent",
    ]
    assert found.notes == (f"Not sent: {objection} The LLM was asked again.",)


def test_two_objections_end_with_staff() -> None:
    first, second = request(1000, objection="First."), request(2000, objection="Second.", stored_at=at(3000))
    turn = Turn(state="handed_over", reason="not_grounded", settled_at=at(3010))
    found = timeline(turn, [inbound(0)], [first, second])
    assert found.notes == ("Not sent: First. The LLM was asked again.", "Not sent: Second.")
    assert [hop.label for hop in found.hops][-2:] == ["Answer not sent", "Handed over"]


def test_withdrawn_questions_are_counted_and_tell_nothing() -> None:
    withdrawn = [request(1000, "cancelled"), request(2000, "cancelled")]
    found = timeline(Turn(state="asked"), [inbound(0)], [*withdrawn, request(3000, "pending")])
    assert [hop.after_ms for hop in found.hops if hop.label == "Asked the LLM"] == [2980]
    assert found.notes[0].startswith("2 questions to the LLM were withdrawn")


def test_a_held_turn_waits_for_the_repair() -> None:
    assert (
        "waits for the repair of its channel" in timeline(Turn(state="open"), [], [], is_held=True).notes[0]
    )
    assert not timeline(Turn(state="open"), [], []).notes
    assert not timeline(Turn(state="answered"), [], [], is_held=True).notes


def test_a_limit_line_is_a_hop() -> None:
    turn = Turn(state="declined", reason="contact_rate", settled_at=at(50))
    found = timeline(turn, [inbound(0), outbound(60, 90, purpose="limit")], [])
    assert [hop.label for hop in found.hops] == ["Received", "Stored", "Declined", "Limit line sent"]
    assert found.first_ms is None
