"""`manage.py capacity`: what it takes, what it refuses, and what it says."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest
from django.core.management import CommandError, call_command

from console.capacity import traffic
from console.capacity.arrivals import arrivals
from console.capacity.catalog import DATA, read_prices, read_speeds
from console.capacity.designs import plan
from console.capacity.errors import CapacityError
from console.capacity.ledger import from_ledger
from console.capacity.scaling import Metric
from console.capacity.simulation import simulate
from console.capacity.study import Question, Study, study
from console.conversations.models import Contact
from tests import factories

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SPEEDS, PRICES = read_speeds(), read_prices()


def capacity(*arguments: str) -> str:
    output = StringIO()
    call_command("capacity", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture(scope="module")
def small() -> Study:
    """Of a platform with one box's load."""
    return study(traffic.by_rule(3000, 20), SPEEDS, PRICES, Question(), NOW)


# --- traffic ------------------------------------------------------------------------------------------------


def test_traffic_comes_from_a_file_by_hour_and_organization() -> None:
    lines = ["hour,messages,organization", "8,100,smile", "9,50,smile", "9,30,garage", "9,20,garage"]
    found = traffic.from_csv(lines, "day.csv", organizations=5)
    assert (found.per_hour[8], found.per_hour[9], found.per_day) == (100, 100, 200)
    assert sorted(found.shares) == [0.25, 0.75]


def test_traffic_of_a_file_without_organizations_is_shared_by_zipfs_law() -> None:
    found = traffic.from_csv(["hour,messages", "8,100", "9,83"], "day.csv", organizations=3)
    assert found.per_hour[8:10] == pytest.approx([100, 83])
    assert found.shares == pytest.approx([6 / 11, 3 / 11, 2 / 11])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["time,count", "1,2"], "day.csv needs the columns hour and messages"),
        (["hour,messages", "1,2", "24,2"], "day.csv, line 3: hour must be 0 to 23"),
        (["hour,messages", "1,-2"], "day.csv, line 2: hour must be 0 to 23, and messages 0 or more"),
        (["hour,messages", "1,nan"], "day.csv, line 2"),
        (["hour,messages", "1"], "day.csv, line 2: hour must be a whole number and messages a number"),
        (["hour,messages", "1.5,3"], "day.csv, line 2"),
        (["hour,messages", "1,0"], "There is no message in day.csv"),
        ([], "day.csv needs the columns"),
    ],
)
def test_a_file_with_something_wrong_is_refused_with_the_line(lines: Sequence[str], said: str) -> None:
    with pytest.raises(CapacityError, match=said):
        traffic.from_csv(lines, "day.csv", organizations=1)


def test_organizations_like_another_bring_its_messages() -> None:
    day = traffic.from_csv(["hour,messages,organization", "8,100,smile", "9,50,garage"], "day.csv", 1)
    grown = day.with_more_like("smile", 3)
    assert grown.per_hour[8:10] == [400, 50]
    assert len(grown.shares) == 5
    with pytest.raises(CapacityError, match=r"There is no organization 'nobody' with messages in day\.csv"):
        day.with_more_like("nobody", 1)


def test_traffic_by_rule_has_the_messages_and_sleeps_at_night() -> None:
    found = traffic.by_rule(10_000_000, 10_000)
    assert found.per_day == pytest.approx(10_000_000)
    assert found.per_hour[3] < found.per_hour[11] / 10
    assert found.shares[0] == pytest.approx(2 * found.shares[1])


@pytest.mark.django_db
def test_the_ledger_gives_an_average_day_without_test_contacts() -> None:
    conversation = factories.make_conversation(factories.make_channel(factories.make_organization("smile")))
    tried = factories.make_conversation(factories.make_channel(factories.make_organization("trying")))
    Contact.objects.filter(pk=tried.contact_id).update(is_test=True)
    for days, hour in ((4, 12), (2, 9), (1, 9), (1, 17)):
        at = (NOW - timedelta(days=days)).replace(hour=hour)
        factories.make_answered_turn(conversation, ["Hello", "Are you open?"], at=at)
        factories.make_answered_turn(tried, at=at)
    factories.make_answered_turn(conversation, at=NOW - timedelta(days=30))
    found = from_ledger(NOW, days=7)
    assert list(found.by_organization) == ["smile"]
    assert {hour: count for hour, count in enumerate(found.per_hour) if count} == {9: 1.0, 12: 0.5, 17: 0.5}
    assert (found.messages_per_turn, found.requests_per_turn) == (2.0, 1.0)
    with pytest.raises(CapacityError, match="The ledger has no message of the last 7 days"):
        from_ledger(NOW - timedelta(days=60), days=7)


# --- the data files -----------------------------------------------------------------------------------------


def test_each_kind_of_box_has_a_price_and_says_where_its_figures_are_from() -> None:
    assert set(SPEEDS.kinds) == set(PRICES.boxes_per_hour)
    for kind in SPEEDS.kinds.values():
        assert kind.basis.startswith(("measured: ", "estimate: "))
        rates = [kind.speed.at(count) for count in range(1, kind.speed.slots + 1)]
        assert rates == sorted(rates)
    here, small = SPEEDS.kinds["here"], SPEEDS.kinds["small"]
    assert small.speed.full == pytest.approx(2 * here.speed.full)
    assert here.kept_prompts == 311


def test_a_file_of_ones_own_counts_and_one_that_lacks_something_is_refused(tmp_path: Path) -> None:
    prices = (DATA / "prices.toml").read_text()
    own = tmp_path / "prices.toml"
    own.write_text(prices.replace("small = 0.181", "small = 1.0"))
    assert read_prices(own).boxes_per_hour["small"] == 1.0
    own.write_text(prices.replace("median_seconds", "seconds"))
    with pytest.raises(CapacityError, match=r"prices.toml lacks 'median_seconds'"):
        read_prices(own)
    own.write_text("date = ")
    with pytest.raises(CapacityError, match="cannot be read"):
        read_prices(own)


