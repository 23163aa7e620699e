"""The load, the figures and the report of `python -m benchmarks.llm`, without any server or model."""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.llm import climbing
from benchmarks.llm.client import Answer
from benchmarks.llm.comparison import Plan, Results
from benchmarks.llm.figures import Figures, figures, median, percentile, waits_of
from benchmarks.llm.load import Request, Traffic
from benchmarks.llm.organizations import (
    MAX_PREFIX_TOKENS,
    MIN_PREFIX_TOKENS,
    Organization,
    estimate_tokens,
)
from benchmarks.llm.picture import picture
from benchmarks.llm.report import report
from benchmarks.llm.servers import LLAMA_SERVER_KIND, OURS_KIND, PACKAGED_KIND, kinds
from benchmarks.llm.unavoidable import Speeds, distinct_tokens

COUNTS = [20, 200]
MODEL = Path("some.gguf")


def plan(**changes: object) -> Plan:
    values: dict[str, object] = {
        "model": MODEL,
        "threads": 2,
        "kinds": kinds(),
        "organizations": [20],
        "climbed": [20],
        "rounds": 1,
        "climbing_rounds": 1,
        "serial_seconds": 20.0,
        "burst": 4,
        "patience_seconds": 40.0,
        "probe_seconds": 12.0,
        "limit_seconds": 60.0,
        "seed": 1,
    }
    return Plan(**{**values, **changes})  # type: ignore[arg-type]


def new_turns(request: Request, organization: Organization) -> int:
    """How many questions a contact has asked in a request."""
    own = request.messages[len(organization.prefix) :]
    return sum(each["role"] == "user" for each in own)


# --- the load -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", COUNTS)
def test_a_seed_gives_the_same_load_and_another_seed_another(count: int) -> None:
    assert Traffic(count, 1).burst(64) == Traffic(count, 1).burst(64)
    assert Traffic(count, 1).poisson(3, 10) == Traffic(count, 1).poisson(3, 10)
    assert Traffic(count, 1).burst(64) != Traffic(count, 2).burst(64)


def test_a_load_does_not_depend_on_what_was_made_before() -> None:
    alone, after = Traffic(20, 1), Traffic(20, 1)
    after.poisson(3, 10)
    assert after.burst(64) == alone.burst(64)


@pytest.mark.parametrize("count", COUNTS)
def test_prefixes_are_long_different_and_shared_by_the_requests_of_an_organization(count: int) -> None:
    traffic = Traffic(count, 1)
    prefixes = {each.name: tuple(map(str, each.prefix)) for each in traffic.organizations}
    assert len(set(prefixes.values())) == len(prefixes) == count
    sizes = [estimate_tokens(each.prefix) for each in traffic.organizations]
    assert min(sizes) >= MIN_PREFIX_TOKENS
    assert max(sizes) <= MAX_PREFIX_TOKENS
    assert max(sizes) > 2 * min(sizes)
    for request in traffic.burst(64):
        prefix = prefixes[request.organization]
        assert tuple(map(str, request.messages))[: len(prefix)] == prefix


@pytest.mark.parametrize("count", COUNTS)
def test_few_organizations_are_asked_much(count: int) -> None:
    traffic = Traffic(count, 1)
    asked = Counter(each.organization for each in traffic.burst(2000))
    first, tenth = (asked[traffic.organizations[place].name] for place in (0, 9))
    assert 5 < first / tenth < 20  # Zipf: 10


def test_requests_repeat_up_to_two_turns_of_their_conversation() -> None:
    traffic = Traffic(20, 1)
    organizations = {each.name: each for each in traffic.organizations}
    turns = Counter(new_turns(each, organizations[each.organization]) for each in traffic.burst(600))
    assert sorted(turns) == [1, 2, 3]
    assert abs(turns[1] - 100) < 40  # one in MAX_TURNS
    assert turns[3] > 300


def test_every_message_is_text_of_a_role_in_its_order() -> None:
    for request in Traffic(200, 1).burst(64):
        roles = [each["role"] for each in request.messages]
        assert roles[0] == "system"
        assert roles[1::2] == ["user"] * len(roles[1::2])
        assert roles[2::2] == ["assistant"] * len(roles[2::2])
        assert roles[-1] == "user"
        assert all(each["content"].strip() and "{" not in each["content"] for each in request.messages)


