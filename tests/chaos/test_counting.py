"""Each kind of broken promise is seen in made-up books; a run without any is clean."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.chaos import codes, counting
from tests.chaos.books import Books
from tests.chaos.poison import End, Poison, records
from tests.chaos.policies import Policy
from tests.chaos.records import Count, Fate, Got, Letter, Said, Sending, Taken, Turn
from tests.chaos.table import report

POLICY = Policy("A colleague will answer.", "One moment.", "Sorry for the delay.")
RATHER_TWICE = replace(POLICY, unknown_delivery="send_again")
ANN, BOB = "1", "2"
A, B, C = codes.codes_of(0)[:3]
QUEUES = ("wakeups", "errands")


def said(code: str, contact: str = ANN, at: float = 10.0) -> Said:
    return Said(contact, code, at, Taken(at, at + 0.1))


def got(text: str, message_id: int = 100, contact: str = ANN, at: float = 12.0) -> Got:
    return Got(contact, f"{contact}:{message_id}", text, at)


def answer(*named: str, message_id: int = 100, at: float = 12.0) -> Got:
    return got(" ".join(map(codes.fact, named)), message_id, at=at)


def turn(id_: int, *named: str, state: str = "answered", reason: str = "", contact: str = ANN) -> Turn:
    return Turn(id_, contact, state, reason, named, staff_were_told=True)


def handed_over(id_: int, code: str, reason: str, *sendings: Sending, told: bool = True) -> Turn:
    return Turn(id_, ANN, "handed_over", reason, (code,), sendings, told)


def count(
    said: Sequence[Said],
    got: Sequence[Got],
    turns: Sequence[Turn],
    blocked: frozenset[str] = frozenset(),
    policy: Policy = POLICY,
) -> Count:
    return counting.count(Books(said, got, turns, {ANN: policy, BOB: policy}, blocked))


def broken(counted: Count) -> set[str]:
    return {promise for promise, examples in counted.broken.items() if examples}


# --- all is well --------------------------------------------------------------------------------------------


def test_answered_turns() -> None:
    counted = count(
        [said(A), said(B, at=10.5), said(C, at=20)],
        [got("One moment.", at=14), answer(A, B, at=15), answer(C, message_id=101, at=22)],
        [turn(1, A, B), turn(2, C)],
    )

    assert counted.is_kept
    assert counted.fates == {Fate.ANSWERED: 3}
    assert counted.got == {"answer": 2, "holding line": 1}
    assert counted.first_reply_seconds == [2, 4.5]


def test_a_turn_that_staff_have() -> None:
    sent = Sending("fallback", "sent", f"{ANN}:100")
    counted = count(
        [said(A), said(B, at=30)],
        [got("A colleague will answer.")],
        [handed_over(1, A, "llm_failed", sent), handed_over(2, B, "staff_owns", told=False)],
    )

    assert counted.is_kept
    assert counted.fates == {Fate.TOLD: 1, Fate.WITH_STAFF: 1}


def test_an_answer_that_the_platform_took_without_a_word() -> None:
    counted = count(
        [said(A)], [answer(A)], [handed_over(1, A, "delivery_unknown", Sending("answer", "unknown", None))]
    )

    assert counted.is_kept
    assert counted.fates == {Fate.ANSWERED: 1}


def test_an_answer_that_the_platform_did_not_take_without_a_word() -> None:
    counted = count(
        [said(A)], [], [handed_over(1, A, "delivery_unknown", Sending("answer", "unknown", None))]
    )

    assert counted.is_kept
    assert counted.fates == {Fate.UNKNOWN: 1}


def test_an_answer_that_came_twice_where_the_organization_would_rather_have_that() -> None:
    turns = [Turn(1, ANN, "answered", "", (A,), (Sending("answer", "sent", f"{ANN}:101", 1),))]
    twice = [answer(A), answer(A, message_id=101, at=40)]

    counted = count([said(A)], twice, turns, policy=RATHER_TWICE)
    assert counted.is_kept
    assert len(counted.twice) == 1
    assert broken(count([said(A)], twice, turns)) == {"duplicate replies"}
    thrice = [*twice, answer(A, message_id=102, at=60)]
    assert broken(count([said(A)], thrice, turns, policy=RATHER_TWICE)) == {"duplicate replies"}
    certain = [replace(turns[0], sendings=())]
    assert broken(count([said(A)], twice, certain, policy=RATHER_TWICE)) == {"duplicate replies"}


def test_an_answer_of_unknown_fate_that_should_have_been_tried_twice() -> None:
    once, twice = (
        [handed_over(1, A, "delivery_unknown", Sending("answer", "unknown", None, attempts))]
        for attempts in (1, 2)
    )

    assert count([said(A)], [], once).fates == {Fate.UNKNOWN: 1}
    assert count([said(A)], [], twice, policy=RATHER_TWICE).fates == {Fate.UNKNOWN: 1}
    assert broken(count([said(A)], [], once, policy=RATHER_TWICE)) == {"unanswered"}


def test_an_answer_that_the_platform_did_not_deliver() -> None:
    lost = replace(answer(A), has_arrived=False)
    told = got("A colleague will answer.", 102, at=30)
    turns = [
        handed_over(1, A, "delivery_failed", Sending("fallback", "sent", told.platform_id)),
        turn(2, B),
    ]
    asked = [said(A), said(B, at=20)]

    assert count(asked, [lost, answer(B, message_id=101, at=22), told], turns).fates == {
        Fate.TOLD: 1,
        Fate.ANSWERED: 1,
    }
    assert "unanswered" in broken(count([said(A)], [lost], [turn(1, A)]))


@pytest.mark.parametrize(
    ("policy", "right"),
    [("answer", codes.fact(A)), ("apologize", f"Sorry for the delay. {codes.fact(A)}"), ("hand_over", None)],
)
def test_late_messages_are_treated_as_chosen(policy: str, right: str | None) -> None:
    chosen = replace(POLICY, late_policy=policy)
    late = replace(said(A), is_late=True)

    for text in (codes.fact(A), f"Sorry for the delay. {codes.fact(A)}"):
        counted = count([late], [got(text)], [turn(1, A)], policy=chosen)
        assert counted.is_kept is (text == right)
        punctual = count([said(A)], [got(text)], [turn(1, A)], policy=chosen)
        assert punctual.is_kept is (text == codes.fact(A))


def test_a_holding_line_that_is_off() -> None:
    turns = [turn(1, A)]
    got_line = [got("One moment.", 100), answer(A, message_id=101, at=15)]

    assert count([said(A)], got_line, turns).is_kept
    off = count([said(A)], got_line, turns, policy=replace(POLICY, holding_line=""))
    assert broken(off) == {"replies that nobody may send"}


def test_an_answer_to_half_of_what_a_contact_asked() -> None:
    assert not count([said(A), said(B)], [answer(B)], [Turn(1, ANN, "answered", "", (A, B))]).is_kept


def test_a_contact_who_cannot_be_reached() -> None:
    turns = [handed_over(1, A, "delivery_failed", Sending("answer", "failed", None))]

    assert count([said(A)], [], turns, frozenset({ANN})).fates == {Fate.BLOCKED: 1}
    assert broken(count([said(A)], [], turns)) == {"unanswered"}


# --- and not ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [0, 2])
def test_a_message_that_is_not_stored_exactly_once(stored: int) -> None:
    counted = count([said(A)], [answer(A)], [turn(number, A) for number in range(stored)])

    assert "messages not stored exactly once" in broken(counted)


def test_silence() -> None:
    assert "unanswered" in broken(count([said(A)], [], [turn(1, A, state="open")]))
    assert "unanswered" in broken(count([said(A)], [], []))
    assert "unanswered" in broken(count([said(A)], [got("One moment.")], [turn(1, A)]))
    assert "unanswered" in broken(count([said(A)], [], [handed_over(1, A, "llm_failed")]))


def test_a_turn_of_staff_whose_contact_was_never_told() -> None:
    earlier = handed_over(1, A, "delivery_unknown", Sending("answer", "unknown", None, 1))
    turns = [earlier, handed_over(2, B, "staff_owns")]

    assert broken(count([said(A), said(B, at=30)], [answer(A)], turns)) == {"unanswered"}
    assert broken(count([said(A)], [], [handed_over(1, A, "staff_owns")])) == {"unanswered"}


def test_a_turn_of_staff_whose_contact_was_told_of_a_later_one() -> None:
    """The first one's answer was still on its way when staff got the second."""
    first = handed_over(1, A, "staff_owns")
    second = handed_over(2, B, "llm_failed", Sending("fallback", "sent", f"{ANN}:100"))
    messages, replies = [said(A), said(B, at=30)], [got("A colleague will answer.", at=35)]
    settled = [replace(first, settled_at=9.0), replace(second, settled_at=5.0)]

    assert count(messages, replies, settled).fates == {Fate.WITH_STAFF: 1, Fate.TOLD: 1}
    overtaken = [replace(first, settled_at=4.0), replace(second, settled_at=5.0)]
    assert broken(count(messages, replies, overtaken)) == {"unanswered"}


