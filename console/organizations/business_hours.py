"""Business hours as people write them, a line for each weekday and for each date on which nobody is there:

monday 09:00-13:00, 14:00-18:00        2026-12-24
friday 22:00-02:00                     12-25 Christmas
                                       2026-08-03 - 2026-08-14 Holidays
"""

import logging
import re
import zoneinfo
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NoReturn

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from hub_lambdas.turns.hours import LOOKS_DAYS, MINUTES_A_DAY, Hours, Span

log = logging.getLogger(__name__)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?\s*[-–]\s*(\d{1,2})(?:[:.](\d{2}))?")
_DATES = re.compile(r"(\d{4}-\d{2}-\d{2})\s*[-–]\s*(\d{4}-\d{2}-\d{2})(?:\s.*)?")
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\s.*)?")
_YEARLY = re.compile(r"(\d{2}-\d{2})(?:\s.*)?")
_LEAP_YEAR = 2028


def lines(text: str) -> list[str]:
    """The lines of a text that say something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


@lru_cache(maxsize=256)
def read(time_zone: str, business_hours: str, closed_dates: str) -> Hours | None:
    """The hours that these settings say; None where there are none: staff are always there. A zone that this
    machine does not know is logged, and counts as none: no contact goes without an answer for that."""
    if not business_hours.strip():
        return None
    try:
        zone = zoneinfo.ZoneInfo(time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        log.exception("the time zone %r is not known here: business hours are not kept", time_zone)
        return None
    dates, yearly = parse_closed(closed_dates)
    return Hours(zone, parse_week(business_hours), dates, yearly)


def parse_week(text: str) -> Sequence[Sequence[Span]]:
    """The spans of each weekday, Monday first. Raises ValidationError."""
    week: list[Sequence[Span]] = [()] * len(WEEKDAYS)
    for line in lines(text):
        name, _rest, spans = line.partition(" ")
        if name not in WEEKDAYS:
            _fail(_("“%(text)s” is no weekday: write monday 09:00-18:00."), name)
        if week[WEEKDAYS.index(name)]:
            _fail(_("%(text)s stands there twice."), name)
        week[WEEKDAYS.index(name)] = parse_day(spans)
    return tuple(week)


def parse_day(text: str) -> Sequence[Span]:
    """The spans of one weekday, in order. Raises ValidationError."""
    spans = sorted((_span(each.strip()) for each in text.split(",")), key=lambda span: span.opens)
    for before, after in pairwise(spans):
        if after.opens < before.closes:
            _fail(_("“%(text)s”: these hours overlap."), text)
    return tuple(spans)


def _span(text: str) -> Span:
    found = _SPAN.fullmatch(text)
    if not found:
        _fail(_("“%(text)s” is no time span: write 09:00-18:00."), text)
    hours_from, minutes_from, hours_to, minutes_to = (int(each or 0) for each in found.groups())
    opens, closes = hours_from * 60 + minutes_from, hours_to * 60 + minutes_to
    if opens >= MINUTES_A_DAY or closes > MINUTES_A_DAY or max(minutes_from, minutes_to) > 59:
        _fail(_("“%(text)s”: there is no such time of the day."), text)
    if opens == closes:
        _fail(_("“%(text)s” ends when it begins: for a whole day write 00:00-24:00."), text)
    return Span(opens, closes if closes > opens else closes + MINUTES_A_DAY)


def write_day(spans: Sequence[Span]) -> str:
    """The spans of a weekday as `parse_day` reads them."""
    return ", ".join(f"{_clock(span.opens)}-{_clock(span.closes)}" for span in spans)


def _clock(minute: int) -> str:
    minute = minute if minute <= MINUTES_A_DAY else minute - MINUTES_A_DAY
    return f"{minute // 60:02}:{minute % 60:02}"


def split_week(text: str) -> Mapping[str, str]:
    """What is written of each weekday that something is written of."""
    written = (line.partition(" ") for line in lines(text))
    return {name: spans for name, _rest, spans in written}


def join_week(days: Mapping[str, str]) -> str:
    """The inverse, in the order of the week."""
    return "\n".join(f"{name} {days[name].strip()}" for name in WEEKDAYS if days.get(name, "").strip())


def parse_closed(text: str) -> tuple[frozenset[date], frozenset[tuple[int, int]]]:
    """The dates, and the (month, day) of those of every year. Raises ValidationError."""
    dates: set[date] = set()
    yearly: set[tuple[int, int]] = set()
    for line in lines(text):
        if found := _DATES.fullmatch(line):
            dates.update(_days(_date(found[1]), _date(found[2]), line))
        elif found := _DATE.fullmatch(line):
            dates.add(_date(found[1]))
        elif found := _YEARLY.fullmatch(line):
            day = _date(f"{_LEAP_YEAR}-{found[1]}")
            yearly.add((day.month, day.day))
        else:
            _fail(_("“%(text)s” is no date: write 2026-12-24, or 12-24 for every year."), line)
    return frozenset(dates), frozenset(yearly)


def _days(first: date, last: date, line: str) -> list[date]:
    count = (last - first).days + 1
    if not 0 < count <= LOOKS_DAYS:
        _fail(_("“%(text)s”: the first date comes before the last, at most a year later."), line)
    return [first + timedelta(days=number) for number in range(count)]


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        _fail(_("There is no date %(text)s."), text.removeprefix(f"{_LEAP_YEAR}-"))


def validate_week(text: str) -> None:
    """Raise ValidationError unless `parse_week` reads it."""
    parse_week(text)


def validate_closed(text: str) -> None:
    """Raise ValidationError unless `parse_closed` reads it."""
    parse_closed(text)


def _fail(problem: str, text: str) -> NoReturn:
    raise ValidationError(problem % {"text": text})
