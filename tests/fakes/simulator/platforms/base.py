"""What the simulator adds to every fake platform: what people do on their phones, and what they notice."""

import base64
import hashlib
import itertools
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol, Self

from tests.fakes.platform import Account, Call, Delivery, FakePlatform, Habits
from tests.fakes.server import Answer
from tests.fakes.simulator.chats import Choice, Contact, Message

AS_DOCUMENTED = Habits(retry_seconds=1.0, max_retry_seconds=30.0, has_limits=True)

Deliver = Callable[[], object]
"""Puts what somebody did on its way to the hub."""


@dataclass(frozen=True)
class Heard:
    """What a contact notices of a call that the platform took: a text (with the platform's id of it), that
    somebody types, that what they wrote was read (`read`: up to that message's id, or "" for all of it)."""

    contact: str
    id: str = ""
    text: str = ""
    choices: Sequence[Choice] = ()
    quick: bool = False
    is_typing: bool = False
    read: str | None = None


@dataclass(frozen=True)
class Carried:
    """What a webhook holds: for which account, in words, the text of a message, how many items, the ids of
    contacts' messages."""

    account: str
    title: str
    text: str = ""
    count: int = 1
    message_ids: Sequence[str] = ()


class Watcher(Protocol):
    """Who is told what goes on, and may interfere."""

    def take(self, platform: "Simulated", call: Call, answer: Answer) -> None:
        """A call was carried out."""

    def post(self, platform: "Simulated", carried: Carried, deliver: Callable[[], Delivery]) -> Delivery:
        """A webhook is due: `deliver` posts it. Returns how that went."""

    def is_blocking(self, platform: "Simulated", account: str, contact: str) -> bool:
        """Whether a contact has blocked an account."""

    def name_of(self, platform: "Simulated", account: str, contact: str) -> str:
        """The name of a contact; "" for nobody."""


class Simulated(FakePlatform):
    """A fake platform that somebody watches. `base`: the path of its API in the simulator."""

    kind: ClassVar[str]
    label: ClassVar[str]
    base: ClassVar[str]
    setting: ClassVar[str]
    """What points a hub to its API."""
    fields: ClassVar[Mapping[str, str]]
    """The credentials, with the words that the console has for them."""
    can: ClassVar[Sequence[str]]
    """What people can do besides writing: "edit", "unsend", "react", "photo", "voice", "location"."""
    is_by_hand: ClassVar[bool] = False
    """Whether a person enters where an account's webhooks go (`enter_address`), and not the hub."""
    watcher: Watcher

    @classmethod
    def make(cls) -> Self:
        """One that repeats a webhook after pauses that a person can follow."""
        return cls(habits=AS_DOCUMENTED)

    def start(self, watcher: Watcher, url: str, settings: Mapping[str, str]) -> None:
        """Begin where the hub finds it: at `url`, with what the hub was told of it."""
        self.watcher, self.url = watcher, url
        # Ids that were given before a restart must not be given again: the hub knows them.
        self._ids = itertools.count(int(time.time() * 1000))

    # --- what the fake does, watched ------------------------------------------------------------------------

    def carry_out(self, call: Call) -> Answer:
        answer = super().carry_out(call)  # type: ignore[safe-super]
        self.watcher.take(self, call, answer)
        return answer

    def post(self, url: str, body: bytes, content: Any, headers: Mapping[str, str]) -> Delivery:
        deliver = partial(super().post, url, body, content, headers)
        return self.watcher.post(self, self.carried(url, content), deliver)

    # --- accounts -------------------------------------------------------------------------------------------

    @abstractmethod
    def make_credentials(self, seed: str) -> Mapping[str, str]:
        """Credentials for an account, the same for the same seed."""

    @abstractmethod
    def open(self, name: str, credentials: Mapping[str, str]) -> Account:
        """The account of such credentials, made where there is none."""

    @abstractmethod
    def registration(self, account: str) -> Any:
        """What a hub has registered, for `recall` after a restart."""

    @abstractmethod
    def recall(self, account: str, registration: Any, contacts: Sequence[Contact]) -> None:
        """Know again what a hub has registered, and who wrote."""

    # --- what the hub does ----------------------------------------------------------------------------------

    @abstractmethod
    def account_of(self, call: Call) -> str:
        """The address of the account that a call is made for; "" for none, or an unknown one."""

    @abstractmethod
    def text_of(self, call: Call) -> str:
        """The text that a call sends; "" for none."""

    def title_of(self, call: Call) -> str:
        """A call in a word or two."""
        return call.operation

    def is_send(self, call: Call) -> bool:
        """Whether a call sends a message."""
        return call.operation == self.sends

    @abstractmethod
    def heard(self, call: Call, answer: Any) -> Heard | None:
        """What the contact notices of a call that was taken; None for nothing."""

    @abstractmethod
    def carried(self, url: str, content: Any) -> Carried:
        """What a webhook holds."""

    # --- what people do -------------------------------------------------------------------------------------

    @abstractmethod
    def new_contact(self, account: str, number: int) -> str:
        """The id of another contact of an account; the same for the same number."""

    @abstractmethod
    def say(self, account: str, contact: Contact, message: Message) -> Deliver:
        """A contact writes `message`, or sends a photo, a voice message or a place. Sets its id."""

    def choose(self, account: str, contact: Contact, message: Message, choice: Choice) -> Deliver | None:
        """A contact presses a button; None where that only sends its title as a text."""
        return None

    def edit(self, account: str, contact: Contact, message: Message) -> Deliver:
        """A contact has changed the text of `message`."""
        raise NotImplementedError

    def unsend(self, account: str, contact: Contact, message: Message) -> Deliver:
        """A contact takes `message` back."""
        raise NotImplementedError

    def react(self, account: str, contact: Contact, message: Message) -> Deliver:
        """A contact has set, or taken away, the reaction of `message`."""
        raise NotImplementedError

    def look(self, account: str, contact: Contact, unread: Sequence[Message]) -> None:
        """A contact reads what the hub sent, where the platform tells."""

    @abstractmethod
    def set_blocking(self, account: str, contact: Contact) -> None:
        """A contact has blocked the account, or lets it write again (`contact.is_blocking`)."""


def digits(seed: str, count: int) -> str:
    """So many digits, the same for the same seed; the first is no zero."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big")
    return str(10 ** (count - 1) + number % (9 * 10 ** (count - 1)))


def letters(seed: str, count: int) -> str:
    """So many letters and digits, the same for the same seed."""
    content = b"".join(hashlib.sha512(f"{seed} {part}".encode()).digest() for part in range(count // 60 + 1))
    return base64.b64encode(content).decode().translate(str.maketrans("", "", "+/="))[:count]
