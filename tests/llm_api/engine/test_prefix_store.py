"""What is known of a prompt, and what is forgotten first; states are numbers of bytes here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llm_api.engine.prefix_store import LEAST_TOKENS, Prefix, PrefixStore, Tokens
from llm_api.engine.prompt import Prompt
from llm_api.engine.sequence import State
from tests.llm_api.engine.chats import prompt, words

EXAMPLES = words(0, 100)
STATE_BYTES = 1000


class MemorySpill:
    """A disk that never fails, unless something is taken from it."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, bytes], State] = {}
        self.touched = 0

    def load(self) -> Iterator[Prefix]:
        for group, tokens in self.kept:
            yield Prefix(group, np.frombuffer(tokens, np.int32), None, is_branch=True, is_spilled=True)

    def write(self, prefix: Prefix) -> None:
        assert prefix.state is not None
        self.kept[prefix.group, prefix.tokens.tobytes()] = prefix.state

    def read(self, prefix: Prefix) -> State | None:
        return self.kept.get((prefix.group, prefix.tokens.tobytes()))

    def has(self, prefix: Prefix) -> bool:
        return self.read(prefix) is not None

    def touch(self, prefix: Prefix) -> None:
        assert self.has(prefix)
        self.touched += 1


def state() -> State:
    return np.zeros(STATE_BYTES, np.uint8)


def ids(*parts: range) -> Tokens:
    return np.array([token for part in parts for token in part], np.int32)


def question(n: int) -> Prompt:
    """All questions after the same examples."""
    return prompt(EXAMPLES, words(1000 * n, 20))


def ask(store: PrefixStore, n: int, group: str = "smile", *, examples: range = EXAMPLES) -> int:
    """How much of a question is known."""
    return keep(store, group, prompt(examples, words(1000 * n, 20)))


def keep(store: PrefixStore, group: str, asked: Prompt) -> int:
    """As the engine does: how much of a prompt is known, after which its examples and its chat are kept."""
    match = store.match(group, asked)
    if (
        store.take(match, asked, store.fetch(match)) is not None
        and match.prefix
        and match.length < len(match.prefix)
    ):
        store.add(
            group, np.array(asked.tokens[: match.length], np.int32), state(), asked, parted_from=match.prefix
        )
    for length in (len(EXAMPLES), len(asked.tokens)):
        store.add(group, np.array(asked.tokens[:length], np.int32), state(), asked)
    return match.length


def restarted_store(disk: MemorySpill) -> PrefixStore:
    """It knows an organization's examples, from the disk alone."""
    store = PrefixStore(10**6, disk)
    for n in (1, 2, 4):
        ask(store, n)
    return PrefixStore(10**6, disk)


def test_an_organizations_examples_are_known_to_its_next_question() -> None:
    store = PrefixStore(10**6)
    assert [ask(store, n) for n in (1, 2, 3)] == [0, 100, 100]
    assert ask(store, 4, "another") == 0
    assert (store.counts.hits, store.counts.misses) == (2, 2)


def test_a_prompt_that_parts_on_the_way_is_known_up_to_a_border() -> None:
    store = PrefixStore(10**6)
    store.add("smile", ids(words(0, 50), words(500, 60)), state())
    asked = prompt(words(0, 40), [*words(40, 10), *words(900, 30)], words(1, 5))
    assert store.match("smile", asked).length == 40


def test_a_conversation_goes_on_from_its_last_answer() -> None:
    store = PrefixStore(10**6)
    store.add("smile", ids(EXAMPLES), state())
    said = [*words(1000, 20), *words(2000, 15)]
    store.add("smile", ids(EXAMPLES, words(1000, 20), words(2000, 15)), state())
    asked = prompt(EXAMPLES, words(1000, 20), [*words(2000, 15), 9], words(3000, 10))
    assert store.match("smile", asked).length == 100 + len(said)


def test_the_last_token_of_a_prompt_is_always_left_to_compute() -> None:
    store = PrefixStore(10**6)
    asked = prompt(EXAMPLES, words(1000, 20))
    store.add("smile", np.array(asked.tokens, np.int32), state())
    assert store.match("smile", asked).length == 100
    store.add("smile", np.array(asked.tokens[:-1], np.int32), state())
    assert store.match("smile", asked).length == 119


def test_what_is_short_is_not_kept() -> None:
    store = PrefixStore(10**6)
    store.add("smile", ids(words(0, LEAST_TOKENS - 1)), state())
    assert len(store) == store.bytes == 0


def test_conversations_go_before_organizations() -> None:
    store = PrefixStore(4 * STATE_BYTES)
    for n in (1, 2, 3):
        ask(store, n)  # branches
    for n in range(4, 20):
        ask(store, n, "another")
    assert ask(store, 99) == 100
    assert ask(store, 99, "another") == 100


def test_of_organizations_the_one_used_longest_ago_goes_first() -> None:
    store = PrefixStore(3 * STATE_BYTES)
    for name in "abcd":
        ask(store, 1, name)
        ask(store, 2, name)
        ask(store, 3, "a")
    assert ask(store, 3, "a") == 100
    assert ask(store, 3, "b") == 0


def test_an_edited_prompt_counts_at_once_and_the_old_one_ages_out() -> None:
    store = PrefixStore(6 * STATE_BYTES)
    edited = words(5000, 100)
    for n in range(3):
        ask(store, n)
    assert ask(store, 3, examples=edited) == 0
    for n in range(4, 30):
        assert ask(store, n, examples=edited) == 100
    for name in "bcdef":
        for n in (1, 2):
            ask(store, n, name)
            ask(store, n, "smile", examples=edited)
    assert ask(store, 50, examples=edited) == 100
    assert ask(store, 50) == 0


