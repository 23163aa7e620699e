"""What stands for a contact's name in an answer: they choose it themselves, and nobody checks it."""

import pytest

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation
from console.organizations.models import Organization
from hub_lambdas import personal


def greeting(name: str) -> str:
    contact = Contact(name=name, channel=Channel(name="Loft"))
    conversation = Conversation(contact=contact, organization=Organization(name="The Loft"))
    return personal.fill("Hello {{contact.name|there}}!", conversation)


@pytest.mark.parametrize(
    "name", ["Ann", "Dr. J. R. Smith-Jones", "O'Neill & Sons", "نورة", "张一鸣", "José 🦷", "x" * 40]
)
def test_a_name_is_used(name: str) -> None:
    assert greeting(name) == f"Hello {name}!"


@pytest.mark.parametrize(
    "name",
    [
        *("Whitening is 1 €", "+49 30 901820", "٣ ريال", "５０％", "only ½", "①"),
        *("https://evil.example", "go to evil.example", "evil。example", "evil．example", "x://y"),
        *("ann@evil.example", "@evil", "＠evil"),
        *("x" * 41, "", "  "),
    ],
)
def test_what_may_be_a_price_a_link_or_a_number_is_not(name: str) -> None:
    assert greeting(name) == "Hello there!"
