"""What somebody asks to see: a period of time, a channel, and in a list of turns, which ones.

Read from the query string of a page, and written into the links to the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from console.channels.models import Channel
from console.conversations.report import CONDITIONS, MEASURES, ORIGIN, Scope

PERIODS = {
    "1h": (gettext_noop("Last hour"), timedelta(hours=1)),
    "24h": (gettext_noop("24 hours"), timedelta(hours=24)),
    "7d": (gettext_noop("7 days"), timedelta(days=7)),
    "30d": (gettext_noop("30 days"), timedelta(days=30)),
}
CUSTOM = "custom"
DEFAULT = "24h"
BUCKETS_AT_MOST = 60
_WIDTHS = [
    *(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 7, 28)),
]


@dataclass(frozen=True)
class Selection:
    """A period [since, until) in buckets of time, and a channel (None for all)."""

    period: str
    since: datetime
    until: datetime
    channel: Channel | None = None

    @property
    def bucket(self) -> timedelta:
        """The finest width that makes few enough buckets to be told apart."""
        length = self.until - self.since
        return next((width for width in _WIDTHS if length <= width * BUCKETS_AT_MOST), length)

    @property
    def origin(self) -> datetime:
        """What buckets are counted from: a Monday, midnight where the reader is at the end of the period."""
        return ORIGIN - (localtime(self.until).utcoffset() or timedelta(0))

    @property
    def buckets(self) -> list[datetime]:
        """Where each bucket of the period starts; the first and the last may reach beyond it."""
        width, origin = self.bucket, self.origin
        start = origin + (self.since - origin) // width * width
        return [start + index * width for index in range(-((start - self.until) // width))]

    @property
    def parameters(self) -> dict[str, str]:
        """The query string that selects the same again."""
        found = {"period": self.period}
        if self.period == CUSTOM:
            found |= {"start": _written(self.since), "end": _written(self.until)}
        return found | ({"channel": str(self.channel.pk)} if self.channel else {})

    def query(self, **more: Any) -> str:
        """The query string that selects the same again, with more in it."""
        return urlencode({**self.parameters, **more})

    def frozen_query(self) -> str:
        """The same at any later time: a list must show the turns that were counted."""
        at = {} if self.period == CUSTOM else {"at": _written(self.until)}
        return self.query(**at)

    def scope(self, organization_ids: Sequence[int], is_platform: bool = False) -> Scope:
        """The turns selected, in these organizations."""
        channel_id = self.channel.pk if self.channel else None
        return Scope(organization_ids, self.since, self.until, channel_id, is_platform=is_platform)


@dataclass(frozen=True)
class Choice:
    """Which turns of a selection are listed: those that meet a condition, ended for a reason, began in a
    bucket, took at least so many ms by a measure. `is_standing`: what is open now, whenever it began."""

    condition: str = "turns"
    reason: str = ""
    bucket: datetime | None = None
    measure: str = ""
    at_least: int | None = None
    is_standing: bool = False

    def narrow(self, scope: Scope, width: timedelta) -> Scope:
        """The part of `scope` that the listed turns lie in."""
        if self.is_standing:
            return scope.standing
        if self.bucket is None:
            return scope
        since, until = max(scope.since, self.bucket), min(scope.until, self.bucket + width)
        return replace(scope, since=since, until=until)


class SelectionForm(forms.Form):
    """Period and channel. What cannot be read falls back to the last day, with a word about it."""

    period = forms.ChoiceField(required=False, choices=[(key, key) for key in (*PERIODS, CUSTOM)])
    start = forms.DateTimeField(required=False, label=gettext_lazy("From"))
    end = forms.DateTimeField(required=False, label=gettext_lazy("To"))
    at = forms.DateTimeField(required=False)
    channel = forms.ModelChoiceField(Channel.objects.none(), required=False)

    def __init__(self, data: QueryDict, channels: Any) -> None:
        super().__init__(data)
        self.now = timezone.now()
        field: Any = self.fields["channel"]
        field.queryset = channels

    def clean(self) -> dict[str, Any]:
        found = self.cleaned_data
        for name in ("end", "at"):
            found[name] = min(found.get(name) or self.now, self.now)
        start = found.get("start")
        if found.get("period") == CUSTOM and not (start and ORIGIN <= start < found["end"]):
            raise forms.ValidationError(_("Choose a start in the past, and an end after it."))
        return found

    @property
    def selection(self) -> Selection:
        """What is asked for."""
        is_valid, found = self.is_valid(), self.cleaned_data
        channel, period = found.get("channel"), found.get("period")
        if is_valid and period == CUSTOM:
            return Selection(CUSTOM, found["start"], found["end"], channel)
        period = period if period in PERIODS else DEFAULT
        until = max(found.get("at") or self.now, ORIGIN + PERIODS[period][1])
        return Selection(period, until - PERIODS[period][1], until, channel)


class ChoiceForm(forms.Form):
    """Which turns of a selection are listed. What cannot be read lists nothing."""

    which = forms.ChoiceField(required=False, choices=[(name, name) for name in CONDITIONS])
    reason = forms.CharField(required=False, max_length=60)
    bucket = forms.DateTimeField(required=False)
    of = forms.ChoiceField(required=False, choices=[(name, name) for name in MEASURES])
    at_least = forms.IntegerField(required=False)
    standing = forms.BooleanField(required=False)

    @property
    def choice(self) -> Choice | None:
        """What is asked for; None where it cannot be read."""
        if not self.is_valid():
            return None
        found = self.cleaned_data
        return Choice(
            condition=found["which"] or "turns",
            reason=found["reason"],
            bucket=found["bucket"],
            measure=found["of"],
            at_least=found["at_least"],
            is_standing=found["standing"],
        )


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
