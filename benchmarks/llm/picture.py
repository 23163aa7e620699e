"""The results as an SVG: for each burst how many were answered by when, and for rates how many in time."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.llm.client import IN_TIME_SECONDS
from benchmarks.llm.climbing import IN_TIME_SHARE
from benchmarks.llm.comparison import Plan, Results
from benchmarks.llm.servers import LLAMA_SERVER_KIND, OURS_KIND, PACKAGED_KIND
from benchmarks.llm.tuned import LLAMA_SERVER_TUNED, OURS_TUNED

WIDTH, HEIGHT = 340, 220
LEFT, TOP, RIGHT, BOTTOM = 46, 34, 14, 44
LEGEND = 26
LEGEND_WIDTH = 180
COLOURS = {
    OURS_KIND.name: "#4ade80",
    OURS_TUNED: "#0b7a4b",
    LLAMA_SERVER_KIND.name: "#fb923c",
    LLAMA_SERVER_TUNED: "#c2410c",
    PACKAGED_KIND.name: "#64748b",
}
STYLE = (
    "text{font:11px sans-serif;fill:#334155} .title{font-weight:bold} .axis{stroke:#94a3b8} "
    ".mark{stroke:#94a3b8;stroke-dasharray:3 3} polyline{fill:none;stroke-width:2}"
)

Point = tuple[float, float]


@dataclass(frozen=True)
class Panel:
    """A set of axes from 0, shares (0 to 1) going up. `mark_x` and `mark_y` are dashed, None is no line."""

    title: str
    x_title: str
    max_x: float
    lines: Mapping[str, Sequence[Point]]
    mark_x: float | None = None
    mark_y: float | None = None


def picture(plan: Plan, results: Results) -> str:
    """A whole SVG document."""
    panels = [_burst_panel(plan, results, count) for count in plan.organizations]
    panels += [_rate_panel(results, count) for count in plan.climbed]
    return draw(panels)


def draw(panels: Sequence[Panel]) -> str:
    """The panels side by side under one legend."""
    width, height = WIDTH * len(panels), LEGEND + HEIGHT
    names = dict.fromkeys(name for panel in panels for name in panel.lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">',
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
        *_legend(names),
    ]
    for place, panel in enumerate(panels):
        parts += [f'<g transform="translate({place * WIDTH} {LEGEND})">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _burst_panel(plan: Plan, results: Results, count: int) -> Panel:
    lines = {}
    for kind in plan.kinds:
        waits = sorted(results.waits[count, kind.name])
        answered = [wait for wait in waits if math.isfinite(wait)]
        lines[kind.name] = [(0.0, 0.0), *((wait, (n + 1) / len(waits)) for n, wait in enumerate(answered))]
    longest = max(point[0] for line in lines.values() for point in line)
    title = f"{plan.burst} at once, {count} organizations"
    return Panel(title, "seconds, all rounds", longest or 1.0, lines, mark_x=IN_TIME_SECONDS)


def _rate_panel(results: Results, count: int) -> Panel:
    lines = {
        name: sorted((rate, statistics.median(shares)) for rate, shares in probes.items())
        for (of, name), probes in results.probes.items()
        if of == count
    }
    highest = max((point[0] for line in lines.values() for point in line), default=1.0)
    title = f"answered within {IN_TIME_SECONDS:g} s, {count} organizations"
    return Panel(title, "requests a second", highest, lines, mark_y=IN_TIME_SHARE)


def _legend(names: Mapping[str, None]) -> Iterator[str]:
    for place, name in enumerate(names):
        x = LEFT + place * LEGEND_WIDTH
        yield f'<rect x="{x}" y="10" width="14" height="4" fill="{COLOURS[name]}"/>'
        yield f'<text x="{x + 20}" y="16">{escape(name)}</text>'


def _panel(panel: Panel) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    yield f'<text class="title" x="{LEFT}" y="{TOP - 14}">{escape(panel.title)}</text>'
    yield f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{bottom}H{right}"/>'
    for share in (0.0, 0.5, 1.0):
        y = _y(share)
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>'
    for tick in _ticks(panel.max_x):
        x = _x(tick, panel.max_x)
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>'
    yield f'<text x="{right}" y="{bottom + 34}" text-anchor="end">{escape(panel.x_title)}</text>'
    if panel.mark_x is not None and panel.mark_x <= panel.max_x:
        yield f'<path class="mark" d="M{_x(panel.mark_x, panel.max_x):.1f} {TOP}V{bottom}"/>'
    if panel.mark_y is not None:
        yield f'<path class="mark" d="M{LEFT} {_y(panel.mark_y):.1f}H{right}"/>'
    for name, line in panel.lines.items():
        points = " ".join(f"{_x(x, panel.max_x):.1f},{_y(y):.1f}" for x, y in line)
        yield f'<polyline stroke="{COLOURS[name]}" points="{points}"/>'


def _x(value: float, max_x: float) -> float:
    return LEFT + value / max_x * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _ticks(max_x: float) -> Iterator[float]:
    """Round numbers from 0, some five of them."""
    power = 10.0 ** math.floor(math.log10(max_x))
    step = next(power * factor for factor in (0.2, 0.5, 1, 2) if max_x / (power * factor) <= 6)
    for number in range(math.floor(max_x / step) + 1):
        yield round(number * step, 10)
