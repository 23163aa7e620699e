"""Who runs and what is computed next, without a model: a lane is played by `Play`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_api.engine.scheduler import EXPECTED_ANSWER_TOKENS, WRITE_COST, Scheduler
from llm_api.engine.sequence import Sequence
from tests.llm_api.engine.chats import prompt, sequence, words

NOW = 1000.0


Beginning = tuple[str, tuple[int, ...]]


def beginning(asked: Sequence) -> Beginning:
    return asked.group, asked.prompt.tokens[: asked.prompt.question_at]


def known(kept: set[Beginning], asked: Sequence) -> int:
    return asked.prompt.question_at if beginning(asked) in kept and not asked.failures else 0


@dataclass
class Play:
    """Does what the scheduler says, as the engine would; time stands still. `kept` is what stays known of
    prompts once it is read."""

    scheduler: Scheduler
    lanes: int = 1
    kept: set[Beginning] = field(default_factory=set)
    finished: list[Sequence] = field(default_factory=list)
    started: list[Sequence] = field(default_factory=list)
    read: Counter[str] = field(default_factory=Counter)

    def step(self, lane: int = 0) -> None:
        moves = self.scheduler.move(lane, NOW)
        for left, _ in moves.left:
            left.saved = np.zeros(1, np.uint8)
            self.scheduler.wait_again(left)
        for came in moves.came:
            if came not in self.started:
                self.started.append(came)
            if came.saved is None:
                came.computed = known(self.kept, came)
            came.saved = None
        step = self.scheduler.next_step(lane, NOW)
        for writer in step.writing:
            self._compute(writer, 1)
        if reader := step.reading:
            assert step.portion_tokens > 0
            self.read[reader.group] += step.portion_tokens
            self._compute(reader, step.portion_tokens)

    def run(self) -> None:
        for _ in range(10_000):
            if not (self.scheduler.waiting or self.scheduler.running):
                return
            for lane in range(self.lanes):
                self.step(lane)
        raise AssertionError("some sequence never ends")

    def _compute(self, chosen: Sequence, count: int) -> None:
        chosen.computed += count
        if chosen.computed == chosen.prompt.question_at:
            self.kept.add(beginning(chosen))
        assert chosen.computed <= len(chosen.tokens)
        if chosen.missing == 0:
            chosen.tokens.append(7)
            if chosen.written == chosen.max_tokens:
                self.finished.append(chosen)
                self.scheduler.remove(chosen)


def scheduler(slots: int = 2, room: int = 1000, lanes: int = 1, portion: int = 128) -> Scheduler:
    return Scheduler(lanes=lanes, slots=slots, room_tokens=room, portion_tokens=portion)


def test_a_long_prompt_is_read_in_portions_and_writing_goes_on_beside_it() -> None:
    play = Play(scheduler(portion=20))
    short, long = sequence("a", read=10, write=50), sequence("b", read=500, first=100)
    play.scheduler.add(short)
    play.step()
    assert short.written == 1
    play.scheduler.add(long)
    for n in range(1, 5):
        play.step()
        assert (short.written, long.computed) == (1 + n, 20 * n)


def test_between_two_tokens_of_an_answer_only_one_prompt_is_read() -> None:
    play = Play(scheduler(slots=3))
    writer, one, two = (sequence(name, read=10, first=100 * n, write=50) for n, name in enumerate("abc"))
    for each in (writer, one, two):
        play.scheduler.add(each)
    for written in ((1, 0, 0), (2, 1, 0), (3, 2, 1)):
        play.step()
        assert (writer.written, one.written, two.written) == written


def test_no_portion_leaves_only_a_few_tokens() -> None:
    play = Play(scheduler(portion=100))
    odd = sequence(read=201)
    play.scheduler.add(odd)
    computed = []
    while not odd.written:
        play.step()
        computed.append(odd.computed)
    assert computed == [100, 184, 201]


def test_reading_stops_where_the_question_begins() -> None:
    play = Play(scheduler())
    asked = Sequence(prompt(words(0, 60), words(100, 10)), 5)
    play.scheduler.add(asked)
    play.step()
    assert asked.computed == 60
    play.step()
    assert asked.written == 1


def test_a_beginning_that_is_not_kept_is_read_with_the_question() -> None:
    assert Sequence(prompt(words(0, 20), words(100, 40)), 5).next_stop == 60


@pytest.mark.parametrize(("history", "stops_at"), [(40, 110), (300, 360)])
def test_behind_a_known_prompt_a_few_messages_are_read_with_the_question(history: int, stops_at: int) -> None:
    asked = Sequence(prompt(words(0, 60), words(500, history), words(100, 10)), 5)
    assert asked.next_stop == 60 + history
    asked.computed = asked.restored = 60
    assert asked.next_stop == stops_at


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (sequence("a"), sequence("a", priority="test")),
        (sequence("a", answer_by=NOW + 1), sequence("a", answer_by=NOW - 1)),
        (sequence("a", answer_by=NOW - 1), sequence("a", priority="test", answer_by=NOW + 1)),
        (sequence("b", read=20), sequence("a", read=500)),
        (sequence("a"), sequence("a")),
    ],
    ids=["test runs last", "late ones last", "late before test runs", "short before long", "in order"],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_who_is_next(first: Sequence, then: Sequence, swapped: bool, request: pytest.FixtureRequest) -> None:
    if swapped and "in order" in request.node.callspec.id:
        first, then = then, first
        swapped = False
    line = scheduler(slots=1)
    for each in (then, first) if swapped else (first, then):
        line.add(each)
    assert line.move(0, NOW).came == [first]
    line.remove(first)
    line.remove(then)


def test_a_flood_waits_for_itself() -> None:
    play = Play(scheduler(slots=1))
    for n in range(20):
        play.scheduler.add(sequence("flood", first=1000 * n))
    for name in "abc":
        play.scheduler.add(sequence(name))
    play.run()
    places = [each.group for each in play.started]
    assert {places.index(name) for name in "abc"} <= set(range(5))


def test_the_common_beginning_is_read_by_one_and_awaited_by_others() -> None:
    """As with a store: what one has read, the next ones know."""
    known = 0

    def knows(_: Sequence) -> int:
        return known

    line = Scheduler(lanes=1, slots=4, room_tokens=1000, known_tokens=knows)
    play = Play(line)
    mates = [Sequence(prompt(words(0, 100), words(200 + 20 * n, 10)), 5, group="smile") for n in range(3)]
    other = sequence("other", first=5000)
    for each in (*mates, other):
        line.add(each)
    assert line.move(0, NOW).came == [other, mates[0]]
    play.step()
    play.step()
    assert (other.written, mates[0].computed) == (2, 100)
    known = 100
    assert line.move(0, NOW).came == mates[1:]


def mate(n: int, **fields: Any) -> Sequence:
    return Sequence(prompt(words(0, 300), words(1000 * n, 10)), 5, group="smile", **fields)


def test_a_test_run_is_read_at_the_turn_of_the_request_that_waits_for_it() -> None:
    """Though other requests never cease to come, which go before test runs."""
    kept: set[Beginning] = set()
    line = Scheduler(
        lanes=1, slots=10, room_tokens=5000, portion_tokens=20, known_tokens=lambda each: known(kept, each)
    )
    play = Play(line, kept=kept)
    test, asked = mate(1, priority="test"), mate(2)
    line.add(test)
    play.step()
    line.add(asked)
    for n in range(100):
        if asked.written:
            break
        line.add(sequence(f"other {n}", read=20, write=1, first=5000 + 100 * n))
        play.step()
    assert asked.written
    assert play.read["smile"] == 300 + 10  # the beginning once


def test_where_nothing_is_kept_nobody_waits_for_anothers_reading() -> None:
    line = Scheduler(lanes=1, slots=2, room_tokens=1000, shares=False)
    asked = [mate(1), mate(2)]
    for each in asked:
        line.add(each)
    assert line.move(0, NOW).came == asked


def test_who_was_in_a_crash_waits_for_no_other_ones_reading() -> None:
    """It is computed from its beginning in any case, and would wait as long as others come."""
    line = scheduler(slots=2)
    first, failed = mate(1), mate(2)
    line.add(first)
    assert line.move(0, NOW).came == [first]
    failed.failures = 1
    line.add(failed)
    assert line.move(0, NOW).came == [failed]


def test_a_lane_leaves_to_another_what_that_can_start_sooner() -> None:
    line = scheduler(slots=6, lanes=2)
    for n in range(4):
        line.add(sequence(str(n)))
    assert len(line.move(0, NOW).came) == 1
    assert len(line.move(1, NOW).came) == 2
    assert len(line.move(0, NOW).came) == 1
    assert [line.move(lane, NOW).came for lane in (0, 1)] == [[], []]
    line.add(sequence("4"))
    line.add(sequence("5"))
    line.add(sequence("6"))
    assert len(line.move(0, NOW, busy={0, 1}).came) == 2
    assert len(line.move(1, NOW, busy={1}).came) == 1
    line.shut(1)
    line.add(sequence("5"))
    line.add(sequence("6"))
    assert len(line.move(0, NOW).came) == 2


def test_an_interactive_request_takes_the_slot_of_a_test_run_which_goes_on_later() -> None:
    play = Play(scheduler(slots=1))
    test = sequence("a", write=10, priority="test")
    play.scheduler.add(test)
    play.step()
    play.step()
    written = test.written
    asked = sequence("b")
    play.scheduler.add(asked)
    play.step()
    assert (asked.slot, test.slot) == (0, None)
    play.run()
    assert play.finished == [asked, test]
    assert written > 0
    assert test.written == 10


def test_when_room_is_full_the_last_in_turn_is_set_aside_and_goes_on() -> None:
    play = Play(scheduler(slots=2, room=60))
    first, second = sequence("a", read=20, write=30), sequence("b", read=20, write=30)
    play.scheduler.add(first)
    play.scheduler.add(second)
    while second.slot is not None or second.written == 0:
        play.step()
    assert 0 < second.written < 30
    play.run()
    assert play.finished == [first, second]


def test_a_cancelled_sequence_leaves_its_slot_and_its_place_in_line() -> None:
    line = scheduler(slots=1)
    one, two = sequence("a"), sequence("b")
    line.add(one)
    line.add(two)
    line.move(0, NOW)
    line.remove(one)
    assert line.used_tokens(0) == 0
    line.remove(two)
    line.remove(two)
    assert not line.has_work(0)
    assert line.move(0, NOW).came == []


asked = st.builds(
    lambda group, common, read, write, **fields: Sequence(
        prompt(words(0, common), words(1000, read)), write, group=group, **fields
    ),
    st.sampled_from("abcd"),
    st.sampled_from([0, 40]),
    st.integers(2, 20),
    st.integers(1, 20),
    priority=st.sampled_from(["interactive", "test"]),
    answer_by=st.sampled_from([None, NOW - 1, NOW + 1]),
    failures=st.sampled_from([0, 0, 1]),
)


@given(data=st.data())
def test_whatever_comes_room_is_never_overdrawn_and_everything_ends(data: st.DataObject) -> None:
    lanes, slots = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    room = data.draw(st.integers(82, 200))
    kept: set[Beginning] = set()
    line = Scheduler(lanes=lanes, slots=slots, room_tokens=room, known_tokens=lambda each: known(kept, each))
    play = Play(line, lanes, kept)
    added: list[Sequence] = []
    cancelled: list[Sequence] = []
    for action in data.draw(st.lists(st.sampled_from(["add", "step", "step", "cancel"]), max_size=40)):
        if action == "add":
            added.append(data.draw(asked))
            play.scheduler.add(added[-1])
        elif action == "step":
            play.step(data.draw(st.integers(0, lanes - 1)))
        elif added:
            victim = data.draw(st.sampled_from(added))
            if victim not in play.finished:
                cancelled.append(victim)
                play.scheduler.remove(victim)
        for lane in range(lanes):
            running = play.scheduler.running_in(lane)
            assert play.scheduler.used_tokens(lane) <= room + len(running)  # each has just grown by one
            assert sum(each.computed for each in running) <= room
            assert len({each.slot for each in running}) == len(running) <= slots
    play.run()
    assert {id(each) for each in play.finished} == {id(e) for e in added} - {id(e) for e in cancelled}
    for lane in range(lanes):
        assert play.scheduler.used_tokens(lane) == 0
    for n in range(slots * lanes):
        play.scheduler.add(sequence("z", read=1, first=n))
    came = [
        each for _ in range(slots) for lane in range(lanes) for each in play.scheduler.move(lane, NOW).came
    ]
    assert len(came) == slots * lanes  # no slot was lost


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(1, 100)), min_size=2, max_size=30))
def test_of_two_groups_that_always_wait_none_gets_far_ahead(sizes: list[tuple[int, int]]) -> None:
    """The bound of self-clocked fair queueing: the largest request of each group."""
    line = scheduler(slots=1, room=10_000)
    for n, (one, two) in enumerate(sizes):
        line.add(sequence("a", read=one, first=1000 * n))
        line.add(sequence("b", read=two, first=1000 * n))
    served: Counter[str] = Counter()
    left = Counter(a=len(sizes), b=len(sizes))
    extra = WRITE_COST * min(5, EXPECTED_ANSWER_TOKENS)
    bound = sum(max(size[n] for size in sizes) + extra for n in (0, 1))
    while left["a"] and left["b"]:
        [came] = line.move(0, NOW).came
        served[came.group] += len(came.prompt.tokens) + extra
        left[came.group] -= 1
        line.remove(came)
        assert abs(served["a"] - served["b"]) <= bound


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60))
def test_a_long_request_is_not_passed_for_ever(later: list[int]) -> None:
    """One new short request of a new group comes for each that is served."""
    line = scheduler(slots=1, room=10_000)
    long = sequence("long", read=500)
    line.add(long)
    cost = 500 + WRITE_COST * 5
    served = 0
    for n, size in enumerate(later):
        line.add(sequence(f"group {n}", read=size))
        [came] = line.move(0, NOW).came
        line.remove(came)
        if came is long:
            return
        served += size + WRITE_COST * 5
    assert served <= cost + 50 + WRITE_COST * 5
