"""The charts over time: messages, outcomes, answer times, hand-overs, tokens and feedback. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from django.utils.translation import gettext as _

from console.conversations.timeline import REPLY_LIMIT_MS
from console.dashboards.costs import Price, dollars
from console.dashboards.figures import Figures
from console.dashboards.periods import Period
from console.proof import words
from console.proof.charts import CEILING_MS
from console.proof.plot import Cell, Chart, Column, Point, Row, Tick, axis_top, stack, y, y_ticks

LABELS_AT_MOST = 8
SHARES = {"p50": 0.5, "p95": 0.95}
Legend = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Plot:
    """What the charts of a page have in common: a period, and the figures of its buckets."""

    period: Period
    over_time: Mapping[datetime, Figures]
    price: Price

    @cached_property
    def buckets(self) -> Mapping[datetime, str]:
        """Where each bucket begins, the oldest first, with what it is in words."""
        return {bucket: self.period.called(bucket) for bucket in self.period.buckets}

    @property
    def figures(self) -> list[tuple[datetime, Figures]]:
        """Each bucket with its figures, the oldest first."""
        return [(bucket, self.over_time.get(bucket, Figures())) for bucket in self.buckets]

    def x(self, index: float) -> str:
        """Where a bucket begins, in percent."""
        return f"{index / len(self.buckets) * 100:.3f}%"

    @property
    def x_ticks(self) -> list[Tick]:
        """Labels below few enough buckets to be read; every other one may be left out on a small screen."""
        buckets = list(self.buckets)
        every = -(-len(buckets) // LABELS_AT_MOST)
        return [
            Tick(self.x(index), self.period.label(buckets[index]), is_minor=index // every % 2 == 1)
            for index in range(0, len(buckets), every)
        ]


def messages(plot: Plot) -> Chart:
    """What came in and what went out."""
    legend = [("received", _("From contacts")), ("sent", _("To contacts"))]
    return _stacked(plot, "messages", _("Messages"), _("Of the turns that began then."), legend)


def outcomes(plot: Plot) -> Chart:
    """Turns by what became of them."""
    legend = [
        ("answered", _("Answered")),
        ("handed_over", _("Handed over")),
        ("declined", _("Declined")),
        ("open", _("Open")),
    ]
    note = _("Of turns: the messages of a contact that get one answer together.")
    return _stacked(plot, "outcomes", _("Outcomes"), note, legend)


def answer_times(plot: Plot) -> Chart:
    """Percentiles of the time to the answer, with the line of five seconds."""
    found = [
        {name: each.answer_ms(share) for name, share in SHARES.items()} for _bucket, each in plot.figures
    ]
    top = axis_top(min(max([*_known(found), REPLY_LIMIT_MS * 1.1]), CEILING_MS))
    columns, rows = _lines(plot, found, top, words.duration)
    return Chart(
        name="answer_times",
        title=_("Answer time"),
        note=_("From the contact's last message to the answer, to within some percent."),
        legend=[(name, name) for name in SHARES],
        y_ticks=y_ticks(top, lambda ms: f"{ms / 1000:g} s"),
        x_ticks=plot.x_ticks,
        columns=columns,
        rows=rows,
        limit_y=y(REPLY_LIMIT_MS, top),
    )


def hand_overs(plot: Plot) -> Chart:
    """Which share of the turns went to staff."""
    found = [{"handed_over": _tenths(each.handed_over_percent)} for _bucket, each in plot.figures]
    top = min(1000, axis_top(max([*_known(found), 100])))
    columns, rows = _lines(plot, found, top, lambda tenths: words.percent(tenths and tenths / 10))
    return Chart(
        name="hand_overs",
        title=_("Hand-over rate"),
        note=_("Of all turns, those that went to staff."),
        legend=[("handed_over", _("Handed over"))],
        y_ticks=y_ticks(top, lambda tenths: f"{tenths / 10:g} %"),
        x_ticks=plot.x_ticks,
        columns=columns,
        rows=rows,
    )


def tokens(plot: Plot) -> Chart:
    """What the LLM read and wrote, and what that cost."""
    legend = [("prompt_tokens", _("Read")), ("completion_tokens", _("Written"))]
    note = _("What the LLM read and wrote, for answers that were sent and for those that were not.")
    chart = _stacked(plot, "tokens", _("Tokens"), note, legend)
    more = [("tokens_per_answer", _("Per answer")), ("cost_usd", _("Cost, estimated"))]
    more = more if plot.price.is_set else more[:1]
    rows = [
        replace(row, cells=[*row.cells, *_costs(figures, plot.price)[: len(more)]])
        for row, (_bucket, figures) in zip(chart.rows, plot.figures, strict=True)
    ]
    return replace(chart, rows=rows, more_columns=more)


def feedback(plot: Plot) -> Chart:
    """What contacts and staff think of answers."""
    legend = [("good", _("Helpful")), ("bad", _("Not helpful"))]
    note = _("What contacts and staff say of answers of the bot, by when they say it.")
    chart = _stacked(plot, "feedback", _("Feedback"), note, legend)
    rows = [
        replace(row, cells=[*row.cells, Cell(words.number(each.by_contacts), each.by_contacts)])
        for row, (_bucket, each) in zip(chart.rows, plot.figures, strict=True)
    ]
    return replace(chart, rows=rows, more_columns=[("by_contacts", _("Of it by contacts"))])


CHARTS: Mapping[str, Callable[[Plot], Chart]] = {
    draw.__name__: draw for draw in (messages, outcomes, answer_times, hand_overs, feedback, tokens)
}


def _stacked(plot: Plot, name: str, title: str, note: str, legend: Legend) -> Chart:
    """Whole numbers of each bucket, by the names of the legend, on each other."""
    found = [(bucket, {key: getattr(each, key) for key, _label in legend}) for bucket, each in plot.figures]
    top = axis_top(max(sum(values.values()) for _bucket, values in found))
    columns, rows = [], []
    for index, (bucket, values) in enumerate(found):
        said = [f"{label}: {words.number(values[key])}" for key, label in legend if values[key]]
        about = _about(plot, bucket, said)
        bars = stack(values, dict.fromkeys(values, ""), about, top)
        columns.append(Column(plot.x(index), plot.x(1), about, "", bars))
        rows.append(_row(plot, bucket, [Cell(words.number(value), value) for value in values.values()]))
    return Chart(name, title, note, legend, y_ticks(top, _short), plot.x_ticks, columns, rows)


def _lines(
    plot: Plot,
    found: Sequence[Mapping[str, int | None]],
    top: float,
    say: Callable[[int | None], str],
) -> tuple[list[Column], list[Row]]:
    """A point for each value that is known, with a line from the one before."""
    columns, rows = [], []
    before: Mapping[str, int | None] = {}
    for index, (bucket, values) in enumerate(zip(plot.buckets, found, strict=True)):
        known = {name: value for name, value in values.items() if value is not None}
        about = _about(plot, bucket, [f"{name}: {say(value)}" for name, value in known.items()])
        points = [
            _point(plot, index, name, value, before.get(name), top, about) for name, value in known.items()
        ]
        columns.append(Column(plot.x(index), plot.x(1), about, "", points=points))
        cells = [Cell(say(value), "" if value is None else value) for value in values.values()]
        rows.append(_row(plot, bucket, cells))
        before = values
    return columns, rows


def _point(
    plot: Plot, index: int, name: str, value: int, before: int | None, top: float, about: str
) -> Point:
    return Point(
        css=name,
        x=plot.x(index + 0.5),
        y=y(value, top),
        href="",
        title=about,
        is_cut=value > top,
        from_x="" if before is None else plot.x(index - 0.5),
        from_y="" if before is None else y(before, top),
    )


def _costs(figures: Figures, price: Price) -> list[Cell]:
    per_answer, cost = figures.tokens_per_answer, price.of(figures)
    return [
        Cell("–", "") if per_answer is None else Cell(words.number(per_answer), per_answer),
        Cell(dollars(cost), round(cost, 6)),
    ]


def _about(plot: Plot, bucket: datetime, said: Sequence[str]) -> str:
    return "\n".join([plot.buckets[bucket], *(said or [_("nothing")])])


def _row(plot: Plot, bucket: datetime, cells: Sequence[Cell]) -> Row:
    return Row(plot.buckets[bucket], bucket.replace(tzinfo=plot.period.zone), cells)


def _known(found: Sequence[Mapping[str, int | None]]) -> list[int]:
    return [value for values in found for value in values.values() if value is not None]


def _tenths(percent: float | None) -> int | None:
    return None if percent is None else round(percent * 10)


def _short(count: float) -> str:
    """For an axis."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if count >= 10 * size:
            return f"{count / size:g}{letter}"
    return f"{count:g}"
