"""What the fake platforms have in common, under the same names in each."""

import itertools
import json
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Literal, NotRequired, Self, TypedDict

from tests.fakes.platform import control
from tests.fakes.platform.faults import ApiError, Call, Fault, Hit
from tests.fakes.platform.webhooks import PUNCTUAL, Delivery, Habits, Lane, Lanes, request
from tests.fakes.server import Answer, Request, Served

SILENCE_SECONDS = 15.0
"""Longer than the hub waits for a platform's answer."""


@dataclass(frozen=True)
class Account:
    """What an organization connects: a bot, a number, a page. `kind` and `address` are the hub's words for it
    (Channel.kind, Channel.address); `credentials` are what its admin pastes there."""

    kind: str
    address: str
    name: str
    credentials: Mapping[str, str]


class Line(TypedDict):
    """A message in a conversation. `account` is an address, `contact` and `id` are as the hub's ledger writes
    them, `at` is epoch seconds. `returned_at`: when the call that sent it was answered, if it was.
    `choices`: what comes back for each that was offered, by its title."""

    account: str
    contact: str
    id: str
    text: str
    at: float
    by: Literal["contact", "account"]
    returned_at: NotRequired[float]
    choices: NotRequired[Mapping[str, Any]]


class FakePlatform(Served, ABC):
    """A platform: `with FakeTelegram() as telegram:` serves it on a free port; `python -m tests.fakes` serves
    some of them for the hub of `make run`, controlled over HTTP (control.py).

    * `open_account(kind)` makes an account and its credentials; `hub_settings` are the environment variables
      that point a hub here. Where an `account` is asked for, its address names it.
    * `write(account, contact, text)`: somebody writes. `conversation(account, contact)`: what both wrote.
    * `calls` holds every call of the API in order, `sent` the messages that it took, `deliveries` the
      webhooks that it posted, `hits` the faults that met a call.
    * `fail_next(operation, fault)` lets a call go wrong; `troubles` are faults by name, for calls of `sends`.
      `renew_token(account)` ends the credentials that the hub has.
    * `now` may be set to another clock."""

    title: ClassVar[str]
    kinds: ClassVar[Sequence[str]]
    """The hub's channel kinds that it is the platform of."""
    sends: ClassVar[str]
    """The operation by which the hub sends a message."""
    too_fast: ClassVar[Fault]
    """How it asks the hub to slow down."""

    def __init__(self, port: int = 0, habits: Habits = PUNCTUAL) -> None:
        super().__init__(self.respond, port)
        self.habits = habits
        self.calls: list[Call] = []
        self.sent: list[Line] = []
        self.written: list[Line] = []
        self.deliveries: list[Delivery] = []
        self.hits: list[Hit] = []
        self.now: Callable[[], float] = lambda: time.time()  # a test may set that clock
        self._accounts: dict[str, Account] = {}
        self.lanes = Lanes(self.post_items, self.ready, habits)
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._ids = itertools.count(100)
        self._in_this_call = threading.local()
        self._changed = self.lanes.changed
        self._is_closed = self.lanes.is_closed

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed.set()
        super().__exit__(kind, error, trace)

    # --- accounts -------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def hub_settings(self) -> Mapping[str, str]:
        """The environment variables of a hub whose platform this is."""

    @property
    def accounts(self) -> Sequence[Account]:
        """The accounts that were opened, with the credentials that count now."""
        with self._changed:
            return list(self._accounts.values())

    @abstractmethod
    def open_account(self, kind: str, name: str, address: str = "", **credentials: str) -> Account:
        """Make an account. With the address and credentials of one that there was, it is there again: a hub
        remembers its channels for longer than a process lives."""

    @abstractmethod
    def renew_token(self, account: str) -> Mapping[str, str]:
        """Take the old token of an account no more; returns the new credentials."""

    @abstractmethod
    def webhook_of(self, account: str) -> str:
        """Where what happens to an account goes; "" for nowhere."""

    def connect_hub(self, webhook_url: str) -> None:
        """Enter a hub's address where its operator does so by hand: for Meta's app. Elsewhere the hub
        registers its channels itself."""

    def enter_address(self, account: str, url: str) -> bool:
        """Somebody enters where an account's webhooks go; whether the platform takes the address."""
        raise NotImplementedError

    def account(self, address: str) -> Account:
        """The account of an address; KeyError where there is none."""
        if address not in self._accounts:
            raise KeyError(f"{self.title} has no account {address!r}: open it first.")
        return self._accounts[address]

    def _keep(self, account: Account) -> Account:
        with self._changed:
            self._accounts[account.address] = account
        return account

    # --- what people do -------------------------------------------------------------------------------------

    @abstractmethod
    def write(self, account: str, contact: Any, text: str, *, age_seconds: float = 0.0) -> str:
        """Somebody writes to an account, and it sets off `age_seconds` later; returns the message's id."""

    def contacts(self, account: str) -> Sequence[str]:
        """Who has written to an account, or got something from it."""
        return list(dict.fromkeys(each["contact"] for each in self._lines(account)))

    def conversation(self, account: str, contact: str) -> Sequence[Line]:
        """What a contact and an account wrote to each other, in order."""
        return [each for each in self._lines(account) if each["contact"] == contact]

    def _lines(self, account: str) -> Sequence[Line]:
        with self._changed:
            found = [each for each in (*self.written, *self.sent) if each["account"] == account]
        return sorted(found, key=lambda each: each["at"])

    def _note_written(self, account: str, contact: str, id_: str, text: str) -> None:
        with self._changed:
            line = Line(account=account, contact=contact, id=id_, text=text, at=self.now(), by="contact")
            self.written.append(line)

    def _note_sent(
        self, account: str, contact: str, id_: str, text: str, choices: Mapping[str, Any] | None = None
    ) -> None:
        with self._changed:
            line = Line(account=account, contact=contact, id=id_, text=text, at=self.now(), by="account")
            if choices:
                line["choices"] = choices
            self.sent.append(line)
            self._in_this_call.line = line
            self._changed.notify_all()

    # --- what goes wrong ------------------------------------------------------------------------------------

    def fail_next(self, operation: str, fault: Fault) -> None:
        """Let the next call of an operation go wrong; several calls queue up."""
        with self._changed:
            self._faults[operation].append(fault)

    @property
    def troubles(self) -> Mapping[str, Fault]:
        """Faults by name."""
        return {
            "error": Fault(raw=(500, "<html>Internal Server Error</html>")),
            "too fast": self.too_fast,
            "silence": Fault(silence_seconds=SILENCE_SECONDS, after=True),
        }

    # --- what a test waits for ------------------------------------------------------------------------------

    def wait_until(self, condition: Callable[[Self], bool], timeout_seconds: float = 10) -> None:
        """Wait for something to become true of what the platform has seen; TimeoutError after that."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout_seconds):
                raise TimeoutError(f"the fake {self.title} did not see what the test waits for")

    def wait_until_delivered(self, timeout_seconds: float = 10) -> None:
        """Wait until no webhook is on its way any more."""
        self.wait_until(lambda fake: not fake.lanes.waiting(), timeout_seconds)

    # --- the API --------------------------------------------------------------------------------------------

    @abstractmethod
    def call_of(self, request: Request) -> Call:
        """The call that a request makes."""

    @abstractmethod
    def carry_out(self, call: Call) -> Answer:
        """Do what a call asks for; raises ApiError."""

    def respond(self, request: Request) -> Answer | None:
        """The answer to a request; None for a connection that breaks."""
        if request.path.startswith(control.PREFIX):
            return control.respond(self, request)
        return self.answer(self.call_of(request))

    def answer(self, call: Call, fault: Fault | None = None) -> Answer | None:
        """The answer to a call, with the fault that meets it: this one, or the next that waits."""
        with self._changed:
            self.calls.append(call)
            if fault is None and self._faults[call.operation]:
                fault = self._faults[call.operation].popleft()
        try:
            answer = self.carry_out(call) if fault is None or fault.after else None
        except ApiError as error:
            said = Answer.of_json(error.as_json(), error.status)
            answer = Answer(said.status, said.body, {**said.headers, **error.headers})
        if call.operation == self.sends:
            self._is_closed.wait(self.habits.lag())
        with self._changed:
            if fault:
                self.hits.append(Hit(fault, call, time.time()))
            elif line := vars(self._in_this_call).pop("line", None):
                line["returned_at"] = time.time()
            self._changed.notify_all()
        return self._go_wrong(fault) if fault else answer

    def _go_wrong(self, fault: Fault) -> Answer | None:
        if fault.error:
            headers = {**fault.error.headers, **fault.headers}
            return Answer(fault.error.status, json.dumps(fault.error.as_json()), headers)
        if fault.raw:
            return Answer(*fault.raw, fault.headers)
        self._is_closed.wait(fault.silence_seconds)
        return None

    # --- webhooks -------------------------------------------------------------------------------------------

    def ready(self, lane: Lane, waiting: int) -> int:
        """How many of the items that wait in a lane go in one webhook now."""
        return 1

    @abstractmethod
    def post_items(self, lane: Lane, items: Sequence[Any]) -> bool:
        """Post a webhook of items; whether they need not come again."""

    @abstractmethod
    def ids_of(self, content: Any) -> Sequence[str]:
        """The ids of the items in a webhook: a message's is the one that `write` returned."""

    def redeliver(self, id_: str) -> None:
        """Post the webhook that held an item once more, as it was; nothing where there was none."""
        with self._changed:
            old = next((each for each in self.deliveries if id_ in each.items), None)
        if old:
            again = (old.url, old.body, old.content, old.headers)
            threading.Thread(target=self.post, args=again, daemon=True).start()

    def post(self, url: str, body: bytes, content: Any, headers: Mapping[str, str]) -> Delivery:
        """Post a body, which holds `content`, and note what came of it."""
        items, began = self.ids_of(content), time.time()
        status, answer = request(url, body, headers)
        delivery = Delivery(url, body, content, items, headers, status, answer, began, time.time())
        with self._changed:
            self.deliveries.append(delivery)
            self._changed.notify_all()
        return delivery
