"""Who is answered next: rules by example, fairness by property."""

from hypothesis import given
from hypothesis import strategies as st

from llm_api.waiting import Terms, Waiting

NOW = 1000.0


def line(*terms: Terms, slots: int = 4) -> Waiting[int]:
    waiting: Waiting[int] = Waiting(slots)
    for number, each in enumerate(terms):
        waiting.add(str(number), number, each)
    return waiting


def order(waiting: Waiting[int]) -> list[int]:
    """Everything in the line, each finished before the next is picked."""
    picked = []
    while (item := waiting.pick(NOW)) is not None:
        picked.append(item)
    return picked


def test_contacts_come_before_test_runs() -> None:
    assert order(line(Terms("a", "test"), Terms("b"))) == [1, 0]


def test_those_in_time_come_before_late_ones() -> None:
    assert order(line(Terms("a", answer_by=NOW - 1), Terms("b", answer_by=NOW + 1))) == [1, 0]


def test_organizations_take_turns() -> None:
    assert order(line(*[Terms("a")] * 3, *[Terms("b")] * 2, slots=9)) == [0, 3, 1, 4, 2]


def test_an_organization_alone_may_use_every_slot() -> None:
    assert order(line(*[Terms("a")] * 4)) == [0, 1, 2, 3]


def test_expired_ones_are_taken_out() -> None:
    waiting = line(Terms("a", expires_at=NOW), Terms("a", expires_at=NOW + 1))
    assert waiting.drop_expired(NOW) == [0]
    assert order(waiting) == [1]


def test_what_is_removed_is_not_picked() -> None:
    waiting = line(Terms("a"), Terms("b"))
    assert waiting.remove("0") == 0
    assert waiting.remove("0") is None
    assert order(waiting) == [1]


terms = st.builds(
    Terms,
    organization=st.sampled_from("abc"),
    priority=st.sampled_from(["interactive", "test"]),
    answer_by=st.none() | st.sampled_from([NOW - 1, NOW + 1]),
)
lines = st.lists(terms, max_size=30)


@given(lines, st.integers(1, 8))
def test_nobody_is_forgotten_and_nobody_comes_twice(given_terms: list[Terms], slots: int) -> None:
    assert sorted(order(line(*given_terms, slots=slots))) == list(range(len(given_terms)))


@given(lines, st.integers(1, 8))
def test_no_test_run_goes_before_a_contact(given_terms: list[Terms], slots: int) -> None:
    classes = [given_terms[item].priority for item in order(line(*given_terms, slots=slots))]
    assert classes == sorted(classes)


@given(st.integers(1, 40), st.integers(2, 8))
def test_a_flood_costs_another_organization_one_pick_at_most(flood: int, slots: int) -> None:
    """Whoever comes to a flooded line is next: the flood's length does not matter."""
    waiting = line(*[Terms("flood")] * flood, slots=slots)
    waiting.pick(NOW)
    waiting.add("calm", -1, Terms("calm"))
    assert waiting.pick(NOW) == -1


@given(lines.filter(bool), st.integers(1, 8))
def test_the_cap_holds_while_others_wait(given_terms: list[Terms], slots: int) -> None:
    interactive = [Terms(each.organization) for each in given_terms]
    waiting = line(*interactive, slots=slots)
    cap, in_work = max(1, slots // 2), {"a": 0, "b": 0, "c": 0}
    left = [each.organization for each in interactive]
    while (item := waiting.pick(NOW)) is not None:
        organization = interactive[item].organization
        others = {each for each in left if each != organization}
        assert in_work[organization] < cap or all(in_work[other] >= cap for other in others)
        in_work[organization] += 1
        left.remove(organization)
