"""`decide` by an organization's own rules: business hours, words for staff, and channels' bots."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hub_lambdas.turns import (
    Action,
    Ask,
    Bot,
    Cancel,
    Hours,
    Owner,
    Part,
    Reason,
    Rules,
    SendState,
    Settle,
    Span,
    State,
    Turn,
    Wait,
    decide,
    is_holding_line_due,
)
from tests.hub_lambdas.turn_examples import (
    COMPLETED,
    FIRST,
    LIMIT,
    PLAIN,
    POLICY,
    a_turn,
    after,
    asked,
    written,
)

# `after(0)` is Tuesday, 24 November 2026, 10:00 in Berlin.
BERLIN = ZoneInfo("Europe/Berlin")
OPEN = Hours(BERLIN, [[Span(9 * 60, 18 * 60)]] * 5 + [[], []])
SHUT = Hours(BERLIN, [[Span(12 * 60, 18 * 60)]] * 5 + [[], []])
NOON = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
AWAY = replace(POLICY, hours=SHUT, says_when_back=True)
HANDING = replace(AWAY, answers_after_hours=False)
WORD = replace(POLICY, rules=Rules(words=["whitening"]))


def handed_over(reason: Reason, told: bool = True, **more: object) -> Settle:
    return Settle(State.HANDED_OVER, reason, told, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("turn", "seconds", "due"),
    [
        pytest.param(a_turn(policy=AWAY), 1, [Ask(), LIMIT], id="the bot answers while staff are away"),
        pytest.param(
            a_turn(policy=HANDING),
            1,
            [handed_over(Reason.AFTER_HOURS, back_at=NOON)],
            id="unless it is not to: the contact hears when staff are back",
        ),
        pytest.param(
            a_turn(policy=replace(HANDING, hours=OPEN)),
            1,
            [Ask(), LIMIT],
            id="while they are there it answers",
        ),
        pytest.param(
            a_turn(policy=replace(HANDING, hours=Hours(BERLIN, [[Span(540, 601)]] * 7))),
            61,
            [handed_over(Reason.NO_ANSWER_IN_TIME, back_at=after(23 * 3600))],
            id="what was written before they left is no reason, and who is told later hears that they left",
        ),
        pytest.param(
            replace(a_turn(policy=HANDING), heard_of_staff_at=after(-3600)),
            1,
            [handed_over(Reason.AFTER_HOURS)],
            id="told once while they are away: the next time it is the fallback",
        ),
        pytest.param(
            replace(a_turn(policy=HANDING), heard_of_staff_at=after(-30 * 3600)),
            1,
            [handed_over(Reason.AFTER_HOURS, back_at=NOON)],
            id="told yesterday is not told",
        ),
        pytest.param(
            a_turn(policy=AWAY, owner=Owner.STAFF),
            0.1,
            [handed_over(Reason.STAFF_OWNS, back_at=NOON)],
            id="who writes to staff hears that they are away",
        ),
        pytest.param(
            replace(a_turn(policy=AWAY, owner=Owner.STAFF), heard_of_staff_at=after(-60)),
            0.1,
            [handed_over(Reason.STAFF_OWNS, False)],
            id="once, and not behind what they wrote",
        ),
        pytest.param(
            replace(a_turn(policy=AWAY, owner=Owner.STAFF), staff_came=True),
            0.1,
            [handed_over(Reason.STAFF_OWNS, False)],
            id="nor where somebody comes all the same",
        ),
        pytest.param(
            a_turn(policy=replace(HANDING, says_when_back=False)),
            1,
            [handed_over(Reason.AFTER_HOURS)],
            id="without an away text it is the fallback",
        ),
        pytest.param(
            a_turn(policy=replace(HANDING, cannot_send=True)),
            0.1,
            [handed_over(Reason.CHANNEL_PAUSED, False)],
            id="nobody is told where nothing can be sent",
        ),
        pytest.param(a_turn(policy=WORD), 0.4, [Wait(after(1))], id="the burst window is waited for"),
        pytest.param(
            a_turn(policy=WORD),
            1,
            [handed_over(Reason.HANDOVER_WORD, detail="whitening")],
            id="a word for staff: the LLM is not asked",
        ),
        pytest.param(
            a_turn(
                written(text="I want to speak"),
                written(2, text="to a human"),
                policy=replace(POLICY, rules=Rules()),
            ),
            1,
            [handed_over(Reason.ASKED_FOR_PERSON)],
            id="who asks for a person, in two messages",
        ),
        pytest.param(
            replace(a_turn(policy=replace(POLICY, handover_after_turns=3)), bot_turns=3),
            1,
            [handed_over(Reason.BOT_TURNS)],
            id="so many answers in a row",
        ),
        pytest.param(
            replace(a_turn(policy=replace(POLICY, handover_after_turns=3)), bot_turns=2),
            1,
            [Ask(), LIMIT],
            id="one less",
        ),
        pytest.param(
            a_turn(policy=WORD, requests=[asked()]), 2, [LIMIT], id="what the LLM was asked before goes on"
        ),
    ],
)
def test_for_staff_at_once(turn: Turn, seconds: float, due: list[Action]) -> None:
    assert decide(turn, after(seconds)) == due


SILENT = replace(PLAIN, bot=Bot.SILENT)
DRAFTS = replace(PLAIN, bot=Bot.DRAFTS)
QUIET = replace(DRAFTS, tells_contacts=False)
STAFFS = a_turn(requests=[COMPLETED], owner=Owner.STAFF, policy=DRAFTS)


@pytest.mark.parametrize(
    ("turn", "seconds", "due"),
    [
        pytest.param(
            a_turn(policy=SILENT), 0.1, [handed_over(Reason.BOT_OFF)], id="off: staff get it at once"
        ),
        pytest.param(
            a_turn(policy=replace(SILENT, tells_contacts=False)),
            0.1,
            [handed_over(Reason.BOT_OFF, False)],
            id="without a word to the contact, where that is so chosen",
        ),
        pytest.param(
            a_turn(requests=[COMPLETED], parts=[Part(9, FIRST, SendState.PENDING)], policy=SILENT),
            2,
            [Cancel(), handed_over(Reason.BOT_OFF)],
            id="switched off: an answer that has not left never does",
        ),
        pytest.param(
            a_turn(requests=[COMPLETED], policy=DRAFTS),
            2,
            [handed_over(Reason.DRAFTED, draft_of=FIRST)],
            id="a checked answer is a draft, and the turn is with staff",
        ),
        pytest.param(
            a_turn(requests=[COMPLETED], policy=QUIET),
            2,
            [handed_over(Reason.DRAFTED, False, draft_of=FIRST)],
            id="without a word to the contact",
        ),
        pytest.param(
            a_turn(
                requests=[replace(COMPLETED, objection="It names 977.")],
                policy=replace(DRAFTS, has_holding_line=False),
            ),
            2,
            [Ask(), LIMIT],
            id="what may not be sent is no draft either: it is asked once more",
        ),
        pytest.param(
            a_turn(requests=[asked()], policy=DRAFTS),
            60,
            [handed_over(Reason.NO_ANSWER_IN_TIME)],
            id="no draft by the limit: staff get it without one",
        ),
        pytest.param(STAFFS, 2, [handed_over(Reason.DRAFTED, False, draft_of=FIRST)], id="for staff, too"),
        pytest.param(
            replace(STAFFS, is_assigned=True),
            2,
            [handed_over(Reason.STAFF_OWNS, False)],
            id="not for a member who has taken over",
        ),
        pytest.param(
            replace(STAFFS, requests=[], over_limit=Reason.CONTACT_RATE),
            2,
            [handed_over(Reason.CONTACT_RATE, False)],
            id="over a limit it stays with staff",
        ),
    ],
)
def test_what_the_bot_does_on_a_channel(turn: Turn, seconds: float, due: list[Action]) -> None:
    assert decide(turn, after(seconds)) == due


def test_the_holding_line_is_for_who_hears_from_the_bot() -> None:
    for turn in (a_turn(requests=[asked()], policy=QUIET), replace(STAFFS, requests=[asked()])):
        assert decide(turn, after(5)) == [LIMIT]
    assert not is_holding_line_due(STAFFS)


def test_the_same_at_any_distance_from_the_change_of_clocks() -> None:
    """Nine in the morning is nine in the morning on the day before and after."""
    hours = Hours(BERLIN, [[Span(9 * 60, 18 * 60)]] * 7)
    back = [hours.opens_at(datetime(2026, 10, day, 3, 0, tzinfo=UTC)) for day in (24, 25)]
    assert [each.astimezone(BERLIN).hour for each in back if each] == [9, 9]
    assert back[0] is not None
    assert back[1] == back[0] + timedelta(hours=25)
