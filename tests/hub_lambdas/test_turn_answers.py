"""`decide` on the way to an answer, by example: no clock, no database, no network."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hub_lambdas.turns import (
    MAX_REQUESTS_PER_MESSAGE,
    Action,
    Answer,
    Ask,
    Cancel,
    Deliver,
    HoldTheLine,
    Owner,
    Part,
    Reason,
    RequestState,
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
from tests.hub_lambdas.turn_examples import (
    COMPLETED,
    FAILED,
    FIRST,
    LIMIT,
    LINE,
    PLAIN,
    SECOND,
    a_turn,
    after,
    asked,
    written,
)

OBJECTED = asked(RequestState.COMPLETED, text="It costs 9 €.", objection="It names the price 9 €.")


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
