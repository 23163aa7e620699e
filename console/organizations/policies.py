"""What an organization sets, by what it is about: the abstract halves of `Organization`."""

import zoneinfo
from functools import cache

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.organizations import handover_rules, languages
from console.organizations.business_hours import read, validate_closed, validate_week
from console.prompts import variables
from hub_lambdas.turns.handover import Rules
from hub_lambdas.turns.hours import Hours

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
        raise ValidationError(_("There is no time zone “%(name)s”: write Europe/Berlin.") % {"name": name})


def validate_away_text(text: str) -> None:
    """Raise ValidationError for a variable that nothing has a value for."""
    variables.validate(text, AWAY_VARIABLES)


class AfterHours(models.TextChoices):
    """What becomes of what contacts write while staff are away."""

    ANSWER = "answer", gettext_lazy("The bot goes on answering")
    HAND_OVER = "hand_over", gettext_lazy("Say that staff are away, and hand over")


class Languages(models.Model):
    """In which languages contacts are spoken to by the organization's own texts."""

    language = models.CharField(
        gettext_lazy("language"),
        max_length=35,
        default="en",
        db_default="en",
        validators=[languages.validate],
        help_text=gettext_lazy("What the texts on this page are written in."),
    )
    other_languages = ArrayField(
        models.CharField(max_length=35, validators=[languages.validate]),
        verbose_name=gettext_lazy("further languages"),
        default=list,
        db_default=[],
        blank=True,
        validators=[languages.validate_distinct],
        help_text=gettext_lazy(
            "Contacts whose platform says that they use one of these get its texts; all others get those on "
            "this page."
        ),
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        if self.language in self.other_languages:
            problem = _("%(language)s is the organization's own language.") % {"language": self.language}
            raise ValidationError({"other_languages": problem})


class BusinessHours(models.Model):
    """When staff are there, by the organization's own clock."""

    time_zone = models.CharField(
        gettext_lazy("time zone"),
        max_length=64,
        default="UTC",
        db_default="UTC",
        validators=[validate_time_zone],
        help_text=gettext_lazy("By which its business hours go."),
    )
    business_hours = models.TextField(
        gettext_lazy("business hours"),
        max_length=1000,
        blank=True,
        default="",
        db_default="",
        validators=[validate_week],
        help_text=gettext_lazy(
            "As 9:00-13:00, 14:00-18:00; a night as 22:00-2:00. A day without any is closed. None at all: "
            "staff are always there."
        ),
    )
    closed_dates = models.TextField(
        gettext_lazy("closed on"),
        max_length=4000,
        blank=True,
        default="",
        db_default="",
        validators=[validate_closed],
        help_text=gettext_lazy(
            "One a line: 2026-12-24, for every year 12-25, for holidays 2026-08-03 - 2026-08-14. Words may "
            "follow."
        ),
    )
    after_hours = models.CharField(
        gettext_lazy("outside business hours"),
        max_length=9,
        choices=AfterHours.choices,
        default=AfterHours.ANSWER,
        db_default=AfterHours.ANSWER,
    )
    away_text = models.CharField(
        gettext_lazy("away text"),
        max_length=500,
        blank=True,
        default=AWAY_TEXT,
        db_default=AWAY_TEXT,
        validators=[validate_away_text],
        help_text=gettext_lazy(
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
        gettext_lazy("who asks for a person gets one"),
        default=True,
        db_default=True,
        help_text=gettext_lazy(
            "As “Can I talk to a human?”, in English, German, French, Spanish, Italian, Portuguese and Dutch."
        ),
    )
    request_phrases = models.TextField(
        gettext_lazy("further ways to ask for one"),
        max_length=4000,
        blank=True,
        default="",
        db_default="",
        validators=[handover_rules.validate_phrases],
        help_text=gettext_lazy("One a line, in any language."),
    )
    handover_words = models.TextField(
        gettext_lazy("words for staff"),
        max_length=4000,
        blank=True,
        default="",
        db_default="",
        validators=[handover_rules.validate_phrases],
        help_text=gettext_lazy(
            "Whoever writes one of them gets staff. One word or phrase a line; whole words count, case and "
            "accents do not."
        ),
    )
    handover_topics = models.TextField(
        gettext_lazy("topics for staff"),
        max_length=8000,
        blank=True,
        default="",
        db_default="",
        validators=[handover_rules.validate_topics],
        help_text=gettext_lazy(
            "One a line, a name and what contacts say: “Complaint: refund, money back, not happy”. Staff and "
            "dashboards see the name."
        ),
    )
    handover_after_turns = models.PositiveIntegerField(
        gettext_lazy("answers in a row"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text=gettext_lazy(
            "After so many answers of the bot within a day staff get the conversation. Empty: never for that."
        ),
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
        gettext_lazy("ask contacts whether answers help"),
        default=False,
        db_default=False,
        help_text=gettext_lazy(
            "👍 and 👎 to tap below the bot's answers, where the platform has buttons and the answer has no "
            "choices of its own."
        ),
    )

    class Meta:
        abstract = True


class Retention(models.Model):
    """How long the organization keeps what contacts wrote."""

    retention_days = models.PositiveIntegerField(
        gettext_lazy("keep conversations for (days)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_RETENTION_DAYS)],
        help_text=gettext_lazy("What is older is erased. Empty: it is kept."),
    )

    class Meta:
        abstract = True
