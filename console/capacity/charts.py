"""A study's charts: boxes by hour, and waits by hour of each design. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from console.capacity.outcome import IN_TIME_SECONDS
from console.capacity.study import Result, Study
from console.proof import words
from console.proof.plot import Cell, Chart, Column, Point, Row, Tick, axis_top, stack, y, y_ticks
from console.stored_sentences import translate_stored

HOURS = 24
LABELLED_EVERY = 3
CEILING_SECONDS = 10.0
"""A wait beyond this is drawn at the chart's upper edge."""


def messages(study: Study) -> Chart:
    """What comes in each hour."""
    return _bars(
        study,
        "messages",
        _("Messages"),
        _("Of all organizations, in each hour of the day (UTC)."),
        [round(count) for count in study.messages_per_hour],
    )


def boxes(study: Study) -> Chart:
    """LLM boxes of the chosen design."""
    counts = [hour.boxes for hour in study.results[0].hours]
    note = _("Of the chosen design: how many are paid for at most in each hour.")
    return _bars(study, "boxes", _("LLM boxes"), note, counts)


def waits(study: Study) -> Chart:
    """The 95th percentile of each design's waits, with the line of five seconds."""
    found = [hour.p95 for result in study.results for hour in result.hours if hour.p95 is not None]
    top_ms = axis_top(min(max([*found, IN_TIME_SECONDS * 1.1]), CEILING_SECONDS) * 1000)
    columns = [
        Column(_x(hour), _x(1), _said(study.results, hour), "", points=_points(study.results, hour, top_ms))
        for hour in range(HOURS)
    ]
    rows = [
        Row(f"{hour:02}:00", _start(study, hour), [_cell(result.hours[hour].p95) for result in study.results])
        for hour in range(HOURS)
    ]
    return Chart(
        name="waits",
        title=_("Wait for the answer"),
        note=_("Of 20 turns 19 are answered within this time after their last message."),
        legend=[(result.key, translate_stored(result.title)) for result in study.results],
        y_ticks=y_ticks(top_ms, lambda ms: f"{ms / 1000:g} s" if ms else "0"),
        x_ticks=_x_ticks(),
        columns=columns,
        rows=rows,
        limit_y=y(IN_TIME_SECONDS * 1000, top_ms),
    )


CHARTS: Sequence[Callable[[Study], Chart]] = (messages, boxes, waits)


def _bars(study: Study, name: str, title: str, note: str, counts: Sequence[int]) -> Chart:
    top = axis_top(max(counts))
    columns, rows = [], []
    for hour, count in enumerate(counts):
        said = f"{hour:02}:00\n{title}: {words.number(count)}"
        bars = stack({name: count}, {name: ""}, said, top)
        columns.append(Column(_x(hour), _x(1), said, "", bars))
        rows.append(Row(f"{hour:02}:00", _start(study, hour), [Cell(words.number(count), count)]))
    return Chart(
        name=name,
        title=title,
        note=note,
        legend=[(name, title)],
        y_ticks=y_ticks(top, _short),
        x_ticks=_x_ticks(),
        columns=columns,
        rows=rows,
    )


def _points(results: Sequence[Result], hour: int, top_ms: float) -> list[Point]:
    points = []
    for result in results:
        p95, before = result.hours[hour].p95, result.hours[hour - 1].p95 if hour else None
        if p95 is not None:
            point = Point(
                css=result.key,
                x=_x(hour + 0.5),
                y=y(p95 * 1000, top_ms),
                href="",
                title=f"{hour:02}:00\n{translate_stored(result.title)}: {_cell(p95).text}",
                is_cut=p95 * 1000 > top_ms,
                from_x="" if before is None else _x(hour - 0.5),
                from_y="" if before is None else y(before * 1000, top_ms),
            )
            points.append(point)
    return points


def _said(results: Sequence[Result], hour: int) -> str:
    lines = [f"{translate_stored(result.title)}: {_cell(result.hours[hour].p95).text}" for result in results]
    return "\n".join([f"{hour:02}:00", *lines])


def _cell(seconds: float | None) -> Cell:
    return Cell("–", "") if seconds is None else Cell(f"{number_format(seconds, 1)} s", round(seconds * 1000))


def _start(study: Study, hour: int) -> datetime:
    midnight = datetime.fromisoformat(study.made_at).replace(hour=0, minute=0)
    return midnight + timedelta(hours=hour)


def _x(hour: float) -> str:
    return f"{hour / HOURS * 100:.3f}%"


def _x_ticks() -> list[Tick]:
    hours = range(0, HOURS, LABELLED_EVERY)
    return [Tick(_x(hour), f"{hour:02}:00", is_minor=place % 2 == 1) for place, hour in enumerate(hours)]


def _short(count: float) -> str:
    """For an axis."""
    return f"{count / 1000:g}k" if count >= 10_000 else f"{count:g}"
