"""Messenger and Instagram, as the people who write to a page or an account have them."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from tests.fakes.pages import FakePages, Owner
from tests.fakes.platform import Account, Call
from tests.fakes.server import Answer
from tests.fakes.simulator.chats import Choice, Contact, Message
from tests.fakes.simulator.platforms.base import Carried, Deliver, Heard, digits, letters
from tests.fakes.simulator.platforms.meta import SimulatedMeta

_EVENTS = ("message", "message_edit", "postback", "read", "delivery", "reaction")


class SimulatedPages(SimulatedMeta, FakePages):
    """What the two have in common."""

    fields: ClassVar[Mapping[str, str]] = {"access_token": "Access token"}
    token_prefix: ClassVar[str] = "EAA"

    # --- accounts -------------------------------------------------------------------------------------------

    def make_credentials(self, seed: str) -> Mapping[str, str]:
        return {"access_token": f"{self.token_prefix}SIMULATED{letters(seed, 60)}"}

    def open(self, name: str, credentials: Mapping[str, str]) -> Account:
        address = digits(credentials["access_token"], 15)
        return self.open_account(self.kind, self.account_name(name), address, **credentials)

    def account_name(self, name: str) -> str:
        """What the platform calls an account of such a name."""
        return name

    def registration(self, account: str) -> Any:
        return self._owner(account).subscribed

    def _give_token(self, owner: Owner, **changed: Any) -> Owner:
        """The same again: a simulator that has forgotten everything must know it all the same."""
        self.owners[owner.token] = replace(owner, **changed)
        return self.owners[owner.token]

    def recall(self, account: str, registration: Any, contacts: Sequence[Contact]) -> None:
        owner = self._owner(account)
        owner.subscribed = registration
        owner.blocked_by = {contact.id for contact in contacts if contact.is_blocking}
        for contact in contacts:
            own = [message.at for message in contact.messages if message.mine]
            owner.written_at |= {contact.id: max(own)} if own else {}

    def carry_out(self, call: Call) -> Answer:
        """Besides what the fake does: who a contact is (User Profile API)."""
        owner = self.owners.get(call.token)
        if owner is None or call.method != "GET" or call.target not in owner.written_at:
            return super().carry_out(call)
        name = self.watcher.name_of(self, owner.id, call.target)
        first, _, last = name.partition(" ")
        known = {"first_name": first, "last_name": last, "name": name, "username": _account_name(name)}
        asked = str(call.parameters.get("fields", "")).split(",")
        return Answer.of_json({"id": call.target, **{key: known[key] for key in asked if key in known}})

    # --- what the hub does ----------------------------------------------------------------------------------

    def account_of(self, call: Call) -> str:
        return self.owners[call.token].id if call.token in self.owners else ""

    def heard(self, call: Call, answer: Any) -> Heard | None:
        contact = str(call.parameters.get("recipient", {}).get("id", ""))
        if action := call.parameters.get("sender_action"):
            return Heard(contact, is_typing=action == "typing_on", read="" if action == "mark_seen" else None)
        if not self.is_send(call):
            return None
        replies = call.parameters["message"].get("quick_replies", [])
        choices = [Choice(each["title"], each) for each in replies]
        return Heard(contact, answer["message_id"], self.text_of(call), choices, quick=True)

    def text_of(self, call: Call) -> str:
        return str(call.parameters["message"].get("text", "")) if self.is_send(call) else ""

    def title_of(self, call: Call) -> str:
        return str(call.parameters.get("sender_action", call.operation))

    def carried(self, url: str, content: Any) -> Carried:
        items = [item for entry in content["entry"] for item in entry["messaging"]]
        names = [_name(item) for item in items]
        ids = [item["message"]["mid"] for item in items if _name(item) == "message"]
        account = str(content["entry"][0]["id"])
        text = next((item["message"]["text"] for item in items if "text" in item.get("message", {})), "")
        return Carried(account, ", ".join(dict.fromkeys(names)), text, len(items), ids)

    # --- what people do -------------------------------------------------------------------------------------

    def new_contact(self, account: str, number: int) -> str:
        return digits(f"{account} {number}", 16)

    def say(self, account: str, contact: Contact, message: Message) -> Deliver:
        content = {} if message.kind == "text" else {"attachments": [self._attachment(message)]}
        return self._delivery(account, contact, message, content)

    def choose(self, account: str, contact: Contact, message: Message, choice: Choice) -> Deliver | None:
        content = {"quick_reply": {"payload": choice.platform.get("payload", choice.title)}}
        return self._delivery(account, contact, Message("", True, choice.title), content)

    def edit(self, account: str, contact: Contact, message: Message) -> Deliver:
        edits = {"mid": message.id, "text": message.text, "num_edit": 1}
        return self._event(account, contact, {"message_edit": edits})

    def react(self, account: str, contact: Contact, message: Message) -> Deliver:
        change = {"action": "react", "reaction": "other", "emoji": message.reaction}
        change = change if message.reaction else {"action": "unreact"}
        return self._event(account, contact, {"reaction": {"mid": message.id, **change}})

    def set_blocking(self, account: str, contact: Contact) -> None:
        """Nobody is told before the next message."""
        change = set.add if contact.is_blocking else set.discard
        change(self._owner(account).blocked_by, contact.id)

    def _delivery(
        self, account: str, contact: Contact, message: Message, content: Mapping[str, Any]
    ) -> Deliver:
        message.id = self._new_id()
        given = {"mid": message.id, **({"text": message.text} if message.text else {}), **content}
        owner = self._owner(account)
        owner.written_at[contact.id] = self.now()
        return self._event(account, contact, {"message": given})

    def _event(self, account: str, contact: Contact, event: Mapping[str, Any]) -> Deliver:
        owner = self._owner(account)
        item = self._item(contact.id, owner.id, event)
        return lambda: self._queue(owner, item, None)

    def _attachment(self, message: Message) -> dict[str, Any]:
        if message.kind == "location":
            place = {"coordinates": {"lat": 53.5436, "long": 9.9886}}
            return {"type": "location", "title": "Pinned Location", "payload": place}
        kind, file = ("image", "photo-png") if message.kind == "photo" else ("audio", "voice-wav")
        return {"type": kind, "payload": {"url": f"{self.url}/files/{file}"}}


class SimulatedMessenger(SimulatedPages):
    """An account is a page; a contact has an id for this page alone, and no name in webhooks."""

    kind: ClassVar[str] = "messenger"
    label: ClassVar[str] = "Messenger"
    base: ClassVar[str] = "/graph"
    setting: ClassVar[str] = "HUB_GRAPH_API_URL"
    fields: ClassVar[Mapping[str, str]] = {"access_token": "Page access token"}
    can: ClassVar[Sequence[str]] = ("edit", "react", "photo", "voice", "location")

    def look(self, account: str, contact: Contact, unread: Sequence[Message]) -> None:
        watermark = int(self.now() * 1000)
        mids = [message.id for message in unread]
        self.happen(account, contact.id, {"delivery": {"mids": mids, "watermark": watermark}})
        self.happen(account, contact.id, {"read": {"watermark": watermark}})


class SimulatedInstagram(SimulatedPages):
    """An account is a professional account."""

    kind: ClassVar[str] = "instagram"
    label: ClassVar[str] = "Instagram"
    base: ClassVar[str] = "/instagram"
    setting: ClassVar[str] = "HUB_INSTAGRAM_API_URL"
    token_prefix: ClassVar[str] = "IGAA"
    can: ClassVar[Sequence[str]] = ("edit", "unsend", "react", "photo", "voice")

    def account_name(self, name: str) -> str:
        return _account_name(name)

    def unsend(self, account: str, contact: Contact, message: Message) -> Deliver:
        return self._event(account, contact, {"message": {"mid": message.id, "is_deleted": True}})

    def look(self, account: str, contact: Contact, unread: Sequence[Message]) -> None:
        for message in unread[-1:]:
            self.happen(account, contact.id, {"read": {"mid": message.id}})


def _account_name(name: str) -> str:
    return ".".join(name.lower().split())


def _name(item: Mapping[str, Any]) -> str:
    if item.get("message", {}).get("is_echo"):
        return "echo"
    return next(itertools.chain((name for name in _EVENTS if name in item), ["event"]))
