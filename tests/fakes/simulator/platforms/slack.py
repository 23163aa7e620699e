"""Slack, as the people of a workspace have it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from tests.fakes.platform import Account, Call
from tests.fakes.simulator.chats import Choice, Contact, Message
from tests.fakes.simulator.files import FILES
from tests.fakes.simulator.platforms.base import Carried, Deliver, Heard, Simulated, digits, letters
from tests.fakes.slack import FakeSlack, unescaped


class SimulatedSlack(Simulated, FakeSlack):
    """An account is an app in a workspace; a contact is somebody's conversation with it. Whoever opens one
    enters on the page where its events go, as at Slack."""

    kind: ClassVar[str] = "slack"
    label: ClassVar[str] = "Slack"
    base: ClassVar[str] = "/slack"
    setting: ClassVar[str] = "HUB_SLACK_API_URL"
    fields: ClassVar[Mapping[str, str]] = {"bot_token": "Bot token", "signing_secret": "Signing secret"}
    can: ClassVar[Sequence[str]] = ("edit", "unsend", "react", "photo", "voice")
    is_by_hand: ClassVar[bool] = True

    # --- accounts -------------------------------------------------------------------------------------------

    def make_credentials(self, seed: str) -> Mapping[str, str]:
        return {
            "bot_token": f"xoxb-SIMULATED-{letters(seed, 24)}",
            "signing_secret": letters(seed, 32).lower(),
        }

    def open(self, name: str, credentials: Mapping[str, str]) -> Account:
        username = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        id_ = digits(credentials["bot_token"], 10)
        app = self.add_app(credentials["bot_token"], credentials["signing_secret"], id_, name=username)
        return self._keep(Account(self.kind, app.address, f"@{username}", credentials))

    def registration(self, account: str) -> Any:
        return self._app(account).url

    def recall(self, account: str, registration: Any, contacts: Sequence[Contact]) -> None:
        self._app(account).url = registration
        self._chats |= {contact.id: account for contact in contacts}

    # --- what the hub does ----------------------------------------------------------------------------------

    def account_of(self, call: Call) -> str:
        return self.apps[call.token].address if call.token in self.apps else ""

    def heard(self, call: Call, answer: Any) -> Heard | None:
        if not self.is_send(call):
            return None
        contact, choices = answer["channel"], list(self._offered(answer["ts"]))
        return Heard(contact, f"{contact}:{answer['ts']}", self.text_of(call), choices)

    def _offered(self, timestamp: str) -> Iterator[Choice]:
        sent = next(each for each in reversed(self.sent) if each["id"].endswith(f":{timestamp}"))
        for title, button in sent.get("choices", {}).items():
            yield Choice(title, button)

    def text_of(self, call: Call) -> str:
        return unescaped(str(call.parameters.get("text", ""))) if self.is_send(call) else ""

    def carried(self, url: str, content: Any) -> Carried:
        account = next((app.address for app in self.apps.values() if app.url == url), "")
        event = content.get("event", content)
        title = event.get("subtype") or ("echo" if "bot_id" in event else event["type"])
        ids = self.ids_of(content) if title in ("message", "file_share") else []
        return Carried(account, title, unescaped(str(event.get("text", ""))), message_ids=ids)

    # --- what people do -------------------------------------------------------------------------------------

    def new_contact(self, account: str, number: int) -> str:
        contact = f"D{digits(f'{account} {number}', 10)}"
        self._chats[contact] = account
        return contact

    def say(self, account: str, contact: Contact, message: Message) -> Deliver:
        name = {"photo": "photo-png", "voice": "voice-wav"}.get(message.kind)
        more = {"subtype": "file_share", "files": [self._shared(name)]} if name else {}
        event = self.compose(account, contact.id, message.text, **more)
        message.id = f"{contact.id}:{event['ts']}"
        return lambda: self.deliver(account, event)

    def _shared(self, name: str) -> dict[str, Any]:
        content, media_type = FILES[name]
        url = f"{self.url}/files/{name}"
        return {"id": name, "mimetype": media_type, "name": name, "size": len(content), "url_private": url}

    def choose(self, account: str, contact: Contact, message: Message, choice: Choice) -> Deliver | None:
        return lambda: self.press(account, contact.id, choice.title, message.id)

    def edit(self, account: str, contact: Contact, message: Message) -> Deliver:
        return lambda: self.change(account, message.id, message.text)

    def unsend(self, account: str, contact: Contact, message: Message) -> Deliver:
        return lambda: self.delete(account, message.id)

    def react(self, account: str, contact: Contact, message: Message) -> Deliver:
        timestamp = message.id.partition(":")[2]
        event = {
            "type": "reaction_added" if message.reaction else "reaction_removed",
            "user": f"U{contact.id[1:]}",
            "reaction": "+1",
            "item": {"type": "message", "channel": contact.id, "ts": timestamp},
        }
        return lambda: self.deliver(account, event)

    def set_blocking(self, account: str, contact: Contact) -> None:
        """The workspace takes the person's conversation away: nobody is told before the next message."""
        if contact.is_blocking:
            self._chats.pop(contact.id, None)
        else:
            self._chats[contact.id] = account

    def _describe_person(self, app: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        """By the names that they have on the page."""
        person = str(given.get("user", ""))
        name = self.watcher.name_of(self, app.address, f"D{person[1:]}")
        return {"user": {"id": person, "name": person.lower(), "real_name": name}}
