"""Variables of canned answers."""

import pytest
from django.core.exceptions import ValidationError

from console.prompts import variables

VALUES = {"contact.name": "Ann", "organization.name": "The Loft", "channel.name": ""}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Hello {{contact.name}}!", "Hello Ann!"),
        ("Hello {{ contact.name }}, {{organization.name}} here.", "Hello Ann, The Loft here."),
        ("Write to {{channel.name}}, please.", "Write to, please."),
        ("Hello {{channel.name|there}}!", "Hello there!"),
        ("Hello {{contact.name| there }}!", "Hello Ann!"),
        ("{{channel.name}}", ""),
        ("A {brace} and {{ half", "A {brace} and {{ half"),
        ("{{contact.name}}{{contact.name}}", "AnnAnn"),
    ],
)
def test_what_is_sent(text: str, filled: str) -> None:
    assert variables.fill(text, VALUES) == filled


def test_a_value_is_no_template() -> None:
    assert variables.fill("{{contact.name}}", {"contact.name": "{{channel.name}}"}) == "{{channel.name}}"


@pytest.mark.parametrize("text", ["{{contact.nmae}}", "{{ }}", "Hi {{name|x}}"])
def test_unknown_ones_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="There is no variable"):
        variables.validate(text)


def test_known_ones_are_not() -> None:
    variables.validate(f"Hello {variables.HELP} and {{{{contact.name|there}}}}")
