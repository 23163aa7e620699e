"""Who is answered next: rules by example, fairness by property."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from llm_api.waiting import SHARED_SECONDS, Terms, Waiting

NOW = 1000.0


def line(*terms: Terms, slots: int = 4) -> Waiting[int]:
    waiting: Waiting[int] = Waiting(slots)
    for number, each in enumerate(terms):
        waiting.add(str(number), number, each)
    return waiting


def order(*terms: Terms, slots: int = 4) -> list[int]:
    """Everything in a line, each finished before the next is picked."""
    return list(drained(line(*terms, slots=slots), terms))


def drained(waiting: Waiting[int], terms: Sequence[Terms]) -> Iterator[int]:
    while (item := waiting.pick(NOW)) is not None:
        yield item
        waiting.finish(terms[item].organization)


def test_contacts_come_before_test_runs() -> None:
    assert order(Terms("a", "test"), Terms("b")) == [1, 0]


def test_those_in_time_come_before_late_ones() -> None:
    assert order(Terms("a", answer_by=NOW - 1), Terms("b", answer_by=NOW + 1)) == [1, 0]


def test_organizations_take_turns() -> None:
    assert order(*[Terms("a")] * 3, *[Terms("b")] * 2) == [0, 3, 1, 4, 2]


def test_an_organization_alone_may_use_every_slot() -> None:
    waiting = line(*[Terms("a")] * 5)
    assert [waiting.pick(NOW) for _ in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize(("slots", "cap"), [(1, 1), (2, 1), (3, 2), (4, 2), (9, 5)])
def test_half_of_the_slots_stay_free_for_an_organization_that_was_here_a_moment_ago(
    slots: int, cap: int
) -> None:
    waiting = line(Terms("calm"), *[Terms("flood")] * 20, slots=slots)
    assert waiting.pick(NOW) == 0
    waiting.finish("calm")
    flooding = [waiting.pick(NOW + 1) for _ in range(slots)]
    assert flooding == [*range(1, cap + 1), *[None] * (slots - cap)]
    waiting.add("again", -1, Terms("calm"))
    if slots > 1:
        assert waiting.pick(NOW + 2) == -1


def test_the_slots_kept_free_are_used_when_nobody_else_comes() -> None:
    waiting = line(Terms("calm"), *[Terms("flood")] * 3, slots=2)
    assert waiting.pick(NOW) == 0
    waiting.finish("calm")
    assert [waiting.pick(NOW), waiting.pick(NOW)] == [1, None]
    assert waiting.pick(NOW + SHARED_SECONDS + 1) == 2


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


@given(st.integers(1, 40), st.integers(2, 8))
def test_a_flood_costs_another_organization_one_pick_at_most(flood: int, slots: int) -> None:
    """Whoever comes to a flooded line is next: the flood's length does not matter."""
    waiting = line(*[Terms("flood")] * flood, slots=slots)
    waiting.pick(NOW)
    waiting.add("calm", -1, Terms("calm"))
    assert waiting.pick(NOW) == -1


@given(st.lists(st.sampled_from(["small-1", "small-2", "small-3"]), min_size=20, max_size=60))
def test_small_organizations_that_keep_coming_do_not_starve_a_large_one(comers: list[str]) -> None:
    waiting = line(*[Terms("large")] * 30, slots=1)
    waits = 0
    for number, comer in enumerate(comers):
        waiting.add(f"comer-{number}", 1000 + number, Terms(comer))
        picked = waiting.pick(NOW)
        assert picked is not None
        organization = "large" if picked < 1000 else comers[picked - 1000]
        waits = 0 if organization == "large" else waits + 1
        assert waits <= 3, "each of the others may go before it once"
        waiting.finish(organization)


class AnyTraffic(RuleBasedStateMachine):
    """Requests come, start, end, expire and are cancelled in any order, against a model of the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = 4
        self.waiting: Waiting[str] = Waiting(self.slots)
        self.now = NOW
        self.number = 0
        self.line: dict[str, Terms] = {}
        self.served_at: dict[str, float] = {}
        self.in_work: list[str] = []

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
        startable = [terms for terms in self.line.values() if not self.is_full(terms)]
        assert (key is None) == (not startable), "a slot stays free only for another organization"
        if key is None:
            return
        picked = self.line[key]
        assert not self.is_full(picked)
        rivals = [terms for terms in startable if terms.priority == picked.priority]
        self.check_class(picked, startable)
        self.check_lateness(picked, rivals)
        self.check_turns(picked, rivals)
        self.check_age(key, picked)
        del self.line[key]
        self.in_work.append(picked.organization)
        self.served_at[picked.organization] = self.now

    @precondition(lambda self: self.in_work)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        organization = data.draw(st.sampled_from(self.in_work))
        self.in_work.remove(organization)
        self.waiting.finish(organization)

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

    def check_class(self, picked: Terms, startable: list[Terms]) -> None:
        if picked.priority == "test":
            assert not any(terms.priority == "interactive" for terms in startable)

    def check_lateness(self, picked: Terms, rivals: list[Terms]) -> None:
        if picked.is_late(self.now):
            assert all(each.is_late(self.now) for each in rivals)

    def check_turns(self, picked: Terms, rivals: list[Terms]) -> None:
        equals = [each for each in rivals if each.is_late(self.now) == picked.is_late(self.now)]
        in_work = [self.in_work.count(each.organization) for each in equals]
        assert min(in_work) >= self.in_work.count(picked.organization)

    def check_age(self, key: str, picked: Terms) -> None:
        same = (picked.organization, picked.priority, picked.is_late(self.now))
        for other, terms in self.line.items():
            if (terms.organization, terms.priority, terms.is_late(self.now)) == same:
                assert int(other) >= int(key)

    def is_full(self, terms: Terms) -> bool:
        lately = {name for name, at in self.served_at.items() if self.now - at <= SHARED_SECONDS}
        sharing = lately | {each.organization for each in self.line.values()}
        return len(sharing) > 1 and self.in_work.count(terms.organization) >= self.slots / 2


AnyTraffic.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyTraffic = AnyTraffic.TestCase