def test_two_answers() -> None:
    counted = count([said(A)], [answer(A), answer(A, message_id=101, at=13)], [turn(1, A)])

    assert broken(counted) == {"duplicate replies"}


def test_two_answers_that_share_a_turn() -> None:
    counted = count([said(A), said(B)], [answer(A), answer(A, B, message_id=101, at=13)], [turn(1, A, B)])

    assert broken(counted) == {"duplicate replies"}


def test_an_answer_and_a_fallback() -> None:
    sendings = (Sending("answer", "unknown", None), Sending("fallback", "sent", f"{ANN}:101"))
    counted = count(
        [said(A)],
        [answer(A), got("A colleague will answer.", 101, at=13)],
        [handed_over(1, A, "delivery_unknown", *sendings)],
    )

    assert broken(counted) == {"duplicate replies"}


def test_two_fallbacks_of_one_turn_of_which_the_ledger_knows_one() -> None:
    counted = count(
        [said(A)],
        [got("A colleague will answer.", 100), got("A colleague will answer.", 101, at=13)],
        [handed_over(1, A, "llm_failed", Sending("fallback", "unknown", None))],
    )

    assert broken(counted) == {"duplicate replies"}


def test_two_holding_lines() -> None:
    sending = Sending("holding", "sent", f"{ANN}:100")
    lines = [got("One moment.", 100), got("One moment.", 100, at=13)]
    turns = [Turn(1, ANN, "answered", "", (A,), (sending,))]
    counted = count([said(A)], [*lines, answer(A, at=15)], turns)

    assert broken(counted) == {"duplicate replies"}