@given(st.floats(0.3, 20), st.integers(0, 1000))
def test_arrivals_are_in_order_and_within_their_time(per_second: float, seed: int) -> None:
    requests = Traffic(5, seed).poisson(per_second, 12)
    times = [each.at for each in requests]
    assert times == sorted(times)
    assert all(0 < at < 12 for at in times)
    assert abs(len(times) - 12 * per_second) < 6 * math.sqrt(12 * per_second) + 1


def test_conversations_go_on_among_arrivals() -> None:
    traffic = Traffic(20, 1)
    organizations = {each.name: each for each in traffic.organizations}
    begun: set[tuple[str, str]] = set()
    later = 0
    for request in traffic.poisson(10, 60):
        organization = organizations[request.organization]
        own = request.messages[len(organization.prefix) :]
        if len(own) > 1:
            later += 1
            assert (request.organization, own[-3]["content"]) in begun
        begun.add((request.organization, own[-1]["content"].partition("Question: ")[2]))
    assert later > 300


def test_every_server_is_asked_greedily_and_for_short_answers() -> None:
    body = Traffic(20, 1).burst(1)[0].body()
    assert (body["temperature"], body["max_tokens"]) == (0.0, 60)


# --- the figures --------------------------------------------------------------------------------------------


def answered(seconds: float, cached: int | None = 60) -> Answer:
    return Answer(seconds, "Yes.", prompt_tokens=100, cached_tokens=cached, written_tokens=10)


def test_figures_of_a_burst() -> None:
    answers = [answered(1.0), answered(4.0), answered(6.0), answered(8.0)]
    seen = figures(answers, 8.0, None, 2**30, 0.25)
    assert seen == Figures(0.5, 4.0, 8.0, 0.5, 1.0, 160, 40, 1024.0, 8.0, 0.25)


def test_who_is_not_answered_waits_for_ever() -> None:
    seen = figures([answered(1.0), Answer(None, problem="no answer in time")], 40.0, None, 0)
    assert (seen.p50_seconds, seen.p95_seconds) == (1.0, math.inf)
    assert (seen.in_time_share, seen.answered_share, seen.answers_per_second) == (0.5, 0.5, 1 / 40)


def test_computed_tokens_are_the_logs_where_answers_do_not_tell_them() -> None:
    assert figures([answered(1.0, cached=None)], 1.0, 77, 0).computed_tokens == 77
    log = "Llama.generate: 21 prefix-match hit, remaining 700 prompt tokens to eval\nx\nLlama.generate: 9 "
    assert PACKAGED_KIND.computed
    assert PACKAGED_KIND.computed(log + "prefix-match hit, remaining 12 prompt tokens to eval") == 712


def test_a_median_is_taken_figure_by_figure() -> None:
    rounds = [figures([answered(each)], each, None, 0) for each in (1.0, 9.0, 2.0)]
    assert median(rounds).p50_seconds == 2.0
    assert median(rounds).answers_per_second == 0.5


@given(st.lists(st.floats(0, 100), min_size=1))
def test_so_many_are_within_a_percentile(values: list[float]) -> None:
    ordered = sorted(values)
    found = percentile(ordered, 0.95)
    assert sum(each <= found for each in ordered) >= 0.95 * len(ordered)
    assert sum(each < found for each in ordered) < 0.95 * len(ordered)


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6)))
def test_distinct_tokens_are_the_nodes_of_a_trie(prompts: list[list[int]]) -> None:
    nodes = {tuple(prompt[:length]) for prompt in prompts for length in range(1, len(prompt) + 1)}
    assert distinct_tokens(prompts) == len(nodes)


# --- the climb ----------------------------------------------------------------------------------------------


@given(st.floats(0, 200), st.integers(0, len(climbing.RATES) - 1))
def test_a_climb_ends_at_the_highest_rate_that_passes(capacity: float, start: int) -> None:
    tried: list[float] = []

    def passes(rate: float) -> bool:
        tried.append(rate)
        return rate <= capacity

    expected = max([each for each in climbing.RATES if each <= capacity], default=0.0)
    assert climbing.climb(passes, start) == expected
    assert len(tried) == len(set(tried))


def test_a_climb_begins_below_what_a_burst_reached() -> None:
    start = climbing.RATES[climbing.start_near(3.0)]
    assert start < 3.0 <= start * climbing.STEP
    assert climbing.start_near(0.01) == 0