# --- a study ------------------------------------------------------------------------------------------------


def test_a_study_compares_four_designs(small: Study) -> None:
    assert [result.key for result in small.results] == ["chosen", "always_on", "medium", "hosted"]
    chosen, always_on, medium, hosted = small.results
    assert (chosen.boxes_at_most, medium.boxes_at_most, hosted.boxes_at_most) == (1, 2, 0)
    assert chosen.in_time_share > 0.99
    assert "Queues" in chosen.costs
    assert "Queues" not in always_on.costs
    for result in small.results:
        answers = small.turns_per_day * 365 / 12 * (1 - result.handed_over_share)
        assert result.per_thousand_answers == pytest.approx(1000 * result.per_month / answers, rel=0.05)


def test_what_a_box_costs_is_its_hours(small: Study) -> None:
    chosen = small.results[0]
    assert chosen.box_hours_per_day == 24
    assert chosen.costs["LLM boxes"] == pytest.approx(730 * PRICES.boxes_per_hour["small"])


def test_a_hosted_llm_is_paid_by_the_token(small: Study) -> None:
    requests = small.turns_per_day * 365 / 12 * SPEEDS.requests_per_turn
    expected = requests * (720 * 0.10 + 20 * 0.40) / 1e6
    assert small.results[3].costs["Hosted LLM"] == pytest.approx(expected, rel=0.05)


def test_a_study_can_be_kept(small: Study) -> None:
    assert Study.of_json(json.loads(json.dumps(small.as_json()))) == small


def test_ten_million_messages_a_day_are_planned_and_simulated_as_a_few_thousand_an_hour() -> None:
    found = plan(traffic.by_rule(10_000_000, 10_000), SPEEDS, PRICES, "small", Metric.BACKLOG)
    parcels = list(arrivals(found.turns_per_hour, Random(1), 0))  # noqa: S311 - no secret
    assert sum(turns for _, turns in parcels) == pytest.approx(
        10_000_000 / SPEEDS.messages_per_turn, rel=0.01
    )
    assert len(parcels) < 24 * 5500
    assert found.peak_turns_per_second > 130


def test_one_server_that_is_always_on_is_as_large_as_the_busiest_minute_needs() -> None:
    titles = {}
    for messages in (3000, 400_000, 10_000_000):
        found = plan(traffic.by_rule(messages, 100), SPEEDS, PRICES, "small", Metric.BACKLOG)
        titles[messages] = (found.designs[1].box, found.designs[1].title)
    assert titles[3000] == ("small", "One server, always on")
    assert titles[400_000] == ("medium", "One server, always on")
    assert titles[10_000_000][1].endswith(" servers, always on")


def test_more_organizations_need_more_boxes() -> None:
    lines = ["hour,messages,organization", *(f"{hour},6000,smile" for hour in (9, 10, 11)), "9,100,garage"]
    day = traffic.from_csv(lines, "day.csv", organizations=1)
    hours = []
    for each in (day, day.with_more_like("smile", 3)):
        found = plan(each, SPEEDS, PRICES, "small", Metric.BACKLOG)
        outcome = simulate(found.turns_per_hour, found.designs[0].answering, found.designs[0].pipeline)
        assert outcome.in_time_share > 0.95
        hours.append(outcome.box_hours)
    assert hours[0] == 24
    assert hours[1] > 25


# --- the command --------------------------------------------------------------------------------------------


def test_the_command_prints_boxes_by_hour_and_the_designs() -> None:
    said = capacity("--messages", "2000", "--organizations", "10")
    lines = said.splitlines()
    assert "  2,000 messages and 1,538 turns a day, 10 organizations" in lines
    assert sum(line[:6].endswith(":00 ") for line in lines) == 24
    for title in ("Functions and LLM boxes", "One server, always on", "Functions and a hosted LLM"):
        assert any(line.startswith(title) and "$" not in line and line.count("%") == 3 for line in lines)
    assert all(len(line) <= 120 for line in lines)


def test_the_command_reads_a_file_and_prints_json(tmp_path: Path) -> None:
    day = tmp_path / "day.csv"
    day.write_text("hour,messages,organization\n9,300,smile\n10,100,garage\n")
    found = json.loads(capacity("--csv", str(day), "--like", "smile", "--times", "2", "--json"))
    assert found["source"] == "day.csv, and 2 more like smile"
    assert found["messages_per_hour"][9:11] == [900, 100]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--messages", "10", "--kind", "huge"], "--kind must be one of here, small, medium, big, gpu"),
        (["--csv", "nowhere.csv"], "nowhere.csv cannot be read"),
        (["--messages", "0"], "argument --messages: invalid"),
        (["--messages", "10", "--like", "nobody"], "There is no organization 'nobody'"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: Sequence[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        capacity(*arguments)


def test_the_charts_are_written_as_svg(tmp_path: Path) -> None:
    capacity("--messages", "1000", "--organizations", "5", "--svg", str(tmp_path / "images"))
    written = {path.name: path for path in (tmp_path / "images").iterdir()}
    assert set(written) == {"capacity-messages.svg", "capacity-boxes.svg", "capacity-waits.svg"}
    drawn = ElementTree.parse(written["capacity-waits.svg"]).getroot()  # noqa: S314 - our own
    titles = [title.text or "" for title in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("23:00\nFunctions and LLM boxes: ") for title in titles)
