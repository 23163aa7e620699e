"""Filters of the console's templates (`{% load hub %}`)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django import template
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime

from console.inbox.search import marked
from console.progress import progress_bar
from console.proof import words
from console.proof.markup import drawing, table_rows
from console.stored_sentences import translate_stored

if TYPE_CHECKING:
    from console.feedback.opinions import Opinion
    from console.organizations.models import User

register = template.Library()
register.filter(progress_bar)
register.filter(marked)
register.filter(drawing)
register.filter(table_rows)


@register.filter
def seconds(milliseconds: int | None) -> str:
    """1234 as "1.2 s", nothing measured as a dash."""
    return "–" if milliseconds is None else f"{number_format(milliseconds / 1000, 1)} s"


@register.filter
def time_taken(milliseconds: float | None) -> str:
    """What something took: "3 ms", "1.24 s", "2 min 5 s"; nothing measured as a dash."""
    return words.duration(None if milliseconds is None else round(milliseconds))


@register.filter
def number(count: int) -> str:
    """1234 as "1,234"."""
    return words.number(count)


@register.filter
def age(at: datetime | None) -> str:
    """How long ago, in one unit: "12 s", "3 min", "2 h", "4 d"."""
    return "–" if at is None else length(max(timezone.now() - at, timedelta(0)))


@register.filter
def opinion_of(opinions: "Iterable[Opinion]", user: "User") -> bool | None:
    """Whether `user` found an answer helpful; None where they have not said."""
    return next((each.is_good for each in opinions if each.member_id == user.pk), None)


@register.filter
def said(sentence: str) -> str:
    """A stored sentence in the reader's language."""
    return translate_stored(sentence)


def moment(at: datetime, format_name: str = "DAY_MOMENT") -> str:
    """A moment as the reader writes it, with their zone. `format_name`: one of console/formats."""
    return date_format(localtime(at), format_name)


def length(time: timedelta) -> str:
    """A stretch of time in one unit: "12 s", "3 min", "2 h", "4 d"."""
    seconds = time.total_seconds()
    for unit, unit_seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= unit_seconds:
            return f"{seconds // unit_seconds:.0f} {unit}"
    return f"{seconds:.0f} s"
