"""Business hours: read as people write them, and kept by the organization's own clock."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError

from console.organizations import business_hours
from hub_lambdas import moments
from hub_lambdas.turns import Hours

WEEK = "monday 09:00-13:00, 14:00-18:00\nfriday 22:00-02:00\nsunday 00:00-24:00"


def hours(week: str = WEEK, closed: str = "", zone: str = "Europe/Berlin") -> Hours:
    found = business_hours.read(zone, week, closed)
    assert found is not None
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-30 08:00", True),  # a Monday, 9:00 in Berlin
        ("2026-11-30 07:59", False),
        ("2026-11-30 12:00", False),  # the end is not in it
        ("2026-11-30 13:00", True),
        ("2026-06-29 07:00", True),  # 9:00 in summer
        ("2026-06-29 06:59", False),
        ("2026-12-05 00:30", True),  # Saturday 1:30: Friday's night
        ("2026-12-05 01:00", False),
        ("2026-12-06 22:59", True),  # Sunday is whole
        ("2026-12-06 23:00", False),
    ],
)
def test_open_by_its_own_clock(moment: str, is_open: bool) -> None:
    assert hours().is_open(at(moment)) is is_open


@pytest.mark.parametrize(
    ("moment", "closed", "back"),
    [
        ("2026-11-30 12:30", "", "2026-11-30 13:00"),
        ("2026-11-30 18:00", "", "2026-12-04 21:00"),
        ("2026-11-30 07:00", "2026-11-30", "2026-12-04 21:00"),
        ("2026-11-30 07:00", "11-30 St Andrew", "2026-12-04 21:00"),
        ("2026-11-29 23:30", "2026-11-30 - 2026-12-04 Works\n12-06", "2026-12-07 08:00"),
        ("2026-03-28 03:00", "", "2026-03-28 23:00"),  # the night before the clocks change
    ],
)
def test_when_staff_are_back(moment: str, closed: str, back: str) -> None:
    assert hours(closed=closed).opens_at(at(moment)) == at(back)


def test_an_hour_that_comes_twice_and_one_that_never_comes() -> None:
    night = hours("saturday 22:00-02:30\nsunday 02:15-02:45")
    assert night.is_open(at("2026-10-25 01:29"))  # 2:29 for the second time: Saturday's night is the longer
    assert not hours("saturday 22:00-02:30").is_open(at("2026-10-25 01:30"))
    gap = hours("sunday 02:15-10:00")  # on 29 March 2026 it is 3:00 after 1:59
    assert gap.opens_at(at("2026-03-29 00:00")) == at("2026-03-29 01:15")


def test_closed_since_the_end_of_the_last_opening() -> None:
    assert hours().closed_since(at("2026-12-01 10:00")) == at("2026-11-30 17:00")
    assert hours().closed_since(at("2026-12-05 09:00")) == at("2026-12-05 01:00")
    assert hours(closed="11-30").closed_since(at("2026-12-01 10:00")) == at("2026-11-29 23:00")


def test_closed_for_good_is_not_back() -> None:
    closed = "2026-01-01 - 2026-12-31\n2027-01-01 - 2027-12-31"
    assert hours(closed=closed).opens_at(at("2026-11-30 07:00")) is None


def test_no_hours_are_all_hours_and_so_are_those_of_a_zone_that_nobody_knows() -> None:
    assert business_hours.read("Europe/Berlin", " \n", "12-25") is None
    assert business_hours.read("Middle/Earth", WEEK, "") is None


@pytest.mark.parametrize(
    ("week", "problem"),
    [
        ("funday 9:00-10:00", "“funday” is no weekday"),
        ("monday 9-17\nmonday 9-17", "monday stands there twice"),
        ("monday", "“” is no time span"),
        ("monday 9:00", "“9:00” is no time span"),
        ("monday 9:00-25:00", "there is no such time of the day"),
        ("monday 9:00-9:60", "there is no such time of the day"),
        ("monday 9:00-9:00", "ends when it begins"),
        ("monday 9:00-13:00, 12:00-18:00", "these hours overlap"),
    ],
)
def test_what_is_no_week(week: str, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        business_hours.validate_week(week)
    assert problem in caught.value.messages[0]


@pytest.mark.parametrize(
    ("closed", "problem"),
    [
        ("Christmas", "“Christmas” is no date"),
        ("2026-02-30", "There is no date 2026-02-30."),
        ("02-30", "There is no date 02-30."),
        ("2026-12-24 - 2026-12-20", "the first date comes before the last"),
        ("2026-12-24 - 2036-12-20", "at most a year later"),
    ],
)
def test_what_is_no_date(closed: str, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        business_hours.validate_closed(closed)
    assert problem in caught.value.messages[0]


@pytest.mark.parametrize(
    ("language", "now", "said"),
    [
        ("en", "2026-11-30 05:00", "09:00"),
        ("de-at", "2026-11-28 05:00", "Montag 09:00"),
        ("pt-br", "2026-11-20 05:00", "segunda-feira 2026-11-30 09:00"),
        ("tlh", "2026-11-28 05:00", "2026-11-30 09:00"),
    ],
)
def test_a_moment_is_said_in_a_language(language: str, now: str, said: str) -> None:
    moment = at("2026-11-30 08:00").astimezone(hours().zone)
    assert moments.say(moment, at(now), language) == said
