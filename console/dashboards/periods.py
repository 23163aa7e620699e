"""Which days a dashboard is about, and how it cuts them into buckets: in the zone of whoever looks at it.

Buckets are named by where they begin on that zone's clock, without a zone.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.http import QueryDict
from django.utils.dateformat import format as written
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.channels.models import Channel

PERIODS = {
    "24h": (gettext_lazy("24 hours"), timedelta(hours=24)),
    "7d": (gettext_lazy("7 days"), timedelta(days=7)),
    "30d": (gettext_lazy("30 days"), timedelta(days=30)),
    "90d": (gettext_lazy("90 days"), timedelta(days=90)),
}
CUSTOM = "custom"
DEFAULT = "7d"
DAYS_AT_MOST = 732
_STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


@dataclass(frozen=True)
class Period:
    """From `since` on and before `until`, on the clock of `zone`, and one channel (None: all)."""

    key: str
    since: datetime
    until: datetime
    zone: ZoneInfo
    channel: Channel | None = None

    @classmethod
    def of_last_days(cls, days: int, now: datetime) -> "Period":
        """So many times 24 hours, up to the end of the hour that is running."""
        until = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None) + _STEPS["hour"]
        return cls(CUSTOM, until - timedelta(days=days), until, ZoneInfo("UTC"))

    @property
    def unit(self) -> str:
        """How wide a bucket is: "hour", "day" or "week", so that there are neither too few nor too many."""
        length = self.until - self.since
        return "hour" if length <= timedelta(days=2) else "day" if length <= timedelta(days=62) else "week"

    @property
    def buckets(self) -> list[datetime]:
        """Where each bucket begins; the first may begin before the period."""
        step = _STEPS[self.unit]
        first = self.since
        if self.unit == "week":
            first -= timedelta(days=self.since.weekday())
        return [first + index * step for index in range(-((first - self.until) // step))]

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The same moments for everybody."""
        return self.since.replace(tzinfo=self.zone), self.until.replace(tzinfo=self.zone)

    @property
    def before(self) -> "Period":
        """The period of the same length that ends where this one begins."""
        return Period(self.key, self.since - (self.until - self.since), self.since, self.zone, self.channel)

    @property
    def query(self) -> dict[str, str]:
        """What asks for the same again."""
        asked = {"period": self.key}
        if self.key == CUSTOM:
            asked |= {"start": f"{self.since:%Y-%m-%d}", "end": f"{self.last_day:%Y-%m-%d}"}
        return asked | ({"channel": str(self.channel.pk)} if self.channel else {})

    @property
    def last_day(self) -> date:
        return (self.until - timedelta(microseconds=1)).date()

    def called(self, bucket: datetime) -> str:
        """A bucket in words: "24 Nov, 09:00 – 10:00", "24 Nov", "24 Nov – 30 Nov"."""
        if self.unit == "hour":
            return f"{day(bucket)}, {bucket:%H:%M} – {bucket + _STEPS['hour']:%H:%M}"
        if self.unit == "day":
            return day(bucket)
        return f"{day(bucket)} – {day(bucket + timedelta(days=6))}"

    def label(self, bucket: datetime) -> str:
        """A bucket on an axis."""
        return f"{bucket:%H:%M}" if self.unit == "hour" and bucket.hour else day(bucket)

    def __str__(self) -> str:
        if self.unit == "hour":
            return f"{day(self.since)}, {self.since:%H:%M} – {day(self.until)}, {self.until:%H:%M}"
        return f"{day(self.since)} – {day(self.last_day)}"


def day(at: date) -> str:
    """24 Nov, in the reader's language."""
    return written(at, "j M")


class PeriodForm(forms.Form):
    """Period and channel. What cannot be read falls back to the last week, with a word about it."""

    KEYS: ClassVar[list[tuple[str, str]]] = [(key, key) for key in (*PERIODS, CUSTOM)]

    period = forms.ChoiceField(required=False, choices=KEYS)
    start = forms.DateField(required=False)
    end = forms.DateField(required=False)
    channel = forms.ModelChoiceField(Channel.objects.none(), required=False)

    def __init__(self, data: QueryDict, channels: Any, now: datetime) -> None:
        """`now`: on the clock of the zone that the period is to be in."""
        super().__init__(data)
        self.now = now
        field: Any = self.fields["channel"]
        field.queryset = channels

    def clean(self) -> dict[str, Any]:
        found = self.cleaned_data
        start, end = found.get("start"), found.get("end") or self.now.date()
        if found.get("period") == CUSTOM:
            if not start or not date(2001, 1, 1) <= start <= end <= self.now.date():
                raise forms.ValidationError(_("Choose a first day, and a last day not before it."))
            if end - start >= timedelta(days=DAYS_AT_MOST):
                raise forms.ValidationError(_("Choose at most two years."))
        return {**found, "end": end}

    def chosen(self, zone: ZoneInfo) -> Period:
        """What is asked for."""
        is_valid, found = self.is_valid(), self.cleaned_data
        key, channel = found.get("period"), found.get("channel")
        if is_valid and key == CUSTOM:
            since, until = _midnight(found["start"]), _midnight(found["end"]) + timedelta(days=1)
            return Period(CUSTOM, since, until, zone, channel)
        key = key if key in PERIODS else DEFAULT
        length = PERIODS[key][1]
        if length <= timedelta(days=1):
            until = self.now.replace(minute=0, second=0, microsecond=0, tzinfo=None) + timedelta(hours=1)
        else:
            until = _midnight(self.now.date()) + timedelta(days=1)
        return Period(key, until - length, until, zone, channel)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())
