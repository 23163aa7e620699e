"""WhatsApp, as the people who write to a number have it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from tests.fakes.meta import ApiError
from tests.fakes.platform import Account, Call
from tests.fakes.simulator.chats import Choice, Contact, Message
from tests.fakes.simulator.files import PHOTO, VOICE
from tests.fakes.simulator.platforms.base import Carried, Deliver, Heard, digits, letters
from tests.fakes.simulator.platforms.meta import SimulatedMeta
from tests.fakes.whatsapp import FakeWhatsApp, Person


class SimulatedWhatsApp(SimulatedMeta, FakeWhatsApp):
    """An account is a number; a contact has one too."""

    kind: ClassVar[str] = "whatsapp"
    label: ClassVar[str] = "WhatsApp"
    base: ClassVar[str] = "/graph"
    setting: ClassVar[str] = "HUB_GRAPH_API_URL"
    fields: ClassVar[Mapping[str, str]] = {
        "access_token": "Access token",
        "phone_number_id": "Phone number id",
        "waba_id": "WhatsApp Business account id",
    }
    can: ClassVar[Sequence[str]] = ("edit", "unsend", "react", "photo", "voice", "location")

    # --- accounts -------------------------------------------------------------------------------------------

    def make_credentials(self, seed: str) -> Mapping[str, str]:
        return {
            "access_token": f"EAASIMULATED{letters(seed, 60)}",
            "phone_number_id": digits(f"{seed} number", 15),
            "waba_id": digits(f"{seed} account", 15),
        }

    def open(self, name: str, credentials: Mapping[str, str]) -> Account:
        number = credentials["phone_number_id"]
        shown = self.add_number(
            number, credentials["waba_id"], name=name, display=f"+49 40 555 {number[-4:]}"
        )
        self.add_token(credentials["access_token"], self.hub_app.id)
        return self._keep(Account(self.kind, number, shown.display, credentials))

    def registration(self, account: str) -> Any:
        waba_id = self.numbers[account].waba_id
        return [[app, url] for (waba, app), url in self.subscriptions.items() if waba == waba_id]

    def recall(self, account: str, registration: Any, contacts: Sequence[Contact]) -> None:
        for app, url in registration:
            self.subscriptions[self.numbers[account].waba_id, app] = url
        for contact in contacts:
            self._people[contact.id] = _person(contact)
            own = [message for message in contact.messages if message.mine]
            self._received |= {message.id for message in own}
            self._written_at[account, contact.id] = max((each.at for each in own), default=0.0)

    # --- what the hub does ----------------------------------------------------------------------------------

    def account_of(self, call: Call) -> str:
        if call.token not in self.tokens:
            return ""
        if call.target in self.numbers:
            return call.target
        return next((each.id for each in self.numbers.values() if each.waba_id == call.target), "")

    def heard(self, call: Call, answer: Any) -> Heard | None:
        given = call.parameters
        if call.operation == "read":
            return Heard("", is_typing="typing_indicator" in given, read=str(given.get("message_id", "")))
        if not self.is_send(call):
            return None
        contact = str(given.get("to") or given.get("recipient"))
        choices = list(_buttons(given.get("interactive", {})))
        return Heard(contact, answer["messages"][0]["id"], self.text_of(call), choices)

    def text_of(self, call: Call) -> str:
        given = call.parameters
        text = given.get("text", given.get("interactive", {})).get("body", "")
        return str(text.get("text", "") if isinstance(text, dict) else text)

    def title_of(self, call: Call) -> str:
        return f"{call.operation}{', typing' if 'typing_indicator' in call.parameters else ''}"

    def carried(self, url: str, content: Any) -> Carried:
        values = [change["value"] for entry in content["entry"] for change in entry["changes"]]
        account = next((str(value["metadata"]["phone_number_id"]) for value in values), "")
        messages = [message for value in values for message in value.get("messages", [])]
        statuses = [status["status"] for value in values for status in value.get("statuses", [])]
        names = [*(each["type"] for each in messages), *(f"status {each}" for each in statuses)]
        ids = [str(each["id"]) for each in messages]
        text = next((each["text"]["body"] for each in messages if "text" in each), "")
        return Carried(account, ", ".join(dict.fromkeys(names)), text, len(names), ids)

    # --- what people do -------------------------------------------------------------------------------------

    def new_contact(self, account: str, number: int) -> str:
        return f"4915{digits(f'{account} {number}', 9)}"

    def say(self, account: str, contact: Contact, message: Message) -> Deliver:
        content = {} if message.kind == "text" else self._content(message)
        return self._delivery(account, contact, message, content)

    def choose(self, account: str, contact: Contact, message: Message, choice: Choice) -> Deliver | None:
        kind = str(choice.platform["kind"])
        reply = {key: value for key, value in choice.platform.items() if key != "kind"}
        content = {
            "type": "interactive",
            "interactive": {"type": kind, kind: reply},
            "context": {"from": self.numbers[account].display, "id": message.id},
        }
        return self._delivery(account, contact, Message("", True, choice.title), content)

    def edit(self, account: str, contact: Contact, message: Message) -> Deliver:
        new = {"type": "text", "text": {"body": message.text}}
        return self._change_to(account, contact, message, "edit", {"message": new})

    def unsend(self, account: str, contact: Contact, message: Message) -> Deliver:
        return self._change_to(account, contact, message, "revoke", {})

    def react(self, account: str, contact: Contact, message: Message) -> Deliver:
        content = {"type": "reaction", "reaction": {"message_id": message.id, "emoji": message.reaction}}
        return self._delivery(account, contact, Message("", True, ""), content)

    def look(self, account: str, contact: Contact, unread: Sequence[Message]) -> None:
        for message in unread:
            if message.id in self._messages:
                self.report(message.id, "read")

    def set_blocking(self, account: str, contact: Contact) -> None:
        """Nobody is told before the next message."""

    def _report_on(self, message_id: str, number_id: str, contact: str, body: str) -> None:
        if self.watcher.is_blocking(self, number_id, contact):
            error = ApiError(131026, "Message undeliverable", details="Message Undeliverable.")
            self.report(message_id, "failed", error)
        else:
            super()._report_on(message_id, number_id, contact, body)

    def _change_to(
        self, account: str, contact: Contact, message: Message, name: str, more: Mapping[str, Any]
    ) -> Deliver:
        content = {"type": name, name: {"original_message_id": message.id, **more}}
        return self._delivery(account, contact, Message("", True, ""), content)

    def _delivery(
        self, account: str, contact: Contact, message: Message, content: Mapping[str, Any]
    ) -> Deliver:
        change = self.compose(account, _person(contact), message.text, **content)
        message.id = str(change[1]["value"]["messages"][0]["id"])
        return lambda: self.deliver(change)

    def _content(self, message: Message) -> dict[str, Any]:
        """What a message holds that is no text."""
        if message.kind == "location":
            place = {"latitude": 53.5436, "longitude": 9.9886, "name": "Landungsbrücken"}
            return {"type": "location", "location": place}
        type_, content, mime_type = (
            ("image", PHOTO, "image/png") if message.kind == "photo" else ("audio", VOICE, "audio/wav")
        )
        file = {"id": self.add_media(content, mime_type), "mime_type": mime_type}
        file["sha256"] = hashlib.sha256(content).hexdigest()
        more = {"caption": message.text} if message.text and type_ == "image" else {}
        voice = {"voice": True} if type_ == "audio" else {}
        return {"type": type_, type_: {**file, **more, **voice}}


def _person(contact: Contact) -> Person:
    return Person(contact.id, name=contact.name)


def _buttons(interactive: Mapping[str, Any]) -> Iterator[Choice]:
    """The reply buttons or the list of an interactive message, with what pressing one sends."""
    action = interactive.get("action", {})
    for button in action.get("buttons", []):
        yield Choice(button["reply"]["title"], {"kind": "button_reply", **button["reply"]})
    for section in action.get("sections", []):
        for row in section["rows"]:
            yield Choice(row["title"], {"kind": "list_reply", **row})
