"""`decide` by what an organization chose, by its staff and its channels: files, limits, late messages."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hub_lambdas.turns import (
    Action,
    Answer,
    Ask,
    Cancel,
    Late,
    Owner,
    Part,
    Reason,
    SendState,
    Settle,
    State,
    Turn,
    Wait,
    Written,
    decide,
)
from tests.hub_lambdas.turn_examples import (
    COMPLETED,
    FIRST,
    LIMIT,
    POLICY,
    a_turn,
    after,
    written,
)

EXPLAINING = replace(POLICY, explains_files=True)
LATE = Written(1, "text", "hello", after(0), written_at=after(-3600))
HELD = replace(POLICY, is_held=True)


@pytest.mark.parametrize(
    ("turn", "seconds", "due"),
    [
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
    ],
)
def test_files(turn: Turn, seconds: float, due: list[Action]) -> None:
    assert decide(turn, after(seconds)) == due


@pytest.mark.parametrize(
    ("turn", "seconds", "due"),
    [
        pytest.param(
            a_turn(owner=Owner.STAFF),
            0,
            [Settle(State.HANDED_OVER, Reason.STAFF_OWNS, False)],
            id="staff own the conversation, and the contact knows",
        ),
        pytest.param(
            replace(a_turn(owner=Owner.STAFF), is_untold=True),
            0,
            [Settle(State.HANDED_OVER, Reason.STAFF_OWNS, True)],
            id="staff own the conversation, and nobody could tell the contact until now",
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
            a_turn(policy=replace(POLICY, cannot_send=True)),
            1,
            [Settle(State.HANDED_OVER, Reason.CHANNEL_PAUSED, False)],
            id="a paused channel cannot tell the contact anything",
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
    ],
)
def test_policies(turn: Turn, seconds: float, due: list[Action]) -> None:
    assert decide(turn, after(seconds)) == due
