"""SMS over Twilio, as the people who write to a number have it."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tests.fakes.platform import Account, Call
from tests.fakes.simulator.chats import Contact, Message
from tests.fakes.simulator.platforms.base import Carried, Deliver, Heard, Simulated, Watcher, digits
from tests.fakes.twilio import ACCOUNT_SID, FakeTwilio


class SimulatedTwilio(Simulated, FakeTwilio):
    """An account is a number of the one Twilio account there is."""

    kind: ClassVar[str] = "twilio"
    label: ClassVar[str] = "SMS (Twilio)"
    base: ClassVar[str] = "/twilio"
    setting: ClassVar[str] = "HUB_TWILIO_API_URL"
    fields: ClassVar[Mapping[str, str]] = {
        "account_sid": "Account SID",
        "auth_token": "Auth token",
        "sender": "Number",
    }
    can: ClassVar[Sequence[str]] = ("photo",)

    def start(self, watcher: Watcher, url: str, settings: Mapping[str, str]) -> None:
        super().start(watcher, url, settings)
        self.reports = ("sent", "delivered")
        self.account_resource["friendly_name"] = "Simulated Twilio"

    # --- accounts -------------------------------------------------------------------------------------------

    def make_credentials(self, seed: str) -> Mapping[str, str]:
        sender = f"+4940{digits(seed, 7)}"
        return {"account_sid": ACCOUNT_SID, "auth_token": self.auth_token, "sender": sender}

    def open(self, name: str, credentials: Mapping[str, str]) -> Account:
        sender = credentials["sender"]
        if sender not in self.numbers:
            self.add_number(sender)
        return self._keep(Account(self.kind, sender, sender, credentials))

    def registration(self, account: str) -> Any:
        return self.numbers[account]["sms_url"]

    def recall(self, account: str, registration: Any, contacts: Sequence[Contact]) -> None:
        self.numbers[account]["sms_url"] = registration
        self.opted_out |= {contact.id for contact in contacts if contact.is_blocking}

    # --- what the hub does ----------------------------------------------------------------------------------

    def account_of(self, call: Call) -> str:
        """Of the two addresses that a call may name, a number of the account."""
        named = (str(call.parameters.get(name, "")) for name in ("From", "PhoneNumber"))
        return next((each for each in named if each in self.numbers), self._addressed(call.path))

    def _addressed(self, path: str) -> str:
        return next((number for number, each in self.numbers.items() if f"/{each['sid']}." in path), "")

    def is_send(self, call: Call) -> bool:
        return call.operation == self.sends and call.method == "POST"

    def heard(self, call: Call, answer: Any) -> Heard | None:
        if not self.is_send(call):
            return None
        return Heard(str(answer["to"]), str(answer["sid"]), str(answer["body"]))

    def text_of(self, call: Call) -> str:
        return str(call.parameters.get("Body", "")) if self.is_send(call) else ""

    def title_of(self, call: Call) -> str:
        return call.operation.removesuffix(".json")

    def carried(self, url: str, content: Any) -> Carried:
        status = content.get("MessageStatus", "")
        if status:
            return Carried(content["From"], f"status {status}")
        return Carried(content["To"], "message", content["Body"], message_ids=[content["MessageSid"]])

    # --- what people do -------------------------------------------------------------------------------------

    def new_contact(self, account: str, number: int) -> str:
        return f"+4917{digits(f'{account} {number}', 9)}"

    def say(self, account: str, contact: Contact, message: Message) -> Deliver:
        content = {}
        if message.kind == "photo":
            url = f"{self.url}/files/photo-png"
            content = {"NumMedia": "1", "MediaUrl0": url, "MediaContentType0": "image/png"}
        form = self.compose(account, contact.id, message.text, **content)
        message.id = form["MessageSid"]
        return lambda: self._put(account, form)

    def set_blocking(self, account: str, contact: Contact) -> None:
        """With the words that Twilio itself takes notice of."""
        word = "STOP" if contact.is_blocking else "START"
        change = set.add if contact.is_blocking else set.discard
        change(self.opted_out, contact.id)
        self._put(account, self.compose(account, contact.id, word, OptOutType=word))

    def _put(self, account: str, form: Mapping[str, str]) -> None:
        if address := self.webhook_of(account):
            self.lanes.put((account, form["MessageSid"]), (address, form))