def test_one_in_twenty_may_be_late() -> None:
    assert [climbing.tolerated_misses(each) for each in (0, 19, 20, 59, 60)] == [0, 0, 1, 2, 3]


# --- the report ---------------------------------------------------------------------------------------------


def results(seen: Mapping[str, Sequence[Answer]]) -> Results:
    found = Results(
        rounds=1, speeds={MODEL: [Speeds(100.0, 50.0)]}, prompt_tokens={20: 400}, distinct_tokens={20: 200}
    )
    for name, answers in seen.items():
        last = max((each.seconds for each in answers if each.seconds is not None), default=40.0)
        found.bursts[20, name].append(figures(answers, last, None, 2**20))
        found.waits[20, name].extend(waits_of(answers))
        found.texts[20, name].extend(None if each.seconds is None else each.text for each in answers)
    return found


def some_results() -> Results:
    found = results(
        {
            OURS_KIND.name: [answered(each) for each in (0.5, 1.0, 1.5, 2.0)],
            PACKAGED_KIND.name: [answered(10.0), *itertools.repeat(Answer(None, problem="no answer"), 3)],
            LLAMA_SERVER_KIND.name: [answered(each) for each in (2.0, 3.0, 4.0, 8.0)],
        }
    )
    for name, rate in ((OURS_KIND.name, 6.0), (LLAMA_SERVER_KIND.name, 2.0)):
        found.rates[20, name].append(rate)
        found.probes[20, name][rate].append(0.97)
    found.problems[PACKAGED_KIND.name].add("no answer")
    return found


def test_the_report_has_ratios_to_llama_server_and_the_aims() -> None:
    text = report(plan(), some_results())
    assert "| answers a second | 2.00 | 0.10 | 0.50 | 4.00 | 0.20 |" in text
    assert "| p95, s | 2.0 | over 20 s | 8.0 | 0.25 | - |" in text
    assert "| answered within 5 s | 100% | 0% | 75% | 1.33 | 0.00 |" in text
    assert "| answers that are llama-server's | 100% | 100% | 100% | - | - |" in text
    # 200 tokens at 100 a second and 40 at 50 are 2.8 s
    assert "| time / unavoidable | 0.71 | over 20 s | 2.86 |" in text
    assert "answers/s against llama-server: 4.00, met (aim: at least 2)" in text
    assert "answers/s against llama_cpp.server: 20.00, met (aim: at least 6)" in text
    assert "rate with 95 % within 5 s against llama-server: 3.00, met (aim: at least 2)" in text
    assert "llama_cpp.server: some requests had no answer" in text


def test_an_aim_that_is_not_reached_is_called_missed() -> None:
    slow = results({each.name: [answered(2.0)] * 4 for each in kinds()})
    text = report(plan(climbed=[]), slow)
    assert "answers/s against llama-server: 1.00, missed (aim: at least 2)" in text
    assert "p95 against llama-server: 1.00, missed (aim: at most 0.5)" in text


def test_nothing_is_won_against_a_server_that_was_given_up() -> None:
    seen = {each.name: [answered(1.0), answered(2.0)] for each in kinds()}
    seen[LLAMA_SERVER_KIND.name][1] = Answer(None, problem="no answer in time")
    text = report(plan(climbed=[]), results(seen))
    assert "answers/s against llama-server: not known" in text
    assert "p95 against llama-server: not known" in text


def test_servers_can_be_left_out() -> None:
    ours = results({OURS_KIND.name: [answered(1.0)]})
    assert "| answers a second | 1.00 |" in report(plan(kinds=[OURS_KIND], climbed=[]), ours)


def test_the_picture_is_svg_with_a_line_for_each_server() -> None:
    root = ElementTree.fromstring(picture(plan(), some_results()))  # noqa: S314 - our own
    lines = root.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 3 + 2
    for line in lines:
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 340
            assert 0 <= y <= 220


# --- the servers --------------------------------------------------------------------------------------------


def test_llama_server_is_started_with_the_flags_that_are_given() -> None:
    *_, llama_server = kinds(llama_server_settings="--parallel 2 --flash-attn on")

    command = llama_server.command(MODEL, 8080, 2)

    assert command[-4:] == ["--parallel", "2", "--flash-attn", "on"]
    assert [command[command.index(flag) + 1] for flag in ("--model", "--port", "--threads")] == [
        "some.gguf",
        "8080",
        "2",
    ]
