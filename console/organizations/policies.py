"""What an organization sets, by what it is about: the abstract halves of `Organization`."""

import zoneinfo
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console.organizations import handover_rules, languages
from console.organizations.business_hours import read, validate_closed, validate_week
from console.prompts import variables
from hub_lambdas.turns.handover import Rules
from hub_lambdas.turns.hours import Hours

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

AWAY_TEXT = "We are away at the moment, and answer you here when we are back: {{back}}."
AWAY_VARIABLES = ("back",)
MAX_RETENTION_DAYS = 3650


@cache
def time_zones() -> list[str]:
    """The names of all time zones, by place: "Europe/Berlin"."""
    return sorted(name for name in zoneinfo.available_timezones() if "/" in name or name == "UTC")


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless there is a time zone of this name."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(
            gettext("There is no time zone “%(name)s”: write Europe/Berlin.") % {"name": name}
        )


def validate_away_text(text: str) -> None:
    """Raise ValidationError for a variable that nothing has a value for."""
    variables.validate(text, AWAY_VARIABLES)


def _lines(
    label: "StrPromise", max_length: int, validate: Callable[[str], None], help_text: "StrPromise"
) -> "models.TextField[str, str]":
    """Text of several lines, which may be left empty."""
    return models.TextField(
        label,
        max_length=max_length,
        blank=True,
        default="",
        db_default="",
        validators=[validate],
        help_text=help_text,
    )


def _number(
    label: "StrPromise", maximum: int, help_text: "StrPromise"
) -> "models.PositiveIntegerField[int | None, int | None]":
    """1 to `maximum`, or nothing."""
    return models.PositiveIntegerField(
        label,
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(maximum)],
        help_text=help_text,
    )


class AfterHours(models.TextChoices):
    """What becomes of what contacts write while staff are away."""

    ANSWER = "answer", _("The bot goes on answering")
    HAND_OVER = "hand_over", _("Say that staff are away, and hand over")


class Languages(models.Model):
    """In which languages contacts are spoken to by the organization's own texts."""

    language = models.CharField(
        _("language"),
        max_length=35,
        default="en",
        db_default="en",
        validators=[languages.validate],
        help_text=_("What the texts on this page are written in."),
    )
    other_languages = ArrayField(
        models.CharField(max_length=35, validators=[languages.validate]),
        verbose_name=_("further languages"),
        default=list,
        db_default=[],
        blank=True,
        validators=[languages.validate_distinct],
        help_text=_(
            "Contacts whose platform says that they use one of these get its texts; all others get those on "
            "this page."
        ),
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        if self.language in self.other_languages:
            problem = gettext("%(language)s is the organization's own language.") % {
                "language": self.language
            }
            raise ValidationError({"other_languages": problem})


class BusinessHours(models.Model):
    """When staff are there, by the organization's own clock."""

    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        db_default="UTC",
        validators=[validate_time_zone],
        help_text=_("By which its business hours go."),
    )
    business_hours = _lines(
        _("business hours"),
        1000,
        validate_week,
        _(
            "As 9:00-13:00, 14:00-18:00; a night as 22:00-2:00. A day without any is closed. None at all: "
            "staff are always there."
        ),
    )
    closed_dates = _lines(
        _("closed on"),
        4000,
        validate_closed,
        _(
            "One a line: 2026-12-24, for every year 12-25, for holidays 2026-08-03 - 2026-08-14. Words may "
            "follow."
        ),
    )
    after_hours = models.CharField(
        _("outside business hours"),
        max_length=9,
        choices=AfterHours.choices,
        default=AfterHours.ANSWER,
        db_default=AfterHours.ANSWER,
    )
    away_text = models.CharField(
        _("away text"),
        max_length=500,
        blank=True,
        default=AWAY_TEXT,
        db_default=AWAY_TEXT,
        validators=[validate_away_text],
        help_text=_(
            "What the contact is told in place of the fallback while staff are away, once until they are "
            "back. {{back}} is when that is. Empty: the fallback is said."
        ),
    )

    class Meta:
        abstract = True

    @property
    def hours(self) -> Hours | None:
        """Its business hours; None where staff are always there."""
        return read(self.time_zone, self.business_hours, self.closed_dates)


class HandoverRules(models.Model):
    """What staff get before the LLM is asked."""

    handover_on_request = models.BooleanField(
        _("who asks for a person gets one"),
        default=True,
        db_default=True,
        help_text=_(
            "As “Can I talk to a human?”, in English, German, French, Spanish, Italian, Portuguese and Dutch."
        ),
    )
    request_phrases = _lines(
        _("further ways to ask for one"),
        4000,
        handover_rules.validate_phrases,
        _("One a line, in any language."),
    )
    handover_words = _lines(
        _("words for staff"),
        4000,
        handover_rules.validate_phrases,
        _(
            "Whoever writes one of them gets staff. One word or phrase a line; whole words count, case and "
            "accents do not."
        ),
    )
    handover_topics = _lines(
        _("topics for staff"),
        8000,
        handover_rules.validate_topics,
        _(
            "One a line, a name and what contacts say: “Complaint: refund, money back, not happy”. Staff and "
            "dashboards see the name."
        ),
    )
    handover_after_turns = _number(
        _("answers in a row"),
        1000,
        _("After so many answers of the bot within a day staff get the conversation. Empty: never for that."),
    )

    class Meta:
        abstract = True

    @property
    def rules(self) -> Rules:
        """What of these a text is held to."""
        return handover_rules.read(
            self.handover_on_request, self.request_phrases, self.handover_words, self.handover_topics
        )


class ContactFeedback(models.Model):
    """Whether contacts are asked what they think of answers."""

    asks_for_feedback = models.BooleanField(
        _("ask contacts whether answers help"),
        default=False,
        db_default=False,
        help_text=_(
            "👍 and 👎 to tap below the bot's answers, where the platform has buttons and the answer has no "
            "choices of its own."
        ),
    )

    class Meta:
        abstract = True


class Retention(models.Model):
    """How long the organization keeps what contacts wrote."""

    retention_days = _number(
        _("keep conversations for (days)"),
        MAX_RETENTION_DAYS,
        _("What is older is erased. Empty: it is kept."),
    )

    class Meta:
        abstract = True
