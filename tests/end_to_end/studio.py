"""A yoga studio with a Telegram bot: an organization on the running system, seen from the platform's side."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.fakes.telegram import FakeTelegram
from tests.running_stack import RunningStack

FILE = Path(__file__).with_name("lakeside-yoga.yaml")
FALLBACK = "Namaste. A teacher will write to you here soon."
T = TypeVar("T")
ANSWER_TIMEOUT_SECONDS = 30.0
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


@dataclass(frozen=True)
class Studio:
    """One organization. Chats are told apart by their id."""

    stack: RunningStack
    telegram: FakeTelegram
    slug: str
    token: str
    imported: str
    """What import_organization said."""

    @classmethod
    def load(cls, stack: RunningStack, telegram: FakeTelegram, number: int, folder: Path) -> "Studio":
        slug, token = f"lakeside-yoga-{number}", f"{number}00:bot-of-studio-{number}"
        telegram.add_bot(token, username=f"studio_{number}_bot")
        file = folder / f"{slug}.yaml"
        file.write_text(FILE.read_text().replace("slug: lakeside-yoga", f"slug: {slug}"))
        imported = stack.manage("import_organization", str(file), LAKESIDE_YOGA_BOT_TOKEN=token)
        return cls(stack, telegram, slug, token, imported)

    # --- what the platform does ---

    @property
    def bot(self) -> str:
        """The bot's address."""
        return self.telegram.bots[self.token].id

    @property
    def webhook(self) -> Mapping[str, Any]:
        """What the hub registered at the platform."""
        return self.telegram.bots[self.token].webhook

    def write(self, chat_id: int, text: str) -> dict[str, Any]:
        """A person writes; returns the update, which the platform delivers by itself."""
        return self.telegram.deliver(self.token, chat_id, self.telegram.compose(chat_id, text))

    def post(self, body: bytes | Mapping[str, Any], url: str = "", **headers: str) -> int:
        """Deliver a webhook of the test's own; signed, unless `headers` say otherwise. Returns the status."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = {"content-type": "application/json", SECRET_HEADER: self.webhook["secret_token"]}
        response = httpx.post(
            url or self.webhook["url"], content=content, headers=signed | headers, timeout=30, trust_env=False
        )
        return response.status_code

    # --- what a person in a chat sees ---

    def replies(self, chat_id: int) -> list[str]:
        sent = self.telegram.conversation(self.bot, str(chat_id))
        return [each["text"] for each in sent if each["by"] == "account"]

    def wait_for_replies(
        self, chat_id: int, count: int, timeout_seconds: float = ANSWER_TIMEOUT_SECONDS
    ) -> list[str]:
        """The replies in a chat, once there are `count` of them."""
        self.telegram.wait_until(lambda _: len(self.replies(chat_id)) >= count, timeout_seconds)
        return self.replies(chat_id)

    # --- what an operator sees ---

    def ledger(self) -> dict[str, Any]:
        """The ledger as it is once every turn has its outcome."""
        return wait_for(self._settled_ledger)

    def _settled_ledger(self) -> dict[str, Any] | None:
        found: dict[str, Any] = json.loads(self.stack.manage("ledger", "--organization", self.slug, "--json"))
        return None if found["open"] else found

    def stored(self, model: str, field: str) -> list[Any]:
        """A field of this organization's rows, oldest first: of its contacts' messages, or of its events."""
        only = {"Message": "direction='in'", "PlatformEvent": ""}[model]
        code = (
            f"import json; from console.conversations.models import {model} as Row\n"
            f"rows = Row.objects.filter(channel__organization__slug='{self.slug}', {only}).order_by('id')\n"
            f"print(json.dumps(list(rows.values_list('{field}', flat=True))))"
        )
        found: list[Any] = json.loads(self.stack.manage("shell", "--verbosity", "0", "--command", code))
        return found

    def outcomes(self) -> dict[str, int]:
        """How many turns there are and how they ended."""
        ledger = self.ledger()
        return {name: ledger[name] for name in ("turns", "answered", "handed_over", "declined", "duplicates")}


def wait_for(condition: Callable[[], T | None], timeout_seconds: float = ANSWER_TIMEOUT_SECONDS) -> T:
    """The first value of a condition that is not None."""
    deadline = time.monotonic() + timeout_seconds
    while (value := condition()) is None:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return value
