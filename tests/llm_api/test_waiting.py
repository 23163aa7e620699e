"""Who is answered next: rules by example, fairness by property."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from llm_api.waiting import FAR_MORE, LATELY_SECONDS, MAX_STOPS, Terms, Waiting

NOW = 1000.0
MOMENT_SECONDS = 1.0


def line(*terms: Terms, slots: int = 4) -> Waiting[int]:
    waiting: Waiting[int] = Waiting(slots)
    for number, each in enumerate(terms):
        waiting.add(str(number), number, each)
    return waiting


def order(*terms: Terms, slots: int = 4) -> list[int]:
    """Everything in a line, each finished before the next is picked."""
    return list(drained(line(*terms, slots=slots)))


def drained(waiting: Waiting[int]) -> Iterator[int]:
    now = NOW
    while (item := waiting.pick(now)) is not None:
        yield item
        now += MOMENT_SECONDS
        waiting.finish(str(item), now)


def test_contacts_come_before_test_runs() -> None:
    assert order(Terms("a", "test"), Terms("b")) == [1, 0]


def test_those_in_time_come_before_late_ones() -> None:
    assert order(Terms("a", answer_by=NOW - 1), Terms("b", answer_by=NOW + 1)) == [1, 0]


def test_organizations_take_turns() -> None:
    assert order(*[Terms("a")] * 3, *[Terms("b")] * 2) == [0, 3, 1, 4, 2]


def test_whoever_asks_now_and_then_goes_before_whoever_always_does() -> None:
    waiting = line(*[Terms("often")] * 5, slots=1)
    for number in range(3):
        assert waiting.pick(NOW + number) == number
        waiting.finish(str(number), NOW + number + 1)
    waiting.add("5", 5, Terms("seldom"))
    waiting.add("6", 6, Terms("seldom"))
    assert waiting.pick(NOW + 3) == 5
    waiting.finish("5", NOW + 4)
    assert waiting.pick(NOW + 4) == 6


LATER = NOW + 15
"""So long after `NOW` what works for one organization since then is a flood."""


def start_all(waiting: Waiting[int], slots: int) -> list[int | None]:
    return [waiting.pick(NOW) for _ in range(slots)]


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 9])
def test_a_flood_may_use_every_slot_that_nobody_else_wants(slots: int) -> None:
    waiting = line(*[Terms("flood")] * 20, slots=slots)
    assert start_all(waiting, slots) == list(range(slots))
    assert waiting.find_way_giver(NOW) is None


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 9])
def test_what_a_flood_started_last_is_stopped_for_another_organization(slots: int) -> None:
    waiting = line(*[Terms("flood")] * 20, slots=slots)
    start_all(waiting, slots)
    waiting.add("calm", -1, Terms("calm"))
    assert waiting.find_way_giver(LATER) == slots - 1
    assert waiting.pick(LATER) == -1
    waiting.wait_again(str(slots - 1), LATER)
    assert waiting.pick(LATER) == slots - 1, "and then it has its old place"


@pytest.mark.parametrize(("slots", "enough"), [(1, 4), (2, 4), (4, 4), (5, 5), (8, 7)])
def test_whoever_has_a_little_more_in_hand_gives_no_way(slots: int, enough: int) -> None:
    for count in (enough - 1, enough):
        waiting = line(*[Terms("flood")] * count, slots=slots)
        start_all(waiting, min(slots, count))
        waiting.add("calm", -1, Terms("calm"))
        assert (waiting.find_way_giver(LATER) is not None) == (count == enough)


def test_whoever_has_much_in_hand_by_chance_gives_no_way() -> None:
    waiting = line(*[Terms("flood")] * 20)
    start_all(waiting, 4)
    waiting.add("calm", -1, Terms("calm"))
    assert waiting.find_way_giver(NOW + 1) is None
    assert waiting.find_way_giver(LATER) is not None


def test_nobody_gives_way_to_a_test_run() -> None:
    waiting = line(*[Terms("flood")] * 9)
    start_all(waiting, 4)
    assert waiting.find_way_giver(LATER) is None
    waiting = line(*[Terms("flood")] * 4)
    start_all(waiting, 4)
    waiting.add("test", -1, Terms("calm", "test"))
    assert waiting.find_way_giver(LATER) is None


def test_what_gave_way_often_is_answered() -> None:
    waiting = line(*[Terms("flood")] * 4, slots=1)
    waiting.pick(NOW)
    for number in range(4, 4 + MAX_STOPS):
        waiting.add(str(number), number, Terms("calm"))
        assert waiting.find_way_giver(LATER) == 0
        assert waiting.pick(LATER) == number
        waiting.wait_again("0", LATER)
        waiting.finish(str(number), LATER)
        assert waiting.pick(LATER) == 0
    waiting.add("calm", -1, Terms("calm"))
    assert waiting.find_way_giver(LATER) is None


def test_expired_ones_are_taken_out() -> None:
    waiting = line(Terms("a", expires_at=NOW), Terms("a", expires_at=NOW + 1))
    assert waiting.drop_expired(NOW) == [0]
    assert [waiting.pick(NOW), waiting.pick(NOW)] == [1, None]


def test_what_is_removed_is_not_picked() -> None:
    waiting = line(Terms("a"), Terms("b"))
    assert waiting.remove("0") == 0
    assert waiting.remove("0") is None
    assert [waiting.pick(NOW), waiting.pick(NOW)] == [1, None]


terms = st.builds(
    Terms,
    organization=st.sampled_from("abc"),
    priority=st.sampled_from(["interactive", "test"]),
    answer_by=st.none() | st.sampled_from([NOW - 1, NOW + 1]),
)
lines = st.lists(terms, max_size=30)


@given(lines, st.integers(1, 8))
def test_nobody_is_forgotten_and_nobody_comes_twice(given_terms: list[Terms], slots: int) -> None:
    assert sorted(order(*given_terms, slots=slots)) == list(range(len(given_terms)))


@given(lines, st.integers(1, 8))
def test_no_test_run_goes_before_a_contact(given_terms: list[Terms], slots: int) -> None:
    classes = [given_terms[item].priority for item in order(*given_terms, slots=slots)]
    assert classes == sorted(classes)


@given(st.integers(1, 40), st.integers(1, 8))
def test_a_floods_length_does_not_matter(flood: int, slots: int) -> None:
    """Whoever comes to a flooded line is next."""
    waiting = line(*[Terms("flood")] * flood, slots=slots)
    waiting.pick(NOW)
    waiting.add("calm", -1, Terms("calm"))
    assert waiting.pick(NOW) == -1


@given(st.lists(st.sampled_from(["small-1", "small-2", "small-3"]), min_size=20, max_size=60))
def test_small_organizations_that_keep_coming_do_not_starve_a_large_one(comers: list[str]) -> None:
    waiting = line(*[Terms("large")] * 30, slots=1)
    waits = 0
    for number, comer in enumerate(comers):
        waiting.add(str(1000 + number), 1000 + number, Terms(comer))
        picked = waiting.pick(NOW + number)
        assert picked is not None
        waits = 0 if picked < 1000 else waits + 1
        assert waits <= 8, "once each of the others has had as much, it is next"
        waiting.finish(str(picked), NOW + number + 1)


class AnyTraffic(RuleBasedStateMachine):
    """Requests come, start, end, expire and are cancelled in any order, against a model of the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = 4
        self.waiting: Waiting[str] = Waiting(self.slots)
        self.now = NOW
        self.number = 0
        self.line: dict[str, Terms] = {}
        self.in_work: dict[str, Terms] = {}
        self.began_at: dict[str, float] = {}
        self.spans: list[tuple[str, float, float]] = []
        self.stops: Counter[str] = Counter()

    @rule(
        organization=st.sampled_from("abcd"),
        priority=st.sampled_from(["interactive", "interactive", "test"]),
        patience=st.none() | st.integers(0, 5),
        life=st.none() | st.integers(5, 20),
    )
    def come(self, organization: str, priority: str, patience: int | None, life: int | None) -> None:
        terms = Terms(organization, "test" if priority == "test" else "interactive")
        terms = replace(terms, answer_by=None if patience is None else self.now + patience)
        terms = replace(terms, expires_at=None if life is None else self.now + life)
        self.number += 1
        self.waiting.add(str(self.number), str(self.number), terms)
        self.line[str(self.number)] = terms

    @precondition(lambda self: len(self.in_work) < self.slots)
    @rule()
    def start(self) -> None:
        assert set(self.waiting.drop_expired(self.now)) == self.expired()
        self.line = {key: self.line[key] for key in self.line.keys() - self.expired()}
        key = self.waiting.pick(self.now)
        assert (key is None) == (not self.line), "no slot stays free while anything waits"
        if key is not None:
            self.check_turn(key)
            self.in_work[key] = self.line.pop(key)
            self.began_at[key] = self.now

    @precondition(lambda self: len(self.in_work) == self.slots)
    @rule()
    def make_way(self) -> None:
        key = self.waiting.find_way_giver(self.now)
        if key is None:
            return
        self.stops[key] += 1
        assert self.stops[key] <= MAX_STOPS
        in_hand = Counter(t.organization for t in (*self.line.values(), *self.in_work.values()))
        has_more = in_hand[self.in_work[key].organization]
        comer = self.waiting.pick(self.now)
        assert comer is not None
        assert self.line[comer].priority == "interactive"
        assert has_more >= in_hand[self.line[comer].organization] + FAR_MORE * self.slots
        self.check_turn(comer)
        self.waiting.wait_again(key, self.now)
        stopped = self.leave(key)
        self.in_work[comer] = self.line.pop(comer)
        self.began_at[comer] = self.now
        self.line[key] = stopped

    @precondition(lambda self: self.in_work)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.in_work)))
        self.waiting.finish(key, self.now)
        self.leave(key)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.line)))
        assert self.waiting.remove(key) == key
        del self.line[key]

    @rule(seconds=st.sampled_from([1, 2, 4, 40]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def all_that_came_and_did_not_go_waits(self) -> None:
        assert len(self.waiting) == len(self.line)

    def expired(self) -> set[str]:
        return {key for key, terms in self.line.items() if terms.is_expired(self.now)}

    def leave(self, key: str) -> Terms:
        terms = self.in_work.pop(key)
        self.spans.append((terms.organization, self.began_at.pop(key), self.now))
        return terms

    def load(self, organization: str) -> float:
        """By definition, from all that was ever in work."""
        now = [
            self.began_at[key] for key, terms in self.in_work.items() if terms.organization == organization
        ]
        spans = [(began, end) for name, began, end in self.spans if name == organization]
        spans += [(began, self.now) for began in now]
        return len(now) + sum(self.weight(end) - self.weight(began) for began, end in spans)

    def weight(self, at: float) -> float:
        return math.exp((at - self.now) / LATELY_SECONDS)

    def check_turn(self, key: str) -> None:
        picked = self.line[key]
        if picked.priority == "test":
            assert not any(terms.priority == "interactive" for terms in self.line.values())
        rivals = {other: terms for other, terms in self.line.items() if terms.priority == picked.priority}
        if picked.is_late(self.now):
            assert all(terms.is_late(self.now) for terms in rivals.values())
        rivals = {other: t for other, t in rivals.items() if t.is_late(self.now) == picked.is_late(self.now)}
        least = min(self.load(terms.organization) for terms in rivals.values())
        assert self.load(picked.organization) <= least + 0.1
        mates = [int(other) for other, t in rivals.items() if t.organization == picked.organization]
        assert min(mates) == int(key), "the oldest first"


AnyTraffic.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestAnyTraffic = AnyTraffic.TestCase