def test_answers_in_another_order_than_the_questions() -> None:
    counted = count(
        [said(A), said(B, at=20)],
        [answer(B, at=21), answer(A, message_id=101, at=22)],
        [turn(1, A), turn(2, B)],
    )

    assert broken(counted) == {"out-of-order replies"}


def test_answers_in_the_order_of_a_webhook_that_held_both_questions() -> None:
    asked = [Said(ANN, code, 10.0, Taken(10.0, 10.5, place)) for place, code in enumerate((B, A))]
    turns = [turn(1, B), turn(2, A)]

    assert count(asked, [answer(B), answer(A, message_id=101, at=13)], turns).is_kept
    assert "out-of-order replies" in broken(
        count(asked, [answer(A), answer(B, message_id=101, at=13)], turns)
    )


def test_what_two_webhooks_bring_at_the_same_time_has_no_order() -> None:
    asked = [Said(ANN, A, 10.0, Taken(10.0, 10.5)), Said(ANN, B, 10.0, Taken(10.2, 10.4))]

    for first, second in ((A, B), (B, A)):
        got = [answer(first), answer(second, message_id=101, at=13)]
        assert count(asked, got, [turn(1, first), turn(2, second)]).is_kept


def test_a_fallback_that_is_overtaken() -> None:
    sent = Sending("fallback", "sent", f"{ANN}:101")
    counted = count(
        [said(A), said(B, at=20)],
        [answer(B, at=21), got("A colleague will answer.", 101, at=22)],
        [handed_over(1, A, "llm_failed", sent), turn(2, B)],
    )

    assert broken(counted) == {"out-of-order replies"}


def test_an_answer_to_an_older_state_of_the_turn() -> None:
    counted = count([said(A), said(B)], [answer(A)], [turn(1, A, B)])

    assert broken(counted) == {"unanswered", "answers only the ledger knows"}