def test_organizations_outlive_the_budget_and_a_restart_on_disk() -> None:
    disk = MemorySpill()
    store = PrefixStore(2 * STATE_BYTES, disk)
    for name in "abcdef":
        for n in (1, 2, 5):
            ask(store, n, name)
    assert [ask(store, 3, name) for name in "abcdef"] == [100] * 6
    assert store.counts.spill_reads > 0
    restarted = PrefixStore(2 * STATE_BYTES, disk)
    assert restarted.bytes == 0
    assert [ask(restarted, 4, name) for name in "abcdef"] == [100] * 6


def test_what_is_on_disk_makes_room_for_conversations() -> None:
    disk = MemorySpill()
    store = PrefixStore(3 * STATE_BYTES, disk)
    for name in "abc":
        for n in (1, 5, 2):
            ask(store, n, name)
    said = prompt(EXAMPLES, words(2000, 20), words(7000, 5))
    assert store.match("c", said).length == 120
    assert ask(store, 3, "a") == 100


def test_conversations_are_never_written_to_disk() -> None:
    disk = MemorySpill()
    store = PrefixStore(10**6, disk)
    for n in range(5):
        ask(store, n)
    assert [len(tokens) // 4 for _, tokens in disk.kept] == [100]


def test_a_contacts_turns_stay_off_the_disk_though_the_facts_leave_their_questions() -> None:
    """As the hub asks: the last question comes with facts, and without them once it is history. Each request
    comes twice, as when its answer was lost."""
    disk = MemorySpill()
    store = PrefixStore(10**6, disk)
    history: list[range] = []
    known = []
    for n in range(1, 5):
        question, answer = words(1000 * n, 20), words(1000 * n + 500, 10)
        asked = prompt(EXAMPLES, *history, [*words(9000, 15), *question])
        known.append(keep(store, "smile", asked))
        keep(store, "smile", asked)
        history += [question, answer]
    assert known == [0, 100, 130, 160]
    assert [len(tokens) // 4 for _, tokens in disk.kept] in ([], [100])


def test_what_the_disk_has_lost_is_forgotten() -> None:
    restarted = restarted_store(disk := MemorySpill())
    disk.kept.clear()
    asked = question(3)
    match = restarted.match("smile", asked)
    assert match.length == 100
    assert restarted.take(match, asked, restarted.fetch(match)) is None
    assert len(restarted) == 0
    assert restarted.match("smile", asked).length == 0


def test_what_is_used_in_memory_is_used_on_disk_as_well() -> None:
    """Else the disk would make room by deleting what is asked for most."""
    disk = MemorySpill()
    store = PrefixStore(10**6, disk)
    for n in range(1, 4):
        ask(store, n)
    assert (len(disk.kept), disk.touched, store.counts.spill_writes) == (1, 0, 1)
    for n in range(4, 6):
        ask(store, n)
    assert disk.touched == 2
    assert store.counts.spill_reads == 0


def test_what_had_to_make_room_on_disk_stays_in_memory_and_is_written_again() -> None:
    disk = MemorySpill()
    store = PrefixStore(3 * STATE_BYTES, disk)
    for n in (1, 2, 4):
        ask(store, n)
    disk.kept.clear()
    for n in range(5):
        ask(store, n, "another")
    assert ask(store, 5) == 100
    assert ("smile", ids(EXAMPLES).tobytes()) in disk.kept


def test_what_is_dropped_while_the_disk_is_read_is_no_harm() -> None:
    restarted = restarted_store(MemorySpill())
    asked = question(3)
    match = restarted.match("smile", asked)
    fetched = restarted.fetch(match)
    assert match.prefix
    restarted.drop(match.prefix)
    assert restarted.take(match, asked, fetched) is None
    assert restarted.bytes == len(restarted) == 0


def test_what_leaves_the_memory_just_now_is_still_known() -> None:
    """It is fetched by the next one."""
    restarted = restarted_store(MemorySpill())
    asked = question(3)
    assert restarted.take(restarted.match("smile", asked), asked, None) is None
    assert ask(restarted, 3) == 100


def test_without_a_budget_nothing_is_kept() -> None:
    store = PrefixStore(0)
    assert not store.wants("smile", ids(EXAMPLES))
    store.add("smile", ids(EXAMPLES), state())
    assert len(store) == 0


chat = st.builds(
    lambda a, b, c: prompt(words(a * 100, 40), words(b * 10, 10), words(c, 5)),
    st.integers(0, 2), st.integers(0, 3), st.integers(0, 9),
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from("ab"), chat), max_size=40), st.integers(0, 8), st.booleans())
def test_the_budget_holds_and_what_is_restored_was_computed(
    chats: list[tuple[str, Prompt]], room: int, spills: bool
) -> None:
    store = PrefixStore(room * STATE_BYTES, MemorySpill() if spills else None)
    seen: dict[str, set[tuple[int, ...]]] = {"a": set(), "b": set()}
    for group, asked in chats:
        match = store.match(group, asked)
        if match.prefix is not None:
            assert any(tokens[: match.length] == asked.tokens[: match.length] for tokens in seen[group])
            assert LEAST_TOKENS <= match.length <= len(asked.tokens) - 2
        store.take(match, asked, store.fetch(match))
        for length in (asked.question_at, len(asked.tokens)):
            store.add(group, np.array(asked.tokens[:length], np.int32), state())
            seen[group].add(asked.tokens[:length])
        assert 0 <= store.bytes <= store.budget_bytes
