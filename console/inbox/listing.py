"""What of the inbox somebody looks at: a queue, perhaps narrowed. Its query says so in every address."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils.http import urlencode

from console.inbox import search
from console.inbox.queues import QUEUES, Queue
from console.inbox.search import Finds
from console.organizations.models import User

MAX_PAGES = 20
"""Of the list: who wants more than a thousand rows searches."""
MAX_SEARCH_LENGTH = 100


@dataclass(frozen=True)
class Listing:
    """A queue, only the conversations with a label where one is chosen, and with the words that are searched
    for; and how much of it."""

    queue: Queue
    label: int | None = None
    words: str = ""
    pages: int = 1

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves out some of the queue."""
        return bool(self.label or self.words)

    def find(self, user: User) -> Finds | None:
        """What `user` finds, where they search."""
        return search.find(self.words, user) if self.words else None

    def narrowed(self, finds: Finds | None) -> Q:
        """What narrows the queue."""
        labelled = Q(labels=self.label) if self.label else Q()
        return labelled & (finds.condition if finds else Q())

    @property
    def query(self) -> str:
        """The query of the addresses that stay in this listing."""
        return self.query_of(self.queue)

    def query_of(self, queue: Queue) -> str:
        """The same of another queue."""
        found: dict[str, Any] = {"queue": queue.key, "label": self.label, "q": self.words}
        return urlencode({name: value for name, value in found.items() if value})


def read(query: Mapping[str, str], otherwise: str) -> Listing:
    """The listing that a query asks for; `otherwise`: the queue where it names none."""
    return Listing(
        queue=QUEUES.get(query.get("queue", ""), QUEUES[otherwise]),
        label=number(query.get("label", "")),
        words=query.get("q", "").strip()[:MAX_SEARCH_LENGTH],
        pages=min(MAX_PAGES, number(query.get("pages", "")) or 1),
    )


def number(text: str) -> int | None:
    """A number of an address; None for what is none."""
    return int(text) if re.fullmatch("[1-9][0-9]{0,17}", text) else None
