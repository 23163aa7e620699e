"""The simulator: the platforms, who writes there, and what goes to and fro."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.fakes.meta import App, FakeMeta
from tests.fakes.platform import Call, Delivery
from tests.fakes.server import Answer, Request
from tests.fakes.simulator import demo, memory
from tests.fakes.simulator.chats import Contact, Message, Tick
from tests.fakes.simulator.faults import COPIES, TROUBLES
from tests.fakes.simulator.memory import Keeper, Record
from tests.fakes.simulator.packets import of_call, of_webhook
from tests.fakes.simulator.people import name_of
from tests.fakes.simulator.platforms import PLATFORMS
from tests.fakes.simulator.platforms.base import Carried, Deliver, Heard, Simulated
from tests.fakes.simulator.wire import Wire

STATE_FILE = "state.json"
LOOPBACK_NAMES = ("127.0.0.1", "localhost")
FIRST_CONTACTS = 2
TYPING_SECONDS = 6.0
"""How long a sign of typing is shown, unless a message comes."""
REORDER_SECONDS = 4.0
"""How long a message waits for another that is to come before it."""
OVERTAKEN_SECONDS = 0.4
"""How far behind it comes then."""
MAX_MESSAGES = 300
"""Of a contact: the oldest are forgotten."""


@dataclass(frozen=True)
class Setup:
    """Where the simulator is and what it is told: `url` its own address, `settings` the hub's."""

    url: str
    folder: Path
    settings: Mapping[str, str]


