"""What a contact may tap below an answer: rules that hold on every platform."""

from django.core.exceptions import ValidationError

from hub_lambdas.channels.base import CHOICE_LIMIT, MAX_CHOICES
from hub_lambdas.channels.text import utf16_units


def lines(text: str) -> list[str]:
    """The choices in a text of one a line."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def validate_choices(text: str) -> None:
    """Raise ValidationError unless every platform can show them."""
    choices = lines(text)
    if len(choices) > MAX_CHOICES:
        raise ValidationError(
            f"There are {len(choices)} choices: platforms show at most {MAX_CHOICES}.",
            code="too_many_choices",
        )
    for choice in choices:
        size = sum(map(utf16_units, choice))
        if size > CHOICE_LIMIT:
            raise ValidationError(
                f"“{choice}” has {size} characters: platforms show at most {CHOICE_LIMIT} on a button"
                " (an emoji counts as 2).",
                code="choice_too_long",
            )
    folded = [choice.casefold() for choice in choices]
    for number, choice in enumerate(choices):
        if folded[number] in folded[:number]:
            raise ValidationError(f"“{choice}” stands there twice.", code="choice_twice")
