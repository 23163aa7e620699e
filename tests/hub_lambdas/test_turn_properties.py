"""What holds of `decide` whatever the turn."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from hub_lambdas.turns import (
    Answer,
    Ask,
    Asked,
    Cancel,
    Deliver,
    HoldTheLine,
    Late,
    Owner,
    Part,
    Policy,
    Reason,
    RequestState,
    SendAgain,
    SendState,
    Settle,
    State,
    TellContact,
    Turn,
    Wait,
    Written,
    decide,
)
from tests.hub_lambdas.turn_examples import (
    FIRST,
    POLICY,
    SECOND,
    a_turn,
    after,
)

messages = st.lists(
    st.builds(
        Written,
        id=st.integers(1, 9),
        kind=st.sampled_from(["text", "text", "button", "image", "voice"]),
        text=st.sampled_from(["", " ", "hi", "how much?"]),
        received_at=st.floats(0, 50).map(after),
        edited_at=st.none() | st.floats(0, 90).map(after),
    ),
    min_size=1,
    max_size=4,
).map(lambda found: sorted(found, key=lambda message: message.id))
requests = st.lists(
    st.builds(
        Asked,
        id=st.sampled_from([FIRST, SECOND]),
        last_message_id=st.integers(1, 9),
        state=st.sampled_from(RequestState),
        asked_at=st.floats(0, 60).map(after),
        text=st.sampled_from(["", "Yes."]),
        error_code=st.sampled_from(["", "engine_error", "context_length_exceeded"]),
        objection=st.sampled_from(["", "", "It names a price."]),
    ),
    max_size=3,
)
parts = st.lists(
    st.builds(
        Part,
        id=st.integers(10, 19),
        request_id=st.sampled_from([FIRST, SECOND]),
        state=st.sampled_from(SendState),
        unknown_attempts=st.integers(0, 3),
        attempted_at=st.floats(0, 60).map(after),
    ),
    max_size=3,
)
policies = st.builds(
    Policy,
    burst_window=st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(seconds=30)]),
    handover_after=st.just(POLICY.handover_after),
    has_holding_line=st.booleans(),
    late=st.sampled_from(Late),
    sends_again=st.booleans(),
    declines=st.sampled_from([None, None, Reason.CHANNEL_RETIRED]),
    cannot_send=st.booleans(),
    is_held=st.booleans(),
    reconciles=st.booleans(),
)
heard = {name: st.booleans() for name in ("is_untold", "is_unreachable", "is_overtaken")}
turns = st.builds(
    Turn,
    state=st.sampled_from(State),
    owner=st.sampled_from(Owner),
    policy=policies,
    messages=messages,
    requests=requests,
    parts=st.just([]),
    is_sealed=st.just(False),
    holding_line_sent=st.booleans(),
    is_held_off=st.booleans(),
    over_limit=st.sampled_from([None, None, Reason.CONTACT_QUOTA]),
    **heard,
) | st.builds(
    Turn,
    state=st.sampled_from(State),
    owner=st.sampled_from(Owner),
    policy=policies,
    messages=messages,
    requests=requests,
    parts=parts.filter(bool),
    is_sealed=st.just(True),
    **heard,
)


@given(turn=turns, seconds=st.floats(0, 200))
def test_an_unsettled_turn_is_never_forgotten(turn: Turn, seconds: float) -> None:
    """Something is due, or a sender is at work: no state of a turn leaves a contact waiting for nothing."""
    due = decide(turn, after(seconds))
    being_sent = turn.is_sealed and any(part.state is SendState.SENDING for part in turn.parts)
    assert bool(due) or turn.is_settled or being_sent or turn.policy.is_held


@given(turn=turns, seconds=st.floats(0, 200))
def test_at_most_one_outcome_and_one_thing_to_send(turn: Turn, seconds: float) -> None:
    due = decide(turn, after(seconds))
    decisive = [action for action in due if isinstance(action, Settle | Ask | Answer | Deliver | SendAgain)]
    assert len(decisive) <= 1


@given(turn=turns, seconds=st.floats(0, 2000))
def test_past_the_limit_nothing_new_is_begun(turn: Turn, seconds: float) -> None:
    now = turn.changed_at + POLICY.handover_after + timedelta(seconds=seconds)
    due = decide(turn, now)
    assert not any(isinstance(action, Ask | Answer | HoldTheLine) for action in due)
    if SendAgain in map(type, due):
        assert turn.policy.sends_again
        assert not turn.is_late(now), "an answer that may have arrived is not sent again when it is late"


@given(turn=turns, seconds=st.floats(0, 2000))
def test_it_waits_only_for_the_future(turn: Turn, seconds: float) -> None:
    now = after(seconds)
    assert all(action.until > now for action in decide(turn, now) if isinstance(action, Wait))


@given(turn=turns, seconds=st.floats(0, 200))
def test_a_conversation_of_staff_is_left_to_staff(turn: Turn, seconds: float) -> None:
    due = decide(replace(turn, owner=Owner.STAFF), after(seconds))
    assert not any(isinstance(action, Ask | Answer | HoldTheLine | SendAgain) for action in due)


@given(turn=turns, seconds=st.floats(0, 200))
def test_the_contact_is_told_of_staff_wherever_it_is_news_and_only_there(turn: Turn, seconds: float) -> None:
    is_news = turn.owner is Owner.BOT or turn.is_untold
    has_something = any(part.may_have_arrived for part in turn.parts)
    is_out_of_reach = turn.is_unreachable or turn.policy.cannot_send or turn.policy.declines
    is_due = is_news and not (has_something or is_out_of_reach)
    for action in decide(turn, after(seconds)):
        if isinstance(action, Settle) and action.outcome is State.HANDED_OVER:
            assert action.tell_contact is is_due
        if isinstance(action, TellContact):
            assert is_due


@given(turn=turns.filter(lambda turn: turn.is_settled), seconds=st.floats(0, 200))
def test_an_outcome_changes_only_where_the_answer_did_not_arrive(turn: Turn, seconds: float) -> None:
    """Besides, who got nothing is told of staff where they do not know."""
    for action in decide(turn, after(seconds)):
        if isinstance(action, Settle):
            assert any(part.state is SendState.FAILED for part in turn.parts)
            assert (turn.state, action.reason) == (State.ANSWERED, Reason.DELIVERY_FAILED)
        else:
            assert (turn.state, action) == (State.HANDED_OVER, TellContact())
            assert turn.is_untold
            assert not turn.is_overtaken
            assert not any(part.may_have_arrived for part in turn.parts)


@given(requests=requests, seconds=st.floats(1, 80), said=st.sampled_from(["", "STAFF"]))
def test_whoever_gets_a_turn_gets_it_without_an_answer_that_may_still_leave(
    requests: list[Asked], seconds: float, said: str
) -> None:
    """Also where more was asked after that answer was made."""
    fresh = [replace(each, last_message_id=1, text=said or each.text) for each in requests]
    answered = a_turn(requests=fresh, parts=[Part(9, FIRST, SendState.PENDING)])
    due = decide(answered, after(seconds))
    assert Settle not in map(type, due) or Cancel() in due
