"""`decide`, by example and by property: no clock, no database, no network."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_lambdas.turns import (
    MAX_REQUESTS_PER_MESSAGE,
    Action,
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
    Turn,
    Wait,
    Withdraw,
    Written,
    decide,
    is_holding_line_due,
)

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PLAIN = Policy(burst_window=timedelta(seconds=1), handover_after=timedelta(seconds=60))
POLICY = replace(PLAIN, has_holding_line=False)
FIRST, SECOND = uuid.UUID(int=1), uuid.UUID(int=2)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def written(
    number: int = 1, *, text: str = "How much is a whitening?", kind: str = "text", at: float = 0
) -> Written:
    return Written(number, kind, text, after(at))


def asked(
    state: RequestState = RequestState.PENDING,
    *,
    last: int = 1,
    at: float = 1,
    text: str = "",
    error: str = "",
    objection: str = "",
) -> Asked:
    return Asked(FIRST, last, state, after(at), text, error, objection)


def a_turn(
    *messages: Written,
    requests: Sequence[Asked] = (),
    parts: Sequence[Part] = (),
    state: State = State.OPEN,
    owner: Owner = Owner.BOT,
    policy: Policy = POLICY,
    sealed: bool = False,
) -> Turn:
    return Turn(state, owner, policy, messages or (written(),), requests, parts, sealed)


COMPLETED = asked(RequestState.COMPLETED, text="A whitening costs 240 €.")
FAILED = asked(RequestState.FAILED, error="engine_error")
LIMIT = Wait(after(60))
LINE = Wait(after(4))
EXPLAINING = replace(POLICY, explains_files=True)


@pytest.mark.parametrize(
    ("turn", "seconds", "due"),
    [
        pytest.param(a_turn(), 0.4, [Wait(after(1))], id="within the burst window it waits"),
        pytest.param(a_turn(), 1, [Ask(), LIMIT], id="after the window it asks"),
        pytest.param(
            a_turn(written(1), written(2, at=0.8)),
            1.2,
            [Wait(after(1.8))],
            id="the window runs from the last message",
        ),
        pytest.param(a_turn(requests=[asked()]), 2, [LIMIT], id="asked already: it waits for the reply"),
        pytest.param(a_turn(requests=[COMPLETED]), 2, [Answer(FIRST)], id="a reply becomes the answer"),
        pytest.param(
            a_turn(requests=[COMPLETED], parts=[Part(9, FIRST, SendState.PENDING)]),
            2,
            [Deliver(9)],
            id="a fresh answer may leave",
        ),
        pytest.param(
            a_turn(
                written(1), written(2, at=5), requests=[COMPLETED], parts=[Part(9, FIRST, SendState.PENDING)]
            ),
            5.1,
            [Cancel(), Wait(after(6))],
            id="a newer message takes an answer back that has not left",
        ),
        pytest.param(
            a_turn(written(1), written(2, at=5), requests=[COMPLETED]),
            6,
            [Ask(), Wait(after(65))],
            id="a reply to an older state of the turn is not used",
        ),
        pytest.param(
            a_turn(Written(1, "text", "x", after(0), edited_at=after(3)), requests=[COMPLETED]),
            4.5,
            [Ask(), Wait(after(63))],
            id="an edit makes a reply stale",
        ),
        pytest.param(
            a_turn(requests=[COMPLETED], parts=[Part(9, SECOND, SendState.PENDING)]),
            2,
            [Cancel(), Answer(FIRST)],
            id="an answer made from another request is replaced",
        ),
        pytest.param(a_turn(requests=[FAILED]), 2, [Ask(), LIMIT], id="a failed request is asked once more"),
        pytest.param(
            a_turn(requests=[FAILED] * MAX_REQUESTS_PER_MESSAGE),
            3,
            [Settle(State.HANDED_OVER, Reason.LLM_FAILED, True)],
            id="but not for ever",
        ),
        pytest.param(
            a_turn(requests=[asked(RequestState.FAILED, error="context_length_exceeded")]),
            2,
            [Settle(State.HANDED_OVER, Reason.TOO_LONG, True)],
            id="too long for the LLM",
        ),
        pytest.param(
            a_turn(requests=[asked(RequestState.COMPLETED, text=" \n")]),
            2,
            [Ask(), LIMIT],
            id="the LLM said nothing: it is asked once more",
        ),
        pytest.param(
            a_turn(requests=[asked(RequestState.COMPLETED, text=" \n")] * MAX_REQUESTS_PER_MESSAGE),
            2,
            [Settle(State.HANDED_OVER, Reason.NO_ANSWER, True)],
            id="the LLM said nothing again",
        ),
        pytest.param(
            a_turn(written(kind="image")),
            0,
            [Settle(State.HANDED_OVER, Reason.NOT_TEXT, True)],
            id="an image is for staff, at once",
        ),
        pytest.param(
            a_turn(written(kind="image", text=""), policy=EXPLAINING),
            0.5,
            [Wait(after(1))],
            id="unless the contact is told what the bot can read: a word may follow",
        ),
        pytest.param(
            a_turn(written(kind="image", text=""), written(2, kind="unsent", text=""), policy=EXPLAINING),
            1,
            [Settle(State.DECLINED, Reason.FILES_ONLY, True)],
            id="none followed",
        ),
        pytest.param(
            a_turn(
                written(kind="image", text=""),
                policy=EXPLAINING,
                requests=[COMPLETED],
                parts=[Part(9, FIRST, SendState.PENDING)],
            ),
            1,
            [Cancel(), Settle(State.DECLINED, Reason.FILES_ONLY, True)],
            id="the word was taken back, and its answer with it",
        ),
        pytest.param(
            a_turn(written(kind="image", text="Is this right?"), policy=EXPLAINING),
            1,
            [Ask(), LIMIT],
            id="a caption is a question",
        ),
        pytest.param(
            a_turn(written(), written(2, kind="voice", text=""), policy=EXPLAINING),
            1,
            [Ask(), LIMIT],
            id="so is a word beside a voice note",
        ),
        pytest.param(
            a_turn(written(kind="image", text=""), written(2, kind="location"), policy=EXPLAINING),
            0,
            [Settle(State.HANDED_OVER, Reason.NOT_TEXT, True)],
            id="a place is for staff all the same",
        ),
        pytest.param(
            a_turn(written(text=" \n ")),
            1,
            [Settle(State.HANDED_OVER, Reason.EMPTY, True)],
            id="nothing to answer",
        ),
        pytest.param(
            a_turn(written(1, text=" "), written(2)),
            1,
            [Ask(), LIMIT],
            id="an empty message among others is no matter",
        ),
        pytest.param(a_turn(written(text="👍")), 1, [Ask(), LIMIT], id="an emoji is text"),
        pytest.param(
            a_turn(requests=[asked()]),
            60,
            [Settle(State.HANDED_OVER, Reason.NO_ANSWER_IN_TIME, True)],
            id="no answer within the limit",
        ),
        pytest.param(
            a_turn(requests=[COMPLETED], parts=[Part(9, FIRST, SendState.PENDING)]),
            60,
            [Cancel(), Settle(State.HANDED_OVER, Reason.NO_ANSWER_IN_TIME, True)],
            id="an answer that could not leave in time is taken back",
        ),
        pytest.param(
            a_turn(owner=Owner.STAFF),
            0,
            [Settle(State.HANDED_OVER, Reason.STAFF_OWNS, False)],
            id="staff own the conversation, and the contact knows",
        ),
        pytest.param(
            a_turn(owner=Owner.STAFF, requests=[COMPLETED], parts=[Part(9, FIRST, SendState.PENDING)]),
            2,
            [Cancel(), Settle(State.HANDED_OVER, Reason.STAFF_OWNS, False)],
            id="a takeover wins against an answer in flight",
        ),
        pytest.param(
            a_turn(policy=replace(POLICY, declines=Reason.ORGANIZATION_RETIRED)),
            0,
            [Settle(State.DECLINED, Reason.ORGANIZATION_RETIRED, False)],
            id="a retired organization declines",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.SENDING)], sealed=True),
            2,
            [],
            id="being sent: nothing to do",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.PENDING)], sealed=True),
            30,
            [Deliver(9)],
            id="refused for now: the answer is tried again",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.PENDING)], sealed=True),
            60,
            [Cancel(), Settle(State.HANDED_OVER, Reason.NO_ANSWER_IN_TIME, True)],
            id="refused until the limit: it goes to staff, and the contact is told",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.SENT), Part(10, FIRST, SendState.PENDING)], sealed=True),
            90,
            [Deliver(10)],
            id="half an answer is finished, whatever the limit",
        ),
        pytest.param(
            a_turn(policy=replace(POLICY, cannot_send=True)),
            1,
            [Settle(State.HANDED_OVER, Reason.CHANNEL_PAUSED, False)],
            id="a paused channel cannot tell the contact anything",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.PENDING)], sealed=True, owner=Owner.STAFF),
            5,
            [Cancel(), Settle(State.HANDED_OVER, Reason.STAFF_OWNS, False)],
            id="refused for now, and staff took over meanwhile",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.SENT), Part(10, FIRST, SendState.PENDING)], sealed=True),
            2,
            [Deliver(10)],
            id="a long answer goes on with its next part",
        ),
        pytest.param(
            replace(
                a_turn(
                    parts=[Part(9, FIRST, SendState.SENT), Part(10, FIRST, SendState.PENDING)], sealed=True
                ),
                is_overtaken=True,
            ),
            2,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_UNKNOWN, False)],
            id="the rest of a long answer would read as a part of a later one",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.SENT)], sealed=True),
            2,
            [Settle(State.ANSWERED)],
            id="answered",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.FAILED)], sealed=True),
            2,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_FAILED, False)],
            id="the platform will not take it",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.UNKNOWN)], sealed=True),
            2,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_UNKNOWN, False)],
            id="nobody knows whether it arrived: never a second one",
        ),
        pytest.param(a_turn(state=State.ANSWERED, sealed=True), 9, [], id="settled is settled"),
    ],
)
def test_decide(turn: Turn, seconds: float, due: list[Action]) -> None:
    assert decide(turn, after(seconds)) == due


@pytest.mark.parametrize(
    ("turn", "seconds", "due"),
    [
        pytest.param(a_turn(policy=PLAIN), 0, [Wait(after(1)), LINE], id="it will be looked at in time"),
        pytest.param(a_turn(policy=PLAIN, requests=[asked()]), 2, [LINE, LIMIT], id="not before 4 s"),
        pytest.param(
            a_turn(policy=PLAIN, requests=[asked()]), 4, [HoldTheLine(), LIMIT], id="no answer by 4 s"
        ),
        pytest.param(
            replace(a_turn(policy=PLAIN, requests=[asked()]), holding_line_sent=True),
            9,
            [LIMIT],
            id="once is enough",
        ),
        pytest.param(
            replace(a_turn(policy=PLAIN, requests=[FAILED]), is_held_off=True),
            4,
            [HoldTheLine(), LIMIT],
            id="also while its organization has enough requests at the LLM",
        ),
        pytest.param(
            a_turn(written(1), written(2, at=3.8), policy=PLAIN),
            4,
            [Wait(after(4.8)), Wait(after(7.8))],
            id="it runs from the last message",
        ),
        pytest.param(
            a_turn(policy=PLAIN, requests=[COMPLETED]), 5, [Answer(FIRST)], id="an answer is better"
        ),
        pytest.param(
            a_turn(policy=replace(PLAIN, burst_window=timedelta(seconds=9))),
            5,
            [Wait(after(9))],
            id="not while the contact is still writing",
        ),
        pytest.param(
            a_turn(policy=PLAIN, requests=[asked()]),
            60,
            [Settle(State.HANDED_OVER, Reason.NO_ANSWER_IN_TIME, True)],
            id="the limit comes all the same",
        ),
    ],
)
def test_the_holding_line(turn: Turn, seconds: float, due: list[Action]) -> None:
    assert decide(turn, after(seconds)) == due


@pytest.mark.parametrize(
    ("turn", "is_due"),
    [
        pytest.param(a_turn(requests=[asked()]), True, id="nothing came meanwhile"),
        pytest.param(a_turn(parts=[Part(9, FIRST, SendState.PENDING)]), False, id="the answer is here"),
        pytest.param(a_turn(sealed=True), False, id="the answer is leaving"),
        pytest.param(a_turn(state=State.HANDED_OVER), False, id="staff have it"),
        pytest.param(a_turn(owner=Owner.STAFF), False, id="staff took over"),
    ],
)
def test_the_holding_line_is_not_sent_in_vain(turn: Turn, is_due: bool) -> None:
    assert is_holding_line_due(turn) is is_due


OBJECTED = asked(RequestState.COMPLETED, text="It costs 9 €.", objection="It names the price 9 €.")
UNKNOWN = Part(9, FIRST, SendState.UNKNOWN, unknown_attempts=1, attempted_at=after(2))
AGAIN = replace(UNKNOWN, state=SendState.PENDING)
RATHER_TWICE = replace(POLICY, sends_again=True)
LATE = Written(1, "text", "hello", after(0), written_at=after(-3600))
HELD = replace(POLICY, is_held=True)


@pytest.mark.parametrize(
    ("turn", "seconds", "due"),
    [
        pytest.param(a_turn(requests=[OBJECTED]), 3, [Ask(), LIMIT], id="an invented answer: one more try"),
        pytest.param(
            a_turn(requests=[OBJECTED, OBJECTED]),
            3,
            [Settle(State.HANDED_OVER, Reason.NOT_GROUNDED, True)],
            id="invented again: staff answer",
        ),
        pytest.param(
            a_turn(requests=[OBJECTED, COMPLETED]), 3, [Answer(FIRST)], id="the second try may be sent"
        ),
        pytest.param(
            a_turn(written(1), written(2, at=1.5), requests=[asked()]),
            1.6,
            [Withdraw(FIRST), Wait(after(2.5))],
            id="a newer message withdraws the question",
        ),
        pytest.param(
            replace(a_turn(), is_held_off=True), 2, [LIMIT], id="held off: another turn's reply lets it in"
        ),
        pytest.param(
            replace(a_turn(), over_limit=Reason.CONTACT_RATE),
            0,
            [Settle(State.DECLINED, Reason.CONTACT_RATE, True)],
            id="over a limit",
        ),
        pytest.param(
            a_turn(LATE, requests=[COMPLETED]), 2, [Answer(FIRST, apologize=True)], id="late: with an apology"
        ),
        pytest.param(
            a_turn(LATE, requests=[COMPLETED], policy=replace(POLICY, late=Late.ANSWER)),
            2,
            [Answer(FIRST)],
            id="late: answered",
        ),
        pytest.param(
            a_turn(LATE, policy=replace(POLICY, late=Late.HAND_OVER)),
            0,
            [Settle(State.HANDED_OVER, Reason.LATE, True)],
            id="late: handed over",
        ),
        pytest.param(
            a_turn(replace(LATE, written_at=after(3600)), requests=[COMPLETED]),
            2,
            [Answer(FIRST)],
            id="a platform's clock that is ahead makes nothing late",
        ),
        pytest.param(a_turn(policy=HELD), 70, [], id="a broken channel: it waits for the repair"),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.PENDING)], policy=HELD),
            5,
            [Cancel()],
            id="its answer is decided upon anew after the repair",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.PENDING)], sealed=True, policy=HELD),
            70,
            [],
            id="the rest of an answer waits too",
        ),
        pytest.param(
            a_turn(policy=HELD),
            86_400,
            [Settle(State.HANDED_OVER, Reason.CHANNEL_HELD, True)],
            id="but not for ever",
        ),
        pytest.param(
            a_turn(
                requests=[COMPLETED],
                policy=replace(POLICY, resumed_at=after(500), late_after=timedelta(hours=1)),
            ),
            505,
            [Answer(FIRST)],
            id="after the repair its time begins anew",
        ),
        pytest.param(
            a_turn(parts=[UNKNOWN], sealed=True, policy=replace(POLICY, reconciles=True)),
            3,
            [Wait(after(32))],
            id="unknown: the platform may still say",
        ),
        pytest.param(
            a_turn(parts=[UNKNOWN], sealed=True, policy=replace(POLICY, reconciles=True)),
            32,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_UNKNOWN, False)],
            id="unknown: it did not say",
        ),
        pytest.param(
            a_turn(parts=[UNKNOWN], sealed=True, policy=RATHER_TWICE),
            65,
            [SendAgain(9)],
            id="unknown: rather twice, also where it took beyond the limit to notice",
        ),
        pytest.param(
            a_turn(parts=[AGAIN, replace(AGAIN, id=10)], sealed=True, policy=RATHER_TWICE),
            65,
            [Deliver(9, doubts=2)],
            id="sent again, it leaves beyond the limit too",
        ),
        pytest.param(
            a_turn(parts=[UNKNOWN], sealed=True, policy=RATHER_TWICE),
            601,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_UNKNOWN, False)],
            id="unknown, and noticed when it had become late",
        ),
        pytest.param(
            replace(a_turn(parts=[UNKNOWN], sealed=True, policy=RATHER_TWICE), is_overtaken=True),
            3,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_UNKNOWN, False)],
            id="unknown: not after something that was written later",
        ),
        pytest.param(
            replace(a_turn(parts=[AGAIN], sealed=True, policy=RATHER_TWICE), is_overtaken=True),
            3,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_UNKNOWN, False)],
            id="overtaken on its second way: the contact is told nothing, for it may have arrived before",
        ),
        pytest.param(
            a_turn(
                parts=[replace(UNKNOWN, unknown_attempts=2)],
                sealed=True,
                policy=RATHER_TWICE,
            ),
            3,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_UNKNOWN, False)],
            id="unknown twice: not a third time",
        ),
        pytest.param(
            a_turn(parts=[UNKNOWN], sealed=True, owner=Owner.STAFF, policy=RATHER_TWICE),
            3,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_UNKNOWN, False)],
            id="unknown, and staff took over: they see to it",
        ),
    ],
)
def test_policies(turn: Turn, seconds: float, due: list[Action]) -> None:
    assert decide(turn, after(seconds)) == due


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
) | st.builds(
    Turn,
    state=st.sampled_from([State.OPEN, State.ASKED]),
    owner=st.sampled_from(Owner),
    policy=policies,
    messages=messages,
    requests=requests,
    parts=parts.filter(bool),
    is_sealed=st.just(True),
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
    assert not any(action.tell_contact for action in due if isinstance(action, Settle))
