"""The parts of a chart and of its table that repeat hundreds of times, as markup. Pure.

A template takes four times as long for them, and they are half of a page with charts.
"""

from collections.abc import Iterator, Sequence
from html import escape

from django.utils.safestring import SafeString, mark_safe

from console.proof.plot import Bar, Cell, Chart, Column, Point, Row, Tick


def drawing(chart: Chart) -> SafeString:
    """What is in the SVG of a chart."""
    points = [point for column in chart.columns for point in column.points]
    pieces = [
        *map(_grid_line, chart.y_ticks),
        *map(_label, chart.x_ticks),
        *map(_column, chart.columns),
        _limit(chart.limit_y),
        *(_line(point) for point in points if point.from_x),
        *map(_dot, points),
    ]
    return mark_safe("".join(pieces))  # noqa: S308 - each piece has escaped what is in it


def table_rows(rows: Sequence[Row]) -> SafeString:
    """The rows of a chart's table."""
    return mark_safe("".join(map(_row, rows)))  # noqa: S308 - each piece has escaped what is in it


def _grid_line(tick: Tick) -> str:
    return f'<line class="hub-grid" x1="0" x2="100%" y1="{tick.at}" y2="{tick.at}"/>'


def _label(tick: Tick) -> str:
    minor = ' class="is-minor"' if tick.is_minor else ""
    return f'<text x="{tick.at}" y="222"{minor}>{escape(tick.label)}</text>'


def _column(column: Column) -> str:
    place = f'x="{column.x}" width="{column.width}"'
    hover = f'<rect class="hub-hover" {place} y="0" height="200"/>'
    bars = f'<svg {place} height="200">{"".join(map(_bar, column.bars))}</svg>' if column.bars else ""
    return f'<g class="proof-column">{_link(column, hover)}{bars}</g>'


def _bar(bar: Bar) -> str:
    rect = f'<rect class="proof-{bar.css}" x="9%" width="82%" y="{bar.y}" height="{bar.height}"/>'
    return _link(bar, rect)


def _limit(y: str) -> str:
    return f'<line class="proof-limit-line" x1="0" x2="100%" y1="{y}" y2="{y}"/>' if y else ""


def _line(point: Point) -> str:
    ends = f'x1="{point.from_x}" y1="{point.from_y}" x2="{point.x}" y2="{point.y}"'
    return f'<line class="proof-line proof-{point.css}" {ends}/>'


def _dot(point: Point) -> str:
    css = " ".join(_dot_classes(point))
    return _link(point, f'<circle class="{css}" cx="{point.x}" cy="{point.y}" r="3"/>')


def _dot_classes(point: Point) -> Iterator[str]:
    yield f"proof-dot proof-{point.css}"
    if point.is_cut:
        yield "is-cut"
    if not point.from_x:
        yield "is-start"


def _link(shown: Column | Bar | Point, shape: str) -> str:
    """A shape that says what it is, and leads to its turns where there is a list of them."""
    href = f' href="{escape(shown.href)}"' if shown.href else ""
    return f'<a{href} tabindex="-1"><title>{escape(shown.title)}</title>{shape}</a>'


def _row(row: Row) -> str:
    return f'<tr><th scope="row">{escape(row.label)}</th>{"".join(map(_cell, row.cells))}</tr>'


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    return f'<td><a href="{escape(cell.href)}">{text}</a></td>' if cell.href else f"<td>{text}</td>"
