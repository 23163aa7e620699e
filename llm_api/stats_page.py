"""The page at /stats: one HTML document without scripts that a browser reads again every few seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from llm_api.stats import KEPT_SAMPLES, SAMPLE_SECONDS, Facts, Flow

REFRESH_SECONDS = 5
_WIDTH, _HEIGHT = 300, 48

_STYLE = """
:root {
  color-scheme: light dark; --page: #f6f7f9; --card: #fff; --line: #e2e5ea; --ink: #16191f; --soft: #5c6470;
  --mark: #2563eb; --fill: #2563eb22; --well: #15803d; --ill: #b91c1c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101318; --card: #191d24; --line: #2b313b; --ink: #e8eaee; --soft: #9aa3b0;
    --mark: #7aa7ff; --fill: #7aa7ff2e; --well: #4ade80; --ill: #f87171;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 40px; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 16px; margin-bottom: 20px; }
h1 { font-size: 20px; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 15px; margin: 0 0 8px; }
.state { font-weight: 600; color: var(--well); } .state.ill { color: var(--ill); }
.soft, dt { color: var(--soft); } header .soft { margin-left: auto; }
.cards { display: grid; gap: 12px; grid-template-columns: repeat(6, 1fr); }
@media (max-width: 900px) { .cards { grid-template-columns: repeat(3, 1fr); } }
@media (max-width: 560px) { .cards { grid-template-columns: repeat(2, 1fr); } }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
.figure { font-size: 28px; font-weight: 650; font-variant-numeric: tabular-nums; line-height: 1.25; }
.figure small { font-size: 15px; font-weight: 400; color: var(--soft); }
.bar { height: 6px; border-radius: 3px; background: var(--line); margin-top: 10px; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--mark); }
svg { display: block; width: 100%; height: 48px; margin-top: 8px; }
.lists { display: grid; gap: 12px; margin-top: 12px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); align-items: start; }
dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 5px 16px; margin: 0; }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
"""


def render(facts: Facts) -> str:
    """The page."""
    told, mood = escape("; ".join(facts.problems)) or "running", " ill" if facts.problems else ""
    state = f'<span class="state{mood}">{told}</span>'
    up = f'<span class="soft">up {_duration(facts.up_seconds)}</span>'
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{REFRESH_SECONDS}">
<title>llm_api: {escape(facts.model)}</title>
<style>{_STYLE}</style>
</head>
<body><main>
<header><h1>{escape(facts.model)}</h1>{state}{up}</header>
<div class="cards">{"".join(_cards(facts))}</div>
<div class="lists">{_flow("Tokens read", facts.read)}{_flow("Tokens written", facts.written)}</div>
<div class="lists">{_list("How it computes", facts.about)}{_list("Since the start", _counted(facts))}</div>
</main></body>
</html>
"""


def _cards(facts: Facts) -> list[str]:
    share = min(1.0, facts.taken / facts.slots)
    bar = f'<div class="bar"><i style="width:{share:.0%}"></i></div>'
    interactive, test = facts.waiting["interactive"], facts.waiting["test"]
    return [
        _card("Slots in use", f"{facts.taken} <small>of {facts.slots}</small>", bar),
        _card("Waiting", str(interactive), _note(f"and {test} test run{'' if test == 1 else 's'}")),
        _card(
            "First word",
            _seconds(facts.first_token_half),
            _note(f"95 % within {_seconds(facts.first_token_most)}"),
        ),
        _card("Known prompts", _percent(facts.prefix_hits), _note("begin as one read before")),
        _card("Guesses right", _percent(facts.drafts_accepted), _note("of all guessed tokens")),
        _card(
            "Kept prompts",
            "–" if facts.prefixes is None else str(facts.prefixes),
            _note(f"{facts.prefix_bytes / 1e6:.0f} MB; {facts.spill_reads} back from disk"),
        ),
    ]


def _card(title: str, figure: str, below: str) -> str:
    return f'<section class="card"><h2>{title}</h2><div class="figure">{figure}</div>{below}</section>'


def _note(text: str) -> str:
    return f'<div class="soft">{text}</div>'


def _flow(title: str, flow: Flow) -> str:
    minutes = KEPT_SAMPLES * SAMPLE_SECONDS / 60
    at_work = "" if flow.at_work is None else f"; a lane at work does {flow.at_work:.0f}"
    figure = f"{flow.lately:.0f} <small>a second</small>"
    return _card(title, figure, _note(f"in the last minute{at_work}") + _chart(flow.course, title, minutes))


def _chart(values: Sequence[float], title: str, minutes: float) -> str:
    """The course of the last minutes, the newest at the right."""
    top = max(values, default=0.0)
    label = f"{title} a second in the last {minutes:.0f} minutes, at most {top:.0f}"
    step = _WIDTH / (KEPT_SAMPLES - 2)
    left = _WIDTH - step * (len(values) - 1)
    heights = [_HEIGHT - 2 - (_HEIGHT - 6) * value / (top or 1.0) for value in values]
    points = " ".join(f"{left + number * step:.1f},{height:.1f}" for number, height in enumerate(heights))
    drawn = ""
    if values:
        drawn = (
            f'<polygon points="{left:.1f},{_HEIGHT} {points} {_WIDTH},{_HEIGHT}" fill="var(--fill)"/>'
            f'<polyline points="{points}" fill="none" stroke="var(--mark)" stroke-width="1.5" '
            'vector-effect="non-scaling-stroke"/>'
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img">'
        f"<title>{escape(label)}</title>{drawn}"
        f'<path d="M0 {_HEIGHT - 0.5}H{_WIDTH}" stroke="var(--line)"/></svg>'
    )


def _list(title: str, rows: Mapping[str, str]) -> str:
    if not rows:
        return ""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())
    return f'<section class="card"><h2>{title}</h2><dl>{items}</dl></section>'


def _counted(facts: Facts) -> dict[str, str]:
    return {name: f"{number:,.0f}".replace(",", "\u202f") for name, number in facts.since_start.items()}


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}\u00a0s"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _duration(seconds: float) -> str:
    minutes = int(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    return f"{days} d {hours} h" if days else f"{hours} h {rest} min" if hours else f"{rest} min"
