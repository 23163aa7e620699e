"""Where the pieces of the proof's charts lie, and how it writes its numbers; no database has seen them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from console.conversations.report import NOTHING, Numbers
from console.proof import charts, words
from console.proof.plot import HEIGHT, TOP, Series, axis_top
from console.proof.selection import BUCKETS_AT_MOST, PERIODS, Selection

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def numbers(**counts: int) -> Numbers:
    return replace(NOTHING, counts={**NOTHING.counts, **counts})


def timed(measure: str, p50: int, p95: int, p99: int) -> Numbers:
    return replace(NOTHING, ms={**NOTHING.ms, measure: {"p50": p50, "p95": p95, "p99": p99}})


def series(*buckets: Numbers | None) -> Series:
    starts = [START + index * HOUR for index in range(len(buckets))]
    known = {start: each for start, each in zip(starts, buckets, strict=True) if each}
    return Series(starts, HOUR, known, lambda **more: "&".join(f"{key}={more[key]}" for key in more))


# --- charts -------------------------------------------------------------------------------------------------


def test_bars_stand_on_each_other_and_end_at_the_bottom() -> None:
    chart = charts.outcomes(series(numbers(answered=30, handed_over=10), None))
    answered, handed_over = chart.columns[0].bars
    assert float(answered.y) + float(answered.height) == pytest.approx(HEIGHT)
    assert float(handed_over.y) + float(handed_over.height) == pytest.approx(float(answered.y), abs=0.1)
    assert float(answered.height) == pytest.approx(3 * float(handed_over.height), abs=0.3)
    assert float(handed_over.y) >= TOP
    assert not chart.columns[1].bars


def test_a_piece_says_what_it_is_and_leads_to_its_turns() -> None:
    chart = charts.outcomes(series(numbers(answered=3, declined=1)))
    answered, declined = chart.columns[0].bars
    assert declined.href == "bucket=2026-11-24T09:00:00Z&which=declined"
    assert chart.columns[0].title == "24 Nov, 09:00 – 10:00\nAnswered: 3\nDeclined: 1"
    assert answered.title == chart.columns[0].title


def test_the_table_has_every_bucket() -> None:
    chart = charts.outcomes(series(numbers(answered=1234), None))
    assert [cell.text for cell in chart.rows[0].cells] == ["1,234", "0", "0", "0"]
    assert [cell.raw for cell in chart.rows[1].cells] == [0, 0, 0, 0]


@pytest.mark.parametrize("measure", ["first_reply", "answer"])
def test_lines_stop_where_nothing_was_measured(measure: str) -> None:
    measured = timed(measure, 1000, 2000, 3000)
    chart = charts.CHARTS[measure](series(measured, measured, None, measured))
    medians = [point for column in chart.columns for point in column.points if point.css == "p50"]
    assert [bool(point.from_x) for point in medians] == [False, True, False]
    assert chart.rows[2].cells[0].text == "–"


def test_the_line_of_five_seconds_is_always_on_the_chart() -> None:
    chart = charts.first_reply(series(timed("first_reply", 10, 20, 30)))
    assert TOP < float(chart.limit_y) < HEIGHT / 2


def test_one_endless_wait_does_not_flatten_the_chart() -> None:
    chart = charts.first_reply(series(timed("first_reply", 2000, 3000, 7_200_000)))
    p50, _, p99 = chart.columns[0].points
    assert float(p50.y) < HEIGHT - 10
    assert (p99.is_cut, float(p99.y)) == (True, TOP)
    assert "2 h 0 min" in p99.title


def test_hops_are_stacked_and_clocks_that_differ_do_no_harm() -> None:
    each = replace(
        NOTHING,
        ms={
            **NOTHING.ms,
            "ask": {"p50": 1000, "p95": 1, "p99": 1},
            "queue_for_llm": {"p50": -40, "p95": 1, "p99": 1},
            "llm": {"p50": 2000, "p95": 1, "p99": 1},
        },
    )
    chart = charts.hops(series(each))
    assert [bar.css for bar in chart.columns[0].bars] == ["ask", "llm"]
    assert chart.rows[0].cells[2].raw == -40


@pytest.mark.parametrize("draw", charts.CHARTS.values())
def test_nothing_to_draw(draw: charts.Draw) -> None:
    chart = draw(series(None, None))
    assert chart.is_empty
    assert len(chart.rows) == 2


@pytest.mark.parametrize("highest", [0, 1, 3, 4, 5, 9, 17, 99, 100, 101, 416, 2500, 5500, 20_000, 1_234_567])
def test_the_axis_reaches_the_highest_value_in_four_round_steps(highest: int) -> None:
    top = axis_top(highest)
    assert highest <= top <= max(4, 2 * highest)
    assert float(f"{top / 4:.2g}") == top / 4
    if highest < 40:
        assert (top / 4).is_integer()


# --- periods ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [*(length for _, length in PERIODS.values()), timedelta(days=300)])
def test_buckets_cover_the_period_and_are_few(length: timedelta) -> None:
    until = datetime(2026, 11, 24, 9, 17, 3, tzinfo=UTC)
    selection = Selection("custom", until - length, until)
    buckets = selection.buckets
    assert buckets[0] <= selection.since < buckets[0] + selection.bucket
    assert buckets[-1] < until <= buckets[-1] + selection.bucket
    assert BUCKETS_AT_MOST // 4 < len(buckets) <= BUCKETS_AT_MOST + 1


def test_days_begin_at_midnight_and_weeks_on_mondays() -> None:
    assert Selection("custom", START - timedelta(days=40), START).buckets[0].hour == 0
    week = Selection("custom", START - timedelta(days=400), START).buckets[0]
    assert (week.weekday(), week.hour) == (0, 0)


# --- words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (None, "–"),
        (0.0, "0 %"),
        (100.0, "100 %"),
        (99.97, "99.9 %"),
        (0.02, "< 0.1 %"),
        (0.1, "0.1 %"),
        (33.333, "33.3 %"),
    ],
)
def test_nearly_all_is_not_all(share: float | None, said: str) -> None:
    assert words.percent(share) == said


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (None, "–"),
        (0, "0 ms"),
        (-12, "-12 ms"),
        (999, "999 ms"),
        (1840, "1.84 s"),
        (9999, "9.99 s"),
        (12_345, "12.3 s"),
        (59_999, "59.9 s"),
        (312_000, "5 min 12 s"),
        (7_500_000, "2 h 5 min"),
    ],
)
def test_times_as_people_say_them(ms: int | None, said: str) -> None:
    assert words.duration(ms) == said


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (timedelta(minutes=1), "24 Nov, 09:00 – 09:01"),
        (timedelta(hours=12), "24 Nov, 09:00 – 21:00"),
        (timedelta(days=1), "24 Nov"),
        (timedelta(days=7), "24 Nov – 30 Nov"),
    ],
)
def test_buckets_in_words(width: timedelta, said: str) -> None:
    start = START.replace(hour=0) if width >= timedelta(days=1) else START
    assert words.stretch(start, width) == said
