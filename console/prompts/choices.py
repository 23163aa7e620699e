"""What a contact may tap below an answer: rules that hold on every platform."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from hub_lambdas.channels.base import CHOICE_LIMIT, MAX_CHOICES
from hub_lambdas.channels.text import utf16_units


def lines(text: str) -> list[str]:
    """The choices in a text of one a line."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def validate_choices(text: str) -> None:
    """Raise ValidationError unless every platform can show them."""
    choices = lines(text)
    if len(choices) > MAX_CHOICES:
        said = _("There are %(count)s choices: platforms show at most %(most)s.")
        counts = {"count": len(choices), "most": MAX_CHOICES}
        raise ValidationError(said, code="too_many_choices", params=counts)
    for choice in choices:
        size = sum(map(utf16_units, choice))
        if size > CHOICE_LIMIT:
            said = _(
                "“%(choice)s” has %(size)s characters: platforms show at most %(most)s on a button "
                "(an emoji counts as 2)."
            )
            sizes = {"choice": choice, "size": size, "most": CHOICE_LIMIT}
            raise ValidationError(said, code="choice_too_long", params=sizes)
    folded = [choice.casefold() for choice in choices]
    for number, choice in enumerate(choices):
        if folded[number] in folded[:number]:
            said = _("“%(choice)s” stands there twice.")
            raise ValidationError(said, code="choice_twice", params={"choice": choice})
