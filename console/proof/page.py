"""What the proof shows beside its charts. Each number leads to the list of its turns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from console.conversations.report import NOTHING, DeadLetters, Numbers, Percentiles
from console.conversations.timeline import explain
from console.organizations.models import Organization
from console.proof import words
from console.proof.plot import Link

OUTCOMES = ("answered", "handed_over", "declined", "open")
TIMES = (
    ("first_reply", gettext_noop("To the first reply"), gettext_noop("from the last message")),
    ("first_reply_from_first", "", gettext_noop("from the first message")),
    ("answer", gettext_noop("To the answer"), gettext_noop("from the last message")),
    ("answer_from_first", "", gettext_noop("from the first message")),
)


@dataclass(frozen=True)
class Figure:
    """A number with its name and the list of its turns."""

    label: str
    text: str
    href: str
    note: str = ""
    css: str = ""
    percent: str = ""
    """Its share of the whole, as a width."""


@dataclass(frozen=True)
class Tile:
    """A promise: a number that must be 0."""

    label: str
    count: str
    is_kept: bool
    text: str
    href: str


@dataclass(frozen=True)
class Waiting:
    """Something that may need a person."""

    label: str
    count: int
    href: str
    text: str


@dataclass(frozen=True)
class TimeRow:
    """Percentiles of one measure."""

    label: str
    note: str
    cells: Sequence[Figure]


@dataclass(frozen=True)
class OrganizationRow:
    """One organization in the list of all."""

    name: str
    href: str
    is_well: bool
    cells: Sequence[Figure]


def promises(numbers: Numbers, standing: Numbers, limit: str, link: Link) -> list[Tile]:
    """What must be 0. `standing`: of all turns that are open now, however old."""
    turns = words.turns(numbers.counts["turns"])
    return [
        _tile(
            "overdue",
            standing.counts["overdue"],
            _("No turn is open for longer than %(limit)s.") % {"limit": limit},
            _("Turns open for longer than %(limit)s. There must be none.") % {"limit": limit},
            link(which="overdue", standing=1),
        ),
        _tile(
            "duplicates",
            numbers.counts["duplicates"],
            _("None of %(turns)s got two replies.") % {"turns": turns},
            _("Of %(turns)s. There must be none.") % {"turns": turns},
            link(which="duplicates"),
        ),
    ]


def waiting(
    numbers: Numbers, standing: Numbers, letters: DeadLetters, letters_href: str, link: Link
) -> list[Waiting]:
    """What somebody may have to look into."""
    held, unknown = standing.counts["held"], numbers.counts["unknown_deliveries"]
    return [
        Waiting(
            _("Dead letters waiting"), letters.waiting, letters_href, _("A step of the work failed for good.")
        ),
        Waiting(
            _(words.CONDITIONS["unknown_deliveries"]),
            unknown,
            link(which="unknown_deliveries"),
            _("The platform did not say whether it took them."),
        ),
        Waiting(
            _(words.CONDITIONS["held"]),
            held,
            link(which="held", standing=1),
            _("Open turns of channels whose credential has to be repaired."),
        ),
    ]


def _tile(name: str, count: int, kept: str, broken: str, href: str) -> Tile:
    return Tile(_(words.CONDITIONS[name]), words.number(count), count == 0, broken if count else kept, href)


def received(numbers: Numbers, link: Link) -> Figure:
    """All turns."""
    return Figure(_("Received"), words.turns(numbers.counts["turns"]), link(which="turns"))


def outcomes(numbers: Numbers, link: Link) -> list[Figure]:
    """The four outcomes with their share."""
    return [
        Figure(
            _(words.CONDITIONS[name]),
            words.number(numbers.counts[name]),
            link(which=name),
            words.percent(numbers.percent(name)),
            name,
            _width(numbers.percent(name)),
        )
        for name in OUTCOMES
    ]


def by_reason(counted: Mapping[str, Sequence[tuple[str, int]]], link: Link) -> list[tuple[str, list[Figure]]]:
    """Why turns were handed over and declined, the most frequent reason first."""
    return [
        (
            _(words.CONDITIONS[outcome]),
            [_reason(outcome, reason, count, each, link) for reason, count in each],
        )
        for outcome, each in counted.items()
    ]


def _reason(outcome: str, reason: str, count: int, among: Sequence[tuple[str, int]], link: Link) -> Figure:
    most = max(count for _, count in among)
    href = link(which=outcome, reason=reason)
    said = explain(reason) or _("No reason is given.")
    return Figure(said, words.number(count), href, css=outcome, percent=f"{count * 100 / most:.2f}%")


def times(numbers: Numbers, link: Link) -> list[TimeRow]:
    """Percentiles to the first reply and to the answer."""
    return [
        TimeRow(_(label) if label else "", _(note), _cells(name, numbers.ms[name], link))
        for name, label, note in TIMES
    ]


def hops(numbers: Numbers, link: Link) -> list[TimeRow]:
    """Percentiles of each hop."""
    return [
        TimeRow(_(label), name, _cells(name, numbers.ms[name], link)) for name, label in words.HOPS.items()
    ]


def _cells(measure: str, percentiles: Percentiles, link: Link) -> list[Figure]:
    return [
        Figure(share, words.duration(ms), "" if ms is None else link(of=measure, at_least=ms))
        for share, ms in percentiles.items()
    ]


def shares(numbers: Numbers, link: Link) -> list[Figure]:
    """How many got a reply in time, how many needed a holding line, how many got nothing."""
    counts = numbers.counts
    notes = {
        "in_time": _("%(count)s later, or waiting for longer") % {"count": words.number(counts["slow"])},
        "held_the_line": words.turns(counts["held_the_line"]),
        "unreplied": _("%(turns)s: declined, owned by staff, or not deliverable")
        % {"turns": words.turns(counts["unreplied"])},
    }
    percents = {
        "in_time": numbers.in_time_percent,
        "held_the_line": numbers.percent("held_the_line"),
        "unreplied": numbers.percent("unreplied"),
    }
    return [
        Figure(
            _(words.CONDITIONS[name]),
            words.percent(percent),
            link(which="slow" if name == "in_time" else name),
            notes[name],
            name,
            _width(percent),
        )
        for name, percent in percents.items()
    ]


def organization_rows(
    organizations: Sequence[Organization],
    numbers: Mapping[int, Numbers],
    standing: Mapping[int, Numbers],
    link_of: Callable[[Organization], Link],
    page_of: Callable[[Organization], str],
    limit: int | None,
) -> list[OrganizationRow]:
    """The first so many organizations with their numbers (None: all): those with a broken promise first, then
    by their turns."""
    found = []
    for organization in organizations:
        its, open_now = numbers.get(organization.pk, NOTHING), standing.get(organization.pk, NOTHING)
        is_well = not (its.counts["duplicates"] or open_now.counts["overdue"])
        place = (is_well, -its.counts["turns"], organization.name)
        found.append((place, organization, its, open_now))
    found.sort(key=lambda each: each[0])
    return [
        OrganizationRow(
            organization.name,
            page_of(organization),
            place[0],
            _organization_cells(its, open_now, link_of(organization)),
        )
        for place, organization, its, open_now in found[:limit]
    ]


def _organization_cells(numbers: Numbers, standing: Numbers, link: Link) -> list[Figure]:
    return [
        _count("turns", numbers, link),
        Figure(_("Answered"), words.percent(numbers.percent("answered")), link(which="answered")),
        _count("handed_over", numbers, link),
        _count("declined", numbers, link),
        Figure(_("Open now"), words.number(standing.counts["open"]), link(which="open", standing=1)),
        _promised("overdue", standing.counts["overdue"], link(which="overdue", standing=1)),
        _promised("duplicates", numbers.counts["duplicates"], link(which="duplicates")),
        *(
            replace(each, label=_("First reply %(share)s") % {"share": each.label})
            for each in _cells("first_reply", numbers.ms["first_reply"], link)
        ),
        Figure(_("Within 5 s"), words.percent(numbers.in_time_percent), link(which="slow")),
    ]


def _count(name: str, numbers: Numbers, link: Link) -> Figure:
    return Figure(_(words.CONDITIONS[name]), words.number(numbers.counts[name]), link(which=name))


def _promised(name: str, count: int, href: str) -> Figure:
    return Figure(_(words.CONDITIONS[name]), words.number(count), href, css="broken" if count else "kept")


def _width(percent: float | None) -> str:
    return f"{percent or 0:.2f}%"
