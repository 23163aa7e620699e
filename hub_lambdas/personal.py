"""What a conversation has for the variables of a canned answer."""

import re
import unicodedata
from collections.abc import Mapping

from console.conversations.models import Contact, Conversation
from console.exact_text import printable
from console.prompts import variables

MAX_NAME_CHARACTERS = 40
_ADDRESS = re.compile(r"@|://|\w[.。]\w{2,}")
"""An e-mail address, a handle or a link, also one without `https://`; not "J. R. Smith"."""


def fill(text: str, conversation: Conversation) -> str:
    """`text` as this contact gets it."""
    return variables.fill(text, values(conversation)) if "{{" in text else text


def values(conversation: Conversation) -> Mapping[str, str]:
    """The value of each variable; "" where the platform does not tell it."""
    contact = conversation.contact
    return {
        "contact.name": _name(contact),
        "organization.name": conversation.organization.name,
        "channel.name": contact.channel.name,
    }


def _name(contact: Contact) -> str:
    """What the contact is called; "" where that may be read as something else. They choose it themselves, and
    it enters an answer after the check (`grounding`): it must bring no price, number or link along."""
    name = printable(contact.name).strip()
    plain = unicodedata.normalize("NFKC", name)
    is_name = len(name) <= MAX_NAME_CHARACTERS and not _ADDRESS.search(plain)
    return name if is_name and not any(character.isdigit() for character in plain) else ""
