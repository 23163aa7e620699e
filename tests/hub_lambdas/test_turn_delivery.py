"""`decide` while an answer is on its way, and when the platform says what became of it."""

from dataclasses import replace

import pytest

from hub_lambdas.turns import (
    Action,
    Bot,
    Cancel,
    Deliver,
    Owner,
    Part,
    Reason,
    SendAgain,
    SendState,
    Settle,
    State,
    TellContact,
    Turn,
    Wait,
    decide,
)
from tests.hub_lambdas.turn_examples import (
    FIRST,
    POLICY,
    a_turn,
    after,
)

SENT = Part(9, FIRST, SendState.SENT)
LOST = Part(9, FIRST, SendState.FAILED)
UNKNOWN = Part(9, FIRST, SendState.UNKNOWN, unknown_attempts=1, attempted_at=after(2))
AGAIN = replace(UNKNOWN, state=SendState.PENDING)
RATHER_TWICE = replace(POLICY, sends_again=True)
HELD = replace(POLICY, is_held=True)
SILENT = replace(POLICY, bot=Bot.SILENT)
DRAFTING = replace(POLICY, bot=Bot.DRAFTS)


@pytest.mark.parametrize(
    ("turn", "seconds", "due"),
    [
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
            a_turn(parts=[Part(9, FIRST, SendState.PENDING)], sealed=True, owner=Owner.STAFF),
            5,
            [Cancel(), Settle(State.HANDED_OVER, Reason.STAFF_OWNS, False)],
            id="refused for now, and staff took over meanwhile",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.PENDING)], sealed=True, policy=SILENT),
            5,
            [Cancel(), Settle(State.HANDED_OVER, Reason.BOT_OFF, True)],
            id="refused for now, and the bot was switched off meanwhile",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.PENDING)], sealed=True, policy=DRAFTING),
            5,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DRAFTED, True, draft_of=FIRST)],
            id="refused for now, and the bot writes drafts now: it is one",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.SENT), Part(10, FIRST, SendState.PENDING)], sealed=True),
            2,
            [Deliver(10)],
            id="a long answer goes on with its next part",
        ),
        pytest.param(
            a_turn(
                parts=[Part(9, FIRST, SendState.SENT), Part(10, FIRST, SendState.PENDING)],
                sealed=True,
                policy=SILENT,
            ),
            2,
            [Deliver(10)],
            id="so does one that began before the bot was switched off",
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
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_FAILED, tell_contact=True)],
            id="the platform will not take it: the contact is told",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.FAILED, unknown_attempts=1)], sealed=True),
            2,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_FAILED, tell_contact=False)],
            id="the platform will not take it, and may have taken it before",
        ),
        pytest.param(
            a_turn(parts=[Part(8, FIRST, SendState.SENT), Part(9, FIRST, SendState.FAILED)], sealed=True),
            2,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_FAILED, tell_contact=False)],
            id="the platform will not take the rest: the contact has the beginning",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.UNKNOWN)], sealed=True),
            2,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_UNKNOWN, False)],
            id="nobody knows whether it arrived: never a second one",
        ),
        pytest.param(
            a_turn(parts=[Part(9, FIRST, SendState.PENDING)], sealed=True, policy=HELD),
            70,
            [],
            id="the rest of an answer waits too",
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
            a_turn(parts=[UNKNOWN], sealed=True, policy=replace(RATHER_TWICE, bot=Bot.SILENT)),
            3,
            [Cancel(), Settle(State.HANDED_OVER, Reason.DELIVERY_UNKNOWN, False)],
            id="unknown, and the bot was switched off: nothing leaves again",
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
def test_an_answer_on_its_way(turn: Turn, seconds: float, due: list[Action]) -> None:
    assert decide(turn, after(seconds)) == due


ANSWERED = a_turn(parts=[LOST], sealed=True, state=State.ANSWERED)
WITH_STAFF = replace(ANSWERED, state=State.HANDED_OVER, owner=Owner.STAFF, is_untold=True)
REST = Part(10, FIRST, SendState.SENT)
LEFT_TO_ALL = a_turn(state=State.HANDED_OVER, owner=Owner.STAFF)
UNHEARD = replace(LEFT_TO_ALL, is_untold=True)
NOT_ANSWERED = [Settle(State.HANDED_OVER, Reason.DELIVERY_FAILED)]


@pytest.mark.parametrize(
    ("turn", "due"),
    [
        pytest.param(
            ANSWERED,
            [Settle(State.HANDED_OVER, Reason.DELIVERY_FAILED, tell_contact=True)],
            id="who counts as answered has nothing: staff get it, and the contact is told",
        ),
        pytest.param(
            replace(ANSWERED, parts=[LOST, REST]), NOT_ANSWERED, id="the contact has the rest of the answer"
        ),
        pytest.param(replace(ANSWERED, is_unreachable=True), NOT_ANSWERED, id="nothing reaches the contact"),
        pytest.param(replace(ANSWERED, owner=Owner.STAFF), NOT_ANSWERED, id="staff see to it already"),
        pytest.param(replace(ANSWERED, parts=[SENT]), [], id="it has arrived"),
        pytest.param(WITH_STAFF, [TellContact()], id="nobody knew that until now"),
        pytest.param(replace(WITH_STAFF, parts=[LOST, REST]), [], id="the rest may still have arrived"),
        pytest.param(
            replace(WITH_STAFF, parts=[replace(LOST, unknown_attempts=1)]),
            [],
            id="so may the attempt before",
        ),
        pytest.param(replace(WITH_STAFF, is_untold=False), [], id="the contact knows"),
        pytest.param(replace(WITH_STAFF, is_unreachable=True), [], id="the contact cannot know"),
        pytest.param(
            replace(WITH_STAFF, owner=Owner.BOT, is_untold=False),
            [],
            id="staff have seen to it and gave the conversation back",
        ),
    ],
)
def test_an_answer_that_turns_out_not_to_have_arrived(turn: Turn, due: list[Action]) -> None:
    assert decide(turn, after(90)) == due


@pytest.mark.parametrize(
    ("turn", "due"),
    [
        pytest.param(UNHEARD, [TellContact()], id="the member wrote nothing, and the contact heard nothing"),
        pytest.param(LEFT_TO_ALL, [], id="the contact knows, or a member has it"),
        pytest.param(replace(UNHEARD, parts=[SENT]), [], id="the contact has an answer"),
        pytest.param(replace(UNHEARD, is_overtaken=True), [], id="they got something for what came after"),
        pytest.param(replace(UNHEARD, state=State.DECLINED), [], id="it was declined"),
        pytest.param(
            replace(UNHEARD, policy=replace(POLICY, declines=Reason.CONTACT_BLOCKED)),
            [],
            id="staff have blocked them",
        ),
        pytest.param(
            replace(UNHEARD, policy=replace(POLICY, bot=Bot.SILENT, tells_contacts=False)),
            [],
            id="the channel tells nobody",
        ),
    ],
)
def test_a_turn_that_a_member_leaves_to_all(turn: Turn, due: list[Action]) -> None:
    assert decide(turn, after(90)) == due
