"""Telegram, as the people who write to a bot have it."""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from tests.fakes.platform import Account, Call
from tests.fakes.server import Answer
from tests.fakes.simulator.chats import Choice, Contact, Message
from tests.fakes.simulator.files import FILES
from tests.fakes.simulator.platforms.base import Carried, Deliver, Heard, Simulated, digits, letters
from tests.fakes.telegram import FakeTelegram

FILE_ID = "AgACSIMULATED-"


class SimulatedTelegram(Simulated, FakeTelegram):
    """An account is a bot. A private chat has the id of the person in it."""

    kind: ClassVar[str] = "telegram"
    label: ClassVar[str] = "Telegram"
    base: ClassVar[str] = "/telegram"
    setting: ClassVar[str] = "HUB_TELEGRAM_API_URL"
    fields: ClassVar[Mapping[str, str]] = {"bot_token": "Bot token"}
    can: ClassVar[Sequence[str]] = ("edit", "react", "photo", "voice", "location")

    # --- accounts -------------------------------------------------------------------------------------------

    def make_credentials(self, seed: str) -> Mapping[str, str]:
        return {"bot_token": f"{digits(seed, 10)}:SIMULATED{letters(seed, 26)}"}

    def open(self, name: str, credentials: Mapping[str, str]) -> Account:
        bot = self.add_bot(credentials["bot_token"], _username(name))
        return self._keep(Account(self.kind, bot.id, f"@{bot.username}", credentials))

    def registration(self, account: str) -> Any:
        return self._bot(account).webhook

    def recall(self, account: str, registration: Any, contacts: Sequence[Contact]) -> None:
        self._bot(account).webhook = registration
        self._chats |= {int(contact.id) for contact in contacts}
        self._blocked |= {int(contact.id) for contact in contacts if contact.is_blocking}

    def carry_out(self, call: Call) -> Answer:
        """Besides what the fake does: the files of `_content`."""
        name = str(call.parameters.get("file_id", "")).removeprefix(FILE_ID)
        if call.operation != "getFile" or name not in FILES:
            return super().carry_out(call)
        file = {"file_id": FILE_ID + name, "file_size": len(FILES[name][0]), "file_path": f"photos/{name}"}
        return Answer.of_json({"ok": True, "result": file})

    # --- what the hub does ----------------------------------------------------------------------------------

    def account_of(self, call: Call) -> str:
        return self.bots[call.token].id if call.token in self.bots else ""

    def heard(self, call: Call, answer: Any) -> Heard | None:
        chat = str(call.parameters.get("chat_id", ""))
        if call.operation == "sendChatAction":
            return Heard(chat, is_typing=True)
        if not self.is_send(call):
            return None
        markup = _read(call.parameters.get("reply_markup"))
        inline = list(_buttons(markup.get("inline_keyboard")))
        choices = inline or list(_buttons(markup.get("keyboard")))
        id_ = f"{chat}:{answer['result']['message_id']}"
        return Heard(chat, id_, self.text_of(call), choices, quick=not inline)

    def text_of(self, call: Call) -> str:
        return str(call.parameters.get("text", "")) if self.is_send(call) else ""

    def carried(self, url: str, content: Any) -> Carried:
        bot = next((bot.id for bot in self.bots.values() if bot.webhook["url"] == url), "")
        name = next((key for key in content if key != "update_id"), "update")
        message = content.get("message", {})
        ids = [f"{message['chat']['id']}:{message['message_id']}"] if message else []
        text = content.get(name, {}).get("text", "")
        return Carried(bot, name, text, message_ids=ids)

    # --- what people do -------------------------------------------------------------------------------------

    def new_contact(self, account: str, number: int) -> str:
        return digits(f"{account} {number}", 9)

    def say(self, account: str, contact: Contact, message: Message) -> Deliver:
        content = self.compose(contact.id, message.text, **_frame(contact))
        if message.kind != "text":
            del content["message"]["text"]
            content["message"] |= _content(message)
        message.id = f"{contact.id}:{content['message']['message_id']}"
        return self._delivery(account, contact, content)

    def choose(self, account: str, contact: Contact, message: Message, choice: Choice) -> Deliver | None:
        if "callback_data" not in choice.platform:
            return None
        query = {
            "id": str(next(self._ids)),
            "chat_instance": digits(account, 18),
            "message": {**self._mention(contact, message), "text": message.text},
            "data": choice.platform["callback_data"],
        }
        return self._delivery(account, contact, {"callback_query": {**_frame(contact), **query}})

    def edit(self, account: str, contact: Contact, message: Message) -> Deliver:
        edited = {**_frame(contact), **self._mention(contact, message), "text": message.text}
        content = {"edited_message": {**edited, "edit_date": int(time.time())}}
        return self._delivery(account, contact, content)

    def react(self, account: str, contact: Contact, message: Message) -> Deliver:
        new = [{"type": "emoji", "emoji": message.reaction}] if message.reaction else []
        reaction = {"user": _frame(contact)["from"], "old_reaction": [], "new_reaction": new}
        content = {"message_reaction": {**self._mention(contact, message), **reaction}}
        return self._delivery(account, contact, content)

    def set_blocking(self, account: str, contact: Contact) -> None:
        if contact.is_blocking:
            self.block(contact.id)
        else:
            self._blocked.discard(int(contact.id))
        old, new = ("member", "kicked") if contact.is_blocking else ("kicked", "member")
        bot = self._bot(account).user
        change = {
            **_frame(contact),
            "date": int(time.time()),
            "old_chat_member": {"user": bot, "status": old},
            "new_chat_member": {"user": bot, "status": new},
        }
        self.deliver(account, contact.id, {"my_chat_member": change})

    def _delivery(self, account: str, contact: Contact, content: Mapping[str, Any]) -> Deliver:
        return lambda: self.deliver(account, contact.id, content)

    def _mention(self, contact: Contact, message: Message) -> dict[str, Any]:
        number = int(message.id.partition(":")[2])
        return {"message_id": number, "chat": _chat(contact), "date": int(message.at)}


def _frame(contact: Contact) -> dict[str, Any]:
    person = {"id": int(contact.id), "is_bot": False, "first_name": contact.name, "language_code": "en"}
    return {"from": person, "chat": _chat(contact)}


def _chat(contact: Contact) -> dict[str, Any]:
    return {"id": int(contact.id), "type": "private", "first_name": contact.name}


def _content(message: Message) -> dict[str, Any]:
    """What a message holds that is no text."""
    if message.kind == "photo":
        sizes = [{**_file("photo-png"), "width": 240, "height": 160}]
        return {"photo": sizes, **({"caption": message.text} if message.text else {})}
    if message.kind == "voice":
        return {"voice": {**_file("voice-wav"), "duration": 2, "mime_type": "audio/wav"}}
    return {"location": {"latitude": 53.5436, "longitude": 9.9886}}


def _file(name: str) -> dict[str, Any]:
    id_ = {"file_id": f"{FILE_ID}{name}", "file_unique_id": letters(name, 15)}
    return {**id_, "file_size": len(FILES[name][0])}


def _read(markup: Any) -> Mapping[str, Any]:
    found = json.loads(markup) if isinstance(markup, str) else markup
    return found if isinstance(found, dict) else {}


def _buttons(rows: Any) -> Iterator[Choice]:
    for row in rows if isinstance(rows, list) else []:
        for button in row:
            given = button if isinstance(button, dict) else {"text": str(button)}
            yield Choice(str(given.get("text", "")), given)


def _username(name: str) -> str:
    """As @BotFather would take it."""
    return f"{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}_bot"
