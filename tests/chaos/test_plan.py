"""A plan is its seed's alone, and has what a run needs."""

from collections import defaultdict
from itertools import pairwise

from tests.chaos import codes
from tests.chaos.plan import CONTACTS, PLACES, TELEGRAM, Plan, Trouble, Writing, plan
from tests.chaos.policies import (
    BURST_WINDOWS_SECONDS,
    HOLDING_LINES,
    LATE_POLICIES,
    UNKNOWN_DELIVERIES,
    policies,
)


def conversations(made: Plan) -> list[list[Writing]]:
    by_contact: dict[str, list[Writing]] = defaultdict(list)
    for writing in made.writings:
        by_contact[writing.contact].append(writing)
    return list(by_contact.values())


def test_a_seed_makes_one_plan() -> None:
    assert plan(7, 200, 5) == plan(7, 200, 5)
    assert plan(7, 200, 5) != plan(8, 200, 5)


def test_there_are_as_many_messages_as_asked_for_each_with_a_code_of_its_own_in_its_chat() -> None:
    made = plan(1, 600, 20)

    assert len(made.writings) == 600
    assert len({(writing.contact, writing.code) for writing in made.writings}) == 600
    assert all(writing.code in codes.codes_of(writing.organization) for writing in made.writings)
    assert all(codes.find(writing.text) == [writing.code] for writing in made.writings)
    places = {(writing.organization, writing.platform) for writing in made.writings}
    assert places == {(number, platform) for number in range(20) for platform in CONTACTS}
    assert all(len({writing.platform for writing in each}) == 1 for each in conversations(made))


def test_contacts_write_once_in_bursts_and_in_several_turns() -> None:
    gaps = [
        [later.at - earlier.at for earlier, later in pairwise(each)]
        for each in conversations(plan(1, 600, 20))
    ]

    assert any(not each for each in gaps)
    assert any(each and max(each) < 1 for each in gaps)
    assert any(each and max(each) > 4 for each in gaps)


def test_messages_are_reordered_late_and_replayed() -> None:
    made = plan(1, 600, 20)

    assert any(writing.behind_next for writing in made.writings)
    assert len(made.replays) == 90
    assert any(writing.age_seconds for writing in made.writings)


def test_every_choice_is_some_organizations_and_somebody_is_late_at_each_kind() -> None:
    for seed in range(20):
        made = plan(seed, 60, 4)
        chosen = made.policies

        assert {each.burst_window_seconds for each in chosen} == set(BURST_WINDOWS_SECONDS)
        assert {each.late_policy for each in chosen} == set(LATE_POLICIES)
        assert {each.unknown_delivery for each in chosen} == set(UNKNOWN_DELIVERIES)
        assert len({bool(each.holding_line) for each in chosen}) == len(set(HOLDING_LINES))
        late = {chosen[each.organization].late_policy for each in made.writings if each.age_seconds}
        assert late == set(LATE_POLICIES)
    assert policies(1, 20) != policies(2, 20)


def test_what_is_overtaken_is_overtaken_by_a_message_that_is_not() -> None:
    for each in conversations(plan(3, 600, 20)):
        for earlier, later in pairwise(each):
            assert not (earlier.behind_next and later.behind_next)
        assert not each[-1].behind_next


def test_who_blocks_the_bot_writes_no_more() -> None:
    made = plan(1, 600, 20)

    assert {writing.platform for writing in made.writings if writing.blocks} == {TELEGRAM}
    assert all(not writing.blocks for each in conversations(made) for writing in each[:-1])


def test_every_trouble_is_planned_and_in_time() -> None:
    for messages in (60, 600):
        made = plan(1, messages, 4)

        assert {each.trouble for each in made.mishaps} == set(Trouble) - {Trouble.CONTACT_BLOCKS}
        for trouble, places in PLACES.items():
            assert {each.platform for each in made.mishaps if each.trouble is trouble} == set(places)
        assert [each.at for each in made.mishaps] == sorted(each.at for each in made.mishaps)
        assert all(0 <= each.at < made.seconds for each in made.mishaps)


def test_a_token_that_expires_is_repaired_later() -> None:
    for platform in CONTACTS:
        at = {each.trouble: each for each in plan(5, 60, 4).mishaps if each.platform == platform}

        assert at[Trouble.TOKEN_EXPIRES].at < at[Trouble.TOKEN_REPAIRED].at
        assert at[Trouble.TOKEN_EXPIRES].organization == at[Trouble.TOKEN_REPAIRED].organization


def test_a_plan_may_be_limited_to_some_troubles() -> None:
    made = plan(1, 60, 4, [Trouble.KILL_LLM])

    assert {each.trouble for each in made.mishaps} == {Trouble.KILL_LLM}
    assert not any(writing.blocks for writing in made.writings)


def test_no_two_codes_are_the_same_and_each_is_found_again() -> None:
    made = [code for organization in range(100) for code in codes.codes_of(organization)]

    assert len(set(made)) == len(made)
    assert codes.find(f"Is {made[0]} there, or {made[-1]}? Not amber, and not a-b-c.") == [made[0], made[-1]]


def test_the_llm_answers_the_question_and_not_the_facts() -> None:
    first, second = codes.codes_of(0)[:2]

    assert codes.answer(f"Facts: {codes.fact(second)}\n\nQuestion: Is {first} ready?") == codes.fact(first)
    assert codes.answer(f"Is {first} ready?\nAnd {second}?") == f"{codes.fact(first)} {codes.fact(second)}"
