"""Text that is kept as it came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.conversations.models import Contact
from console.exact_text import escape, printable, unescape
from tests import factories

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))  # lone surrogates and NUL too
HARD = ["\x00", "\ud800", "\udfff\ud800", "\ufdd0", "\ufdd00000", "\ufdd0\x00", "", "مرحبا 🦷"]


@given(ANY_TEXT)
def test_escaping_loses_nothing(text: str) -> None:
    stored = escape(text)
    assert unescape(stored) == text
    assert "\x00" not in stored
    stored.encode("utf-8")


@given(ANY_TEXT)
def test_printable_text_can_be_encoded(text: str) -> None:
    shown = printable(text)
    shown.encode("utf-8")
    assert "\x00" not in shown
    assert len(shown) == len(text)


@pytest.mark.django_db
@pytest.mark.parametrize("text", HARD)
def test_the_database_gives_back_what_it_got(text: str) -> None:
    channel = factories.make_channel(factories.make_organization())
    contact = Contact.objects.create(channel=channel, platform_id="1", name=text)
    contact.refresh_from_db()
    assert contact.name == text
    assert Contact.objects.filter(name=text).exists()
