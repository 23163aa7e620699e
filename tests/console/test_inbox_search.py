"""Searching the inbox."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from console.conversations.page import PAGE_SIZE
from console.inbox import queues, search
from tests import factories
from tests.console.conftest import World, body, signed_in


def found(world: World, words: str) -> list[str]:
    """Whom a search finds."""
    finds = search.find(words, world.agent)
    rows, _ = queues.rows(world.agent, queues.QUEUES["all"], 1, finds.condition, finds)
    return [row.name for row in rows]


@pytest.fixture(autouse=True)
def _messages(world: World) -> None:
    ann = factories.make_conversation(world.channel, "Ann Müller-Lüdenscheidt")
    factories.make_inbound(ann, "My invoice 2026-1187 was paid twice.")
    factories.make_outbound(ann, "Please write to billing@example.com about it.")
    layla = factories.make_conversation(world.channel, "ليلى حداد")
    factories.make_inbound(layla, "هل لديكم طبيب يتحدث العربية؟")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("invoice", ["Ann Müller-Lüdenscheidt"]),
        ("INVOICE paid", ["Ann Müller-Lüdenscheidt"]),
        ("invo", ["Ann Müller-Lüdenscheidt"]),
        ("2026-1187", ["Ann Müller-Lüdenscheidt"]),
        ("1187", ["Ann Müller-Lüdenscheidt"]),
        ("billing@example.com", ["Ann Müller-Lüdenscheidt"]),
        ("müller", ["Ann Müller-Lüdenscheidt"]),
        ("lüdensch ann", ["Ann Müller-Lüdenscheidt"]),
        ("طبيب", ["ليلى حداد"]),
        ("ليلى", ["ليلى حداد"]),
        ("invoice طبيب", []),
        ("heron", []),
        ("!!! ''' \\ :* & | <->", []),
        ("it's", []),
        ("i", []),
        ("i 1", []),
        ("invoice w", ["Ann Müller-Lüdenscheidt"]),
        ("invoice x", []),
        ("2026-1", ["Ann Müller-Lüdenscheidt"]),
        ("2026-3", []),
        ("ann m", ["Ann Müller-Lüdenscheidt"]),
        ("ann x", []),
        ("\x00", []),
    ],
)
def test_words_are_found_by_their_beginnings(words: str, names: list[str], world: World) -> None:
    assert found(world, words) == names


def test_a_row_quotes_what_was_found(world: World) -> None:
    page = body(signed_in(world.agent).get("/inbox/", {"queue": "all", "q": "1187"}))
    assert "My invoice 2026-1187 was paid twice." in page
    assert "billing@example.com" not in page
    assert 'value="1187"' in page, "the words stay in their box"
    assert "Zebra Contact" not in page


def test_nothing_found_says_so(world: World) -> None:
    page = body(signed_in(world.agent).get("/inbox/", {"queue": "all", "q": "nowhere"}))
    assert "Nothing found." in page


def test_nobody_finds_what_is_not_theirs(world: World) -> None:
    page = body(signed_in(world.outsider).get("/inbox/", {"queue": "all", "q": "zebra"}))
    assert "Zebra Contact" not in page
    assert "zebra message text" not in page


def test_no_message_of_others_is_gone_through(world: World) -> None:
    """Whatever else narrows the list: the search itself names nobody else's conversation."""
    assert search.find("zebra", world.agent).message_ids
    assert not search.find("zebra", world.outsider).message_ids


def test_it_is_as_many_queries_however_much_is_found(
    world: World, django_assert_num_queries: Callable[[int], AbstractContextManager[Any]]
) -> None:
    assert world.agent.roles, "which are read once a request"
    for number in range(3):
        factories.make_inbound(factories.make_conversation(world.channel, f"Bob {number}"), "An invoice?")
        with django_assert_num_queries(5):
            assert len(found(world, "invoice")) == number + 2
    for name, nobody in (("müller", False), ("heron", True)):
        with django_assert_num_queries(5):
            assert (not found(world, name)) == nobody, "by a name alone, or not at all"


def test_of_too_many_finds_the_newest_are_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_FINDS", 2)
    for number in range(3):
        factories.make_inbound(factories.make_conversation(world.channel, f"Bob {number}"), "A heron?")
    assert sorted(found(world, "heron")) == ["Bob 1", "Bob 2"]


@pytest.mark.parametrize(
    ("query", "index"), [(search.messages, "channel_words"), (search.contacts, "contact_words")]
)
def test_the_index_is_used(query: Callable[[str], QuerySet[Any]], index: str, world: World) -> None:
    """A table of a few rows would be read whole: that is forbidden here."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert index in query("invoice").order_by().explain()


def test_a_long_message_is_stored_and_found(world: World) -> None:
    conversation = factories.make_conversation(world.channel, "Long")
    factories.make_inbound(conversation, "first " + "word " * 50_000)
    assert found(world, "first word") == ["Long"]


class TestOpeningAFind:
    """A conversation opens at the message that was found."""

    def ask(self, world: World, **query: Any) -> str:
        return body(signed_in(world.admin).get(f"/inbox/{world.conversation.pk}/", query))

    def test_the_row_leads_to_the_message(self, world: World) -> None:
        message = world.conversation.messages.get(text="zebra message text")
        page = body(signed_in(world.admin).get("/inbox/", {"queue": "all", "q": "message"}))
        assert f"/inbox/{world.conversation.pk}/?queue=all&amp;q=message&amp;found={message.pk}" in page
        page = body(signed_in(world.admin).get("/inbox/", {"queue": "all", "q": "zebra contact"}))
        assert "found=" not in page  # a name is in no message

    def test_it_is_marked_and_stays_so(self, world: World) -> None:
        message = world.conversation.messages.get(text="zebra message text")
        page = self.ask(world, q="mess", found=message.pk)
        assert f'is-found" id="message-{message.pk}"' in page
        assert "zebra <mark>mess</mark>age text" in page
        assert page.count("<mark>") == 1
        assert f"found={message.pk}&amp;shown=" in page  # what is new comes by an address that marks it, too

    def test_an_old_one_stands_among_what_was_said_around_it(self, world: World) -> None:
        factories.make_inbound(world.conversation, "needle")
        needle = world.conversation.messages.get(text="needle")
        for number in range(PAGE_SIZE):
            factories.make_outbound(world.conversation, f"later {number}.", purpose="staff")
        shown = self.ask(world, q="needle", found=needle.pk)
        assert "<mark>needle</mark>" in shown
        assert "zebra message text" in shown
        assert "later 49." in shown
        assert "later 51." not in shown
        assert "Newest messages" in shown

    def test_one_of_elsewhere_is_nowhere(self, world: World) -> None:
        assert "is-found" not in self.ask(world, q="heron", found=10**9)


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("<b>Ana</b>", "ana", "&lt;b&gt;<mark>Ana</mark>&lt;/b&gt;"),
        ("banana an_ana", "ana", "banana an_<mark>ana</mark>"),
        ("order 2026-1187", "1187 order", "<mark>order</mark> 2026-<mark>1187</mark>"),
        ("a+b (c", "(c a+b", "<mark>a</mark>+<mark>b</mark> <mark>(c</mark>"),
        ("anything", "", "anything"),
    ],
)
def test_marks(text: str, words: str, expected: str) -> None:
    assert search.marked(text, words) == expected
