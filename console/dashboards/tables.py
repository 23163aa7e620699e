"""Numbers as tables: for the page, and as CSV for a spreadsheet."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from console.conversations.timeline import explain
from console.dashboards.figures import Figures
from console.dashboards.heat import HeatMap
from console.proof import words
from console.proof.plot import Cell, Chart


@dataclass(frozen=True)
class Row:
    """A line of a table. `href`: what its label leads to; `share`: of the largest one, as a width."""

    label: str
    cells: Sequence[Cell]
    href: str = ""
    share: str = ""


PARTS_SHOWN = 50
"""Of the channels or organizations on a page; a spreadsheet has all."""


@dataclass(frozen=True)
class Table:
    """Rows under heads: `columns` has the key of each, for a spreadsheet, and its head. `limit`: so many rows
    stand on the page."""

    name: str
    key: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Row]
    limit: int | None = None

    @property
    def shown(self) -> Sequence[Row]:
        return self.rows[: self.limit]

    @property
    def said_limit(self) -> str:
        """What the page leaves out, if anything."""
        if len(self.shown) == len(self.rows):
            return ""
        counts = {"shown": words.number(len(self.shown)), "all": words.number(len(self.rows))}
        return _("These are the %(shown)s with most turns of %(all)s; the CSV has all.") % counts


def of_chart(chart: Chart) -> Table:
    """The numbers of a chart over time; the time as a spreadsheet reads it."""
    rows = [Row(row.start.isoformat(), row.cells) for row in chart.rows]
    return Table(chart.name, "start", [*chart.legend, *chart.more_columns], rows)


def of_hours(heat: HeatMap) -> Table:
    """Messages by weekday and hour."""
    columns = [(f"{hour:02}:00", f"{hour:02}") for hour in heat.hours]
    return Table("hours", "weekday", columns, [Row(name, cells) for name, cells in heat.rows])


def of_reasons(reasons: Sequence[tuple[str, int]]) -> Table:
    """Why turns were handed over."""
    most = max((count for _reason, count in reasons), default=0)
    rows = [
        Row(
            explain(reason) or _("No reason is given."),
            [Cell(words.number(count), count)],
            share=f"{count * 100 / most:.2f}%",
        )
        for reason, count in reasons
    ]
    return Table("reasons", "reason", [("turns", _("Turns"))], rows)


def of_parts(name: str, figures: Mapping[Any, Figures], named: Mapping[Any, tuple[str, str]]) -> Table:
    """Figures of channels or organizations, those with most turns first. `named`: the name of each and the
    address of its own dashboard."""
    most = max((each.turns for each in figures.values()), default=0)
    parts = sorted(named.items(), key=lambda each: (-figures.get(each[0], Figures()).turns, each[1][0]))
    rows = [
        Row(title, _part(each), href, f"{each.turns * 100 / most if most else 0:.2f}%")
        for key, (title, href) in parts
        for each in [figures.get(key, Figures())]
    ]
    columns = [
        ("received", _("Messages")),
        ("turns", _("Turns")),
        ("answered_percent", _("Answered")),
        ("handed_over_percent", _("Handed over")),
        ("in_time_percent", _("Within 5 s")),
        ("tokens_per_answer", _("Tokens per answer")),
    ]
    return Table(name, name.removesuffix("s"), columns, rows, PARTS_SHOWN)


def as_csv(table: Table, file_name: str) -> HttpResponse:
    """A table as a file that a spreadsheet opens."""
    response = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
    )
    writer = csv.writer(response)
    writer.writerow([table.key, *(key for key, _head in table.columns)])
    for row in table.rows:
        writer.writerow([_harmless(row.label), *(cell.raw for cell in row.cells)])
    return response


def _harmless(label: str) -> str:
    """A name that a spreadsheet does not take for a formula."""
    return f"'{label}" if label[:1] in ("=", "+", "-", "@", "\t", "\r") else label


def _part(figures: Figures) -> list[Cell]:
    return [
        Cell(words.number(figures.received), figures.received),
        Cell(words.number(figures.turns), figures.turns),
        *(
            Cell(words.percent(share), "" if share is None else round(share, 1))
            for share in (figures.answered_percent, figures.handed_over_percent, figures.in_time_percent)
        ),
        _count(figures.tokens_per_answer),
    ]


def _count(count: int | None) -> Cell:
    return Cell("–", "") if count is None else Cell(words.number(count), count)
