"""The figures on top of a dashboard, each with what it was in the period before. Pure."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from console.dashboards.costs import Price, dollars
from console.dashboards.figures import Report
from console.proof import words


@dataclass(frozen=True)
class Tile:
    """A figure. `is_bad`: it misses what it is measured against."""

    label: str
    text: str
    note: str
    change: str = ""
    """Since the period before: "+12 %"."""
    is_bad: bool = False


def tiles(report: Report, price: Price) -> list[Tile]:
    """Those of a period."""
    total, before = report.total, report.before
    p50, p95 = (words.duration(total.answer_ms(share)) for share in (0.5, 0.95))
    in_time = total.in_time_percent
    return [
        Tile(
            _("Messages received"),
            words.number(total.received),
            _("in %(turns)s turns") % {"turns": words.number(total.turns)},
            _grown(total.received, before.received),
        ),
        Tile(
            _("Answered"),
            words.percent(total.answered_percent),
            _("%(count)s turns") % {"count": words.number(total.answered)},
            _moved(total.answered_percent, before.answered_percent),
        ),
        Tile(
            _("Handed over"),
            words.percent(total.handed_over_percent),
            _("%(count)s turns") % {"count": words.number(total.handed_over)},
            _moved(total.handed_over_percent, before.handed_over_percent),
        ),
        Tile(_("Answer time"), p50, _("p95 %(time)s") % {"time": p95}),
        Tile(
            _("Reply within 5 s"),
            words.percent(in_time),
            _("%(count)s later") % {"count": words.number(total.slow)},
            _moved(in_time, before.in_time_percent),
            is_bad=in_time is not None and in_time < 95,
        ),
        Tile(
            _("Helpful answers"),
            words.percent(total.good_percent),
            _("of %(count)s with feedback") % {"count": words.number(total.good + total.bad)},
        ),
        Tile(_("Tokens per answer"), _tokens(total.tokens_per_answer), _cost(report, price)),
    ]


def _tokens(count: int | None) -> str:
    return "–" if count is None else words.number(count)


def _cost(report: Report, price: Price) -> str:
    total = report.total
    if not price.is_set:
        return _("no price is set")
    if not total.answered:
        return ""
    said = {"each": dollars(price.of(total) / total.answered), "all": dollars(price.of(total))}
    return _("about %(each)s each, %(all)s in all") % said


def _grown(now: int, before: int) -> str:
    """By how much a count has grown."""
    return f"{(now - before) / before * 100:+.0f} %" if before and now != before else ""


def _moved(now: float | None, before: float | None) -> str:
    """By how many points a share has moved."""
    if now is None or before is None or abs(now - before) < 0.05:
        return ""
    return _("%(points)s points") % {"points": f"{now - before:+.1f}"}