class Simulator:
    """Everything but HTTP. `changed` is notified, and `revision` grows, whenever the page is to show
    something else. It watches the platforms (platforms.base.Watcher)."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.wire = Wire()
        self.records: dict[str, Record] = {}
        self.organizations = list(demo.organizations())
        self.changed = threading.Condition(threading.RLock())
        self.revision = 1
        self.platforms = {kind.kind: kind.make() for kind in PLATFORMS}
        apps: dict[str, App] = {}
        for platform in self.platforms.values():
            if isinstance(platform, FakeMeta):
                platform.apps = apps  # all of Meta's platforms know the same ones
        self._keeper = Keeper(setup.folder / STATE_FILE, self._content)
        self._held: dict[str, list[Deliver]] = {}
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        for platform in self.platforms.values():
            self._resources.enter_context(platform)
            platform.start(self, f"{self.setup.url}{platform.base}", self.setup.settings)
        self._remember()
        self._open_demo()
        self._keeper.start()
        self._resources.callback(self._keeper.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    # --- accounts -------------------------------------------------------------------------------------------

    def is_served(self, platform: Simulated) -> bool:
        """Whether the hub was told to find the platform here, or behind something on this machine that
        passes calls on."""
        address = urlsplit(self.setup.settings.get(platform.setting, ""))
        return address.hostname in LOOPBACK_NAMES and address.path == platform.base

    def records_of(self, kind: str) -> list[Record]:
        """The accounts at a platform, the demo's first."""
        return [record for record in self.records.values() if record.kind == kind]

    def open_account(self, kind: str, organization: str, seed: str = "") -> Record:
        """Open an account for somebody; with a seed always the same."""
        platform = self.platforms[kind]
        seed = seed or f"{kind} {organization} {time.time_ns()}"
        record = self._open(platform, organization, platform.make_credentials(seed))
        while len(record.contacts) < FIRST_CONTACTS:
            self.add_contact(record)
        return record

    def enter_address(self, record: Record, url: str) -> bool:
        """Somebody enters where an account's webhooks go; whether the platform takes the address."""
        is_taken = self.platforms[record.kind].enter_address(record.address, url)
        self._note_change()
        return is_taken

    def add_contact(self, record: Record) -> Contact:
        """Somebody else has the account's address now."""
        with self.changed:
            number = len(record.contacts)
            id_ = self.platforms[record.kind].new_contact(record.address, number)
            contact = Contact(id_, name_of(number))
            record.contacts.append(contact)
        self._note_change()
        return contact

    def _open(self, platform: Simulated, organization: str, credentials: Mapping[str, str]) -> Record:
        account = platform.open(organization, credentials)
        record = Record(platform.kind, account.address, account.name, organization, account.credentials)
        with self.changed:
            return self.records.setdefault(record.id, record)

    def _remember(self) -> None:
        for kept in memory.read(self.setup.folder / STATE_FILE):
            platform = self.platforms[kept.record.kind]
            record = self._open(platform, kept.record.organization, kept.record.credentials)
            record.contacts = kept.record.contacts
            platform.recall(record.address, kept.registration, record.contacts)

    def _open_demo(self) -> None:
        served = [
            kind
            for kind, platform in self.platforms.items()
            if self.is_served(platform) and not platform.is_by_hand
        ]
        for organization in self.organizations:
            records = [
                self.open_account(kind, organization.name, f"{organization.slug} {kind}") for kind in served
            ]
            channels = {record.kind: record.credentials for record in records}
            demo.write_channels(self.setup.folder, organization, channels)

    def _content(self) -> Sequence[Any]:
        with self.changed:
            return [
                memory.as_json(record, self.platforms[record.kind].registration(record.address))
                for record in self.records.values()
            ]

    # --- what people do -------------------------------------------------------------------------------------

    def write(self, record: Record, contact: Contact, text: str, kind: str = "text") -> Message:
        """A contact writes, or sends a photo, a voice message or a place."""
        message = Message("", mine=True, text=text, kind=kind)
        deliver = self.platforms[record.kind].say(record.address, contact, message)
        self._add(contact, message)
        self._send(record, deliver)
        return message

    def press(self, record: Record, contact: Contact, message: Message, place: int) -> None:
        """A contact presses one of a message's buttons."""
        choice, platform = message.choices[place], self.platforms[record.kind]
        deliver = platform.choose(record.address, contact, message, choice)
        message.pressed = choice.title
        if deliver is None:
            self.write(record, contact, choice.title)
        else:
            self._send(record, deliver)

    def edit(self, record: Record, contact: Contact, message: Message, text: str) -> None:
        """A contact changes what they wrote."""
        message.text, message.is_edited = text, True
        self._send(record, self.platforms[record.kind].edit(record.address, contact, message))

    def unsend(self, record: Record, contact: Contact, message: Message) -> None:
        """A contact takes back what they wrote."""
        message.text, message.is_unsent, message.reaction = "", True, ""
        self._send(record, self.platforms[record.kind].unsend(record.address, contact, message))

    def react(self, record: Record, contact: Contact, message: Message, emoji: str) -> None:
        """A contact reacts to a message; to take that away, with ""."""
        message.reaction = emoji
        self._send(record, self.platforms[record.kind].react(record.address, contact, message))

    def look(self, record: Record, contact: Contact) -> None:
        """A contact has the conversation before them."""
        with self.changed:
            unread = [each for each in contact.messages if not each.mine and each.tick != Tick.READ]
            contact.unread = 0
            for message in unread:
                message.reach(Tick.READ)
        if unread:
            self.platforms[record.kind].look(record.address, contact, unread)
            self._note_change()

    def block(self, record: Record, contact: Contact, is_blocking: bool) -> None:
        """A contact blocks the account, or lets it write again."""
        contact.is_blocking = is_blocking
        self.platforms[record.kind].set_blocking(record.address, contact)
        self._note_change()

    def arm(self, record: Record, fault: str, value: Any) -> None:
        """Let something go wrong; ValueError for what cannot."""
        record.faults.arm(fault, value)
        if fault == "reorder" and not value:
            self._release(record)
        self._note_change()

    def _send(self, record: Record, deliver: Deliver) -> None:
        """Put something on its way: at once, or behind what comes after it."""
        if not record.faults.reorder:
            deliver()
        elif self._held.get(record.id):
            deliver()
            _later(OVERTAKEN_SECONDS, lambda: self._release(record))
        else:
            self._held[record.id] = [deliver]
            _later(REORDER_SECONDS, lambda: self._release(record))
        self._note_change()

    def _release(self, record: Record) -> None:
        for deliver in self._held.pop(record.id, []):
            deliver()

    # --- what the hub does ----------------------------------------------------------------------------------

    def record_of(self, platform: Simulated, call: Call) -> Record | None:
        """The account that a call is made for; None for one that the simulator does not know."""
        return self.records.get(f"{platform.kind}:{platform.account_of(call)}")

    def answer(self, platform: Simulated, request: Request) -> Answer | None:
        """The answer to a call of a platform's API; None for a connection that breaks."""
        call = platform.call_of(request)
        record, began = self.record_of(platform, call), time.time()
        fault = _fault(platform, record, call)
        if fault:
            self._note_change()
        if fault == "token":
            answer = platform.answer(replace(call, token="revoked"))
        else:
            answer = platform.answer(call, platform.troubles[TROUBLES[fault]] if fault else None)
        account = record.id if record else ""
        self.wire.add(of_call(platform, account, call, request, answer, fault, began))
        self._note_change()
        return answer

    # --- what the platforms tell ----------------------------------------------------------------------------

    def take(self, platform: Simulated, call: Call, answer: Answer) -> None:
        record, heard = self.record_of(platform, call), platform.heard(call, answer.json())
        if record and heard and (contact := _who(record, heard)):
            self._hear(record, contact, heard)
        self._note_change()

    def _hear(self, record: Record, contact: Contact, heard: Heard) -> None:
        if heard.read is not None:
            until = [message for message in contact.messages if message.mine]
            last = next((place for place, each in enumerate(until) if each.id == heard.read), len(until) - 1)
            for message in until[: last + 1]:
                message.reach(Tick.READ)
        contact.typing_until = time.time() + TYPING_SECONDS if heard.is_typing else contact.typing_until
        if heard.id:
            contact.typing_until = 0.0
            choices, quick = list(heard.choices), heard.quick
            message = Message(
                heard.id, mine=False, text=heard.text, tick=Tick.DELIVERED, choices=choices, quick=quick
            )
            contact.unread += 1
            self._add(contact, message)

    def post(self, platform: Simulated, carried: Carried, deliver: Callable[[], Delivery]) -> Delivery:
        record = self.records.get(f"{platform.kind}:{carried.account}")
        copies = COPIES if record and record.faults.duplicates and carried.message_ids else 1
        deliveries = [
            self._posted(platform, carried, deliver, "again" if copy else "") for copy in range(copies)
        ]
        if record and deliveries[0].is_taken:
            for contact in record.contacts:
                for message in contact.own(carried.message_ids):
                    message.reach(Tick.DELIVERED)
        self._note_change()
        return deliveries[0]

    def _posted(
        self, platform: Simulated, carried: Carried, deliver: Callable[[], Delivery], fault: str
    ) -> Delivery:
        delivery = deliver()
        self.wire.add(of_webhook(f"{platform.kind}:{carried.account}", carried, delivery, fault))
        return delivery

    def is_blocking(self, platform: Simulated, account: str, contact: str) -> bool:
        found = self._find(platform, account, contact)
        return found is not None and found.is_blocking

    def name_of(self, platform: Simulated, account: str, contact: str) -> str:
        found = self._find(platform, account, contact)
        return found.name if found else ""

    def _find(self, platform: Simulated, account: str, contact: str) -> Contact | None:
        record = self.records.get(f"{platform.kind}:{account}")
        return next((each for each in (record.contacts if record else ()) if each.id == contact), None)

    # --- the page -------------------------------------------------------------------------------------------

    def _add(self, contact: Contact, message: Message) -> None:
        with self.changed:
            contact.messages.append(message)
            del contact.messages[:-MAX_MESSAGES]
        self._note_change()

    def _note_change(self) -> None:
        with self.changed:
            self.revision += 1
            self.changed.notify_all()
        self._keeper.change()


def _fault(platform: Simulated, record: Record | None, call: Call) -> str:
    """The name of the fault that a call meets, which it uses up; "" for none."""
    if record is None:
        return ""
    if record.faults.token:
        return "token"
    return record.faults.take() if platform.is_send(call) else ""


def _who(record: Record, heard: Heard) -> Contact | None:
    """The contact by id, or by the message of theirs that was read."""
    return next(
        (
            each
            for each in record.contacts
            if each.id == heard.contact or (not heard.contact and any(each.own([heard.read or ""])))
        ),
        None,
    )


def _later(seconds: float, do: Callable[[], object]) -> None:
    timer = threading.Timer(seconds, do)
    timer.daemon = True
    timer.start()