def test_an_answer_to_what_somebody_else_asked() -> None:
    counted = count([said(A), said(B, BOB)], [answer(A), answer(B, message_id=101)], [turn(1, A)])

    assert "replies that nobody may send" in broken(counted)


def test_a_turn_without_outcome() -> None:
    counted = count([said(A)], [answer(A)], [turn(1, A, state="asked")])

    assert broken(counted) == {"turns without outcome"}


def test_an_answer_that_nobody_got() -> None:
    counted = count([said(A)], [], [turn(1, A)])

    assert "answers only the ledger knows" in broken(counted)


def test_what_the_llm_made_up() -> None:
    counted = count([said(A)], [answer(A), got("Pay 77 € at once.", 101)], [turn(1, A)])

    assert broken(counted) == {"replies that nobody may send"}


def test_staff_who_do_not_know() -> None:
    sent = Sending("fallback", "sent", f"{ANN}:100")
    counted = count(
        [said(A)], [got("A colleague will answer.")], [handed_over(1, A, "llm_failed", sent, told=False)]
    )

    assert broken(counted) == {"hand-overs that staff were not told of"}


def test_one_contact_is_not_taken_for_another() -> None:
    counted = count([said(A, BOB)], [answer(A)], [turn(1, A, contact=BOB)])

    assert {"unanswered", "answers only the ledger knows"} <= broken(counted)


# --- poison -------------------------------------------------------------------------------------------------

WAKEUP, ERRAND = (Poison(queue, f"mark:{queue}", f"{{rubbish mark:{queue}", End.LETTER) for queue in QUEUES)
GONE = Poison("wakeups", "mark:gone", '{"turn": 1, "mark": "mark:gone"}', End.NOTHING)
UNREAD = Poison("dm-inbound.fifo", "mark:unread", '{"mark": "mark:unread"}', End.TOLD)
JOB = Poison("console-jobs", "mark:job", "{rubbish mark:job", End.LATER)
BURIED = [Letter(WAKEUP.body, False), Letter(ERRAND.body, False), Letter(UNREAD.body, True)]


@pytest.mark.parametrize(
    ("letters", "waiting", "lost"),
    [
        pytest.param(BURIED, {}, "", id="each is a dead letter, but for what is gone and for jobs"),
        pytest.param(BURIED[1:], {"wakeups": 1}, "", id="its queue is to deliver it again: a run has an end"),
        pytest.param(BURIED[1:], {}, "wakeups: 1 records are neither", id="nobody has it any more"),
        pytest.param(BURIED[1:], {"errands": 1}, "wakeups: 1 records", id="another queue has something"),
        pytest.param([*BURIED, BURIED[0]], {}, "is 2 dead letters", id="it is two dead letters"),
        pytest.param([*BURIED, Letter(GONE.body, False)], {}, "is 1 dead letters", id="it names nobody"),
        pytest.param([*BURIED, Letter(JOB.body, False)], {}, "", id="a job that has died all the same"),
        pytest.param(
            [*BURIED[:2], Letter(UNREAD.body, False, 91)], {}, "staff were not told", id="nobody was told"
        ),
        pytest.param([*BURIED[:2], Letter(UNREAD.body, False, 30)], {}, "", id="the next sweep tells staff"),
    ],
)
def test_each_poison_record_ends_as_it_has_to(
    letters: Sequence[Letter], waiting: dict[str, int], lost: str
) -> None:
    found = list(counting.broken_by_poison([WAKEUP, ERRAND, GONE, UNREAD, JOB], letters, waiting))

    assert len(found) == bool(lost)
    assert lost in "".join(found)


def test_no_record_of_a_run_is_taken_for_another() -> None:
    put = records("5f0c6a3e-0000-4000-8000-000000000000")

    for each in put:
        assert [other for other in put if each.mark in other.body] == [each]


def test_the_report_says_what_was_broken_and_how() -> None:
    counted, kept = (
        count([said(A)], [], [turn(1, A, state="open")]),
        count([said(A)], [answer(A)], [turn(1, A)]),
    )
    webhooks = {"telegram": {"webhooks posted": 7}}
    text = report(counted, {"telegram": counted}, {}, webhooks, {"seconds in all": "3"})

    assert f"unanswered: {A} of contact {ANN}" in text
    assert "Promises were broken." in text
    assert "Every promise was kept." in report(kept, {}, {}, {}, {})
