"""The charts over time: outcomes, times to the first reply and to the answer, and where they go. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from console.conversations.report import HOPS, PERCENTILES, Numbers
from console.conversations.timeline import REPLY_LIMIT_MS
from console.proof import words
from console.proof.plot import Cell, Chart, Column, Point, Row, Series, axis_top, stack, x_ticks, y, y_ticks

OUTCOMES = ("answered", "handed_over", "declined", "open")
SHARES = tuple(f"p{round(share * 100)}" for share in PERCENTILES)
CEILING_MS = 20_000
"""A time beyond this is drawn at the chart's upper edge: it would flatten all others."""


def outcomes(series: Series) -> Chart:
    """Turns per bucket, stacked by outcome."""
    counts = {start: _counts(series.numbers.get(start)) for start in series.starts}
    top = axis_top(max((sum(each.values()) for each in counts.values()), default=0))
    columns, rows = [], []
    for index, (start, each) in enumerate(counts.items()):
        hrefs = {name: series.href(start, which=name) for name in OUTCOMES}
        said = [f"{_(words.CONDITIONS[name])}: {words.number(each[name])}" for name in OUTCOMES if each[name]]
        title = "\n".join([series.said(start), *(said or [_("no turns")])])
        bars = stack(each, hrefs, title, top)
        columns.append(Column(series.x(index), series.x(1), title, series.href(start), bars))
        cells = [Cell(words.number(each[name]), each[name], hrefs[name]) for name in OUTCOMES]
        rows.append(Row(series.said(start), start, cells))
    return Chart(
        name="outcomes",
        title=_("Outcomes"),
        note=_("Turns by when they began."),
        legend=[(name, _(words.CONDITIONS[name])) for name in OUTCOMES],
        y_ticks=y_ticks(top, lambda turns: words.number(round(turns))),
        x_ticks=x_ticks(series),
        columns=columns,
        rows=rows,
    )


def first_reply(series: Series) -> Chart:
    """Percentiles of the time to the first reply, with the line of five seconds."""
    note = _("From the contact's last message to the first of answer, holding line and fallback.")
    return _percentiles(series, "first_reply", _("Time to the first reply"), note, limit_ms=REPLY_LIMIT_MS)


def answer(series: Series) -> Chart:
    """Percentiles of the time to the answer."""
    note = _("From the contact's last message to the answer, of the turns that were answered.")
    return _percentiles(series, "answer", _("Time to the answer"), note)


def _percentiles(series: Series, measure: str, title: str, note: str, limit_ms: int = 0) -> Chart:
    times = {start: _times(series.numbers.get(start), measure) for start in series.starts}
    highest = max((ms for each in times.values() for ms in each.values() if ms is not None), default=0)
    top = axis_top(min(max(highest, limit_ms * 1.1), CEILING_MS))
    columns, rows = [], []
    before: Mapping[str, int | None] = {}
    for index, (start, each) in enumerate(times.items()):
        said = [f"{share}: {words.duration(ms)}" for share, ms in each.items() if ms is not None]
        said_in_all = "\n".join([series.said(start), *(said or [_("nothing measured")])])
        points = [
            _point(series, index, measure, share, ms, before.get(share), top)
            for share, ms in each.items()
            if ms is not None
        ]
        href = series.href(start, of=measure)
        columns.append(Column(series.x(index), series.x(1), said_in_all, href, points=points))
        cells = [_time_cell(series, start, measure, ms) for ms in each.values()]
        rows.append(Row(series.said(start), start, cells))
        before = each
    return Chart(
        name=measure,
        title=title,
        note=note,
        legend=[(share, share) for share in SHARES],
        y_ticks=y_ticks(top, _axis_time),
        x_ticks=x_ticks(series),
        columns=columns,
        rows=rows,
        limit_y=y(limit_ms, top) if limit_ms else "",
    )


def hops(series: Series) -> Chart:
    """Where the time goes: the median of each hop, stacked."""
    found = {start: _medians(series.numbers.get(start)) for start in series.starts}
    drawn = {start: {name: max(0, each[name] or 0) for name in HOPS} for start, each in found.items()}
    top = axis_top(max((sum(each.values()) for each in drawn.values()), default=0))
    columns, rows = [], []
    for index, (start, each) in enumerate(drawn.items()):
        cells = [_time_cell(series, start, name, found[start][name]) for name in HOPS]
        hrefs = {name: cell.href for name, cell in zip(HOPS, cells, strict=True)}
        said = [
            f"{_(words.HOPS[name])}: {words.duration(each[name])}" for name in reversed(HOPS) if each[name]
        ]
        title = "\n".join([series.said(start), *(said or [_("nothing measured")])])
        bars = stack(each, hrefs, title, top)
        columns.append(Column(series.x(index), series.x(1), title, series.href(start), bars))
        rows.append(Row(series.said(start), start, cells))
    return Chart(
        name="hops",
        title=_("Where the time goes"),
        note=_("The median of each hop, stacked in the order in which they follow each other."),
        legend=[(name, _(words.HOPS[name])) for name in HOPS],
        y_ticks=y_ticks(top, _axis_time),
        x_ticks=x_ticks(series),
        columns=columns,
        rows=rows,
    )


Draw = Callable[[Series], Chart]
CHARTS: Mapping[str, Draw] = {
    "outcomes": outcomes,
    "first_reply": first_reply,
    "answer": answer,
    "hops": hops,
}


def _counts(numbers: Numbers | None) -> dict[str, int]:
    return {name: numbers.counts[name] if numbers else 0 for name in OUTCOMES}


def _times(numbers: Numbers | None, measure: str) -> dict[str, int | None]:
    return numbers.ms[measure] if numbers else dict.fromkeys(SHARES)


def _medians(numbers: Numbers | None) -> dict[str, int | None]:
    return {name: numbers.ms[name]["p50"] if numbers else None for name in HOPS}


def _time_cell(series: Series, start: datetime, measure: str, ms: int | None) -> Cell:
    if ms is None:
        return Cell("–", "")
    return Cell(words.duration(ms), ms, series.href(start, of=measure, at_least=ms))


def _point(
    series: Series, index: int, measure: str, share: str, ms: int, before: int | None, top: float
) -> Point:
    start = series.starts[index]
    return Point(
        css=share,
        x=series.x(index + 0.5),
        y=y(ms, top),
        href=series.href(start, of=measure, at_least=ms),
        title=f"{series.said(start)}\n{share}: {words.duration(ms)}",
        is_cut=ms > top,
        from_x="" if before is None else series.x(index - 0.5),
        from_y="" if before is None else y(before, top),
    )


def _axis_time(ms: float) -> str:
    return "0" if not ms else f"{_short(ms / 1000)} s" if ms >= 1000 else f"{_short(ms)} ms"


def _short(value: float) -> str:
    return number_format(f"{value:g}")
