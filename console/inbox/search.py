"""Full-text search over messages and contacts, in Postgres, on indexes (`channel_words`, `contact_words`).

Words are found by their beginnings, whatever the case and in any language: the configuration is 'simple', so
nothing is stemmed and no word is too common to be found. What joins numbers and addresses counts as space,
on both sides: "2026-1187" is found by "1187".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, ClassVar, TypeVar

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db.models import F, Func, Max, Model, Q, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString

from console import tenancy
from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, Message
from console.exact_text import escape
from console.organizations.models import User

ModelT = TypeVar("ModelT", bound=Model)

_PERMISSION = "conversations.view_conversation"
JOINTS = "-./@_:+#"
INDEXED_CHARACTERS = 20_000
"""Of a message: longer than any that a platform delivers, and far from what Postgres takes."""
MAX_WORDS = 8
MAX_FINDS = 2_000
"""Of so many conversations the newest finds: whoever has more needs another word."""
MIN_LENGTH = 2
"""Of the longest word, and of what the index is asked for: nearly every message has a word that begins with
some letter."""


class Words(Func):
    """What is indexed of a text; the migration says the same."""

    template = (
        f"to_tsvector('simple', translate(left(%(expressions)s, {INDEXED_CHARACTERS}), "
        f"'{JOINTS}', '{' ' * len(JOINTS)}'))"
    )
    output_field: ClassVar["SearchVectorField[Any, Any]"] = SearchVectorField()


class _Joined(Func):
    """Two texts with a space between: an expression that an index may hold, unlike Django's Concat."""

    template = "(%(expressions)s)"
    arg_joiner = " || ' ' || "
    output_field: ClassVar["TextField[str, str]"] = TextField()


def words(text: str) -> list[str]:
    """The words that somebody searches for; none where none is long enough."""
    spaced = escape(text).translate(dict.fromkeys(map(ord, f"{JOINTS}'\\"), " "))
    found = [word for word in spaced.split() if any(map(str.isalnum, word))][:MAX_WORDS]
    return found if any(len(word) >= MIN_LENGTH for word in found) else []


@dataclass(frozen=True)
class Finds:
    """What a search for `words` found. `message_ids`: by conversation, the newest message in which all the
    words stand; None where they stand in the contact's name and id alone."""

    words: str
    message_ids: Mapping[int, int | None]

    @property
    def condition(self) -> Q:
        """Which conversations."""
        return one_of(self.message_ids)


def one_of(keys: Iterable[int]) -> Q:
    """The rows with these keys, as one array: thousands of parameters would take longer than a search itself.
    A query with none of them is asked, too."""
    return Q(pk__in=RawSQL("SELECT unnest(%s::bigint[])", [list(keys)]))


def find(text: str, user: User) -> Finds:
    """The conversations in which all the words stand in one message, or in the contact's name and id. Only
    the channels of the organizations that `user` looks at are gone through, and only once: a list counts what
    it shows as well."""
    channels = Channel.objects.filter(organization__in=tenancy.in_view(user, _PERMISSION))
    said = tenancy.scope_in_view(messages(text), user, _PERMISSION)
    # Named one by one, so that the index, which begins with the channel, is read for these alone.
    said = said.filter(channel__in=list(channels.values_list("pk", flat=True))).order_by()
    named = tenancy.scope_in_view(contacts(text), user, _PERMISSION)
    by_name = Conversation.objects.filter(contact__in=named).values_list("pk", flat=True)
    newest = said.values("conversation").annotate(newest=Max("pk")).values_list("conversation", "newest")
    found = newest.order_by("-newest")[:MAX_FINDS]
    return Finds(text, {**dict.fromkeys(by_name[:MAX_FINDS]), **dict(found)})


def messages(text: str) -> QuerySet[Message]:
    """Messages with all the words."""
    return _with_all(Message.objects.alias(searched=F("text"), words=Words(F("text"))), text)


def contacts(text: str) -> QuerySet[Contact]:
    """Contacts with all the words in their name and id."""
    searched = _Joined("name", "platform_id")
    return _with_all(Contact.objects.alias(searched=searched, words=Words(searched)), text)


def _with_all(rows: QuerySet[ModelT], text: str) -> QuerySet[ModelT]:
    """What is too short for the index, which would have to read half of itself, is looked for in what the
    longer words leave."""
    for word in words(text):
        if len(word) < MIN_LENGTH:
            rows = rows.filter(searched__iregex=rf"(^|[^[:alnum:]]){re.escape(word)}")
    return rows.filter(words=_query(text))


def excerpt(text: str, found: str, length: int) -> str:
    """`text` from a little before the first of the words; all of it where there is none."""
    places = [text.casefold().find(word.casefold()) for word in words(found)]
    start = max(0, min((place for place in places if place >= 0), default=0) - length // 3)
    start = text.rfind(" ", 0, start + 1) + 1
    return ("…" if start else "") + text[start:]


def marked(text: str, found: str) -> SafeString:
    """`text` with the beginnings of words that were searched for marked, ready for a page."""
    beginnings = sorted(map(re.escape, words(found)), key=len, reverse=True)
    if not beginnings:
        return conditional_escape(text)
    pieces = re.split(rf"(?<![^\W_])({'|'.join(beginnings)})", text, flags=re.IGNORECASE)
    return format_html_join("", "{}{}", _in_pairs(pieces))


def _in_pairs(pieces: Sequence[str]) -> Iterator[tuple[str, SafeString | str]]:
    """What is not marked, and what follows it and is."""
    for plain, mark in zip_longest(pieces[::2], pieces[1::2]):
        yield plain, format_html("<mark>{}</mark>", mark) if mark else ""


def _query(text: str) -> SearchQuery:
    beginnings = " & ".join(f"'{word}':*" for word in words(text) if len(word) >= MIN_LENGTH)
    return SearchQuery(beginnings, config="simple", search_type="raw")
