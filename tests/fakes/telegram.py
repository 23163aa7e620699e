"""A Bot API server that behaves as the real one is documented to, for tests and for trying the hub by hand.

Updates go to the registered webhook with its secret, in order within a chat and in parallel across chats; one
that is not answered with 2xx is delivered again, later and later, and holds back what follows in its chat. A
`method` in the JSON body of a 2xx answer is carried out, as Telegram does.

An account is a bot; its id or its token names it. A contact is the id of a private chat.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.fakes import platform
from tests.fakes.platform import PUNCTUAL, Account, Bucket, Call, FakePlatform, Fault, Habits, Lane
from tests.fakes.server import Answer, Request

TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")
SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
CALL = re.compile(r"/bot([^/]+)/(\w+)")
FILE = re.compile(r"/file/bot([^/]+)/documents/(.+)")
LOOPBACK = ("127.0.0.1", "localhost")
TEXT_LIMIT = 4096
FILE_LIMIT_BYTES = 20 * 1024 * 1024
RETRY_AFTER_SECONDS = 2
CHAT_BURST, CHAT_SECONDS = 3, 1.0
BOT_BURST, BOT_SECONDS = 30, 1 / 30
"""Messages: about one a second to a chat, with short bursts, and 30 a second in all."""
DEFAULT_UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")


class ApiError(platform.ApiError):
    """What the API answers instead of a result."""

    def __init__(self, code: int, description: str, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(description)
        self.status = code
        self.parameters = parameters

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"ok": False, "error_code": self.status, "description": str(self)}
        return {**body, "parameters": self.parameters} if self.parameters else body


@dataclass
class Bot:
    """One bot, as its token makes it."""

    token: str
    username: str
    webhook: dict[str, Any] = field(default_factory=lambda: {"url": "", "secret_token": ""})
    last_error: tuple[float, str] | None = None

    @property
    def id(self) -> str:
        return self.token.partition(":")[0]

    @property
    def user(self) -> dict[str, Any]:
        return {"id": int(self.id), "is_bot": True, "first_name": self.username, "username": self.username}


class FakeTelegram(FakePlatform):
    """The server, and its `bots` by token."""

    title: ClassVar[str] = "Telegram"
    kinds: ClassVar[Sequence[str]] = ("telegram",)
    sends: ClassVar[str] = "sendMessage"
    too_fast: ClassVar[Fault] = Fault(
        ApiError(429, "Too Many Requests", {"retry_after": RETRY_AFTER_SECONDS})
    )

    def __init__(self, port: int = 0, habits: Habits = PUNCTUAL) -> None:
        super().__init__(port, habits)
        self.bots: dict[str, Bot] = {}
        self._files: dict[str, bytes] = {}
        self._chats: set[int] = set()
        self._blocked: set[int] = set()
        self._chat_pace, self._bot_pace = Bucket(CHAT_BURST, CHAT_SECONDS), Bucket(BOT_BURST, BOT_SECONDS)

    # --- accounts -------------------------------------------------------------------------------------------

    @property
    def hub_settings(self) -> Mapping[str, str]:
        return {"HUB_TELEGRAM_API_URL": self.url}

    def open_account(self, kind: str, name: str, address: str = "", **credentials: str) -> Account:
        token = credentials.get("bot_token") or f"{next(self._ids)}:made-by-the-fake-BotFather"
        bot = self.add_bot(token, f"{re.sub(r'[^a-z0-9]+', '_', name.lower())}_bot")
        return self._keep(Account(kind, bot.id, name, {"bot_token": token}))

    def add_bot(self, token: str, username: str = "clinic_bot") -> Bot:
        """A bot that @BotFather made."""
        return self.bots.setdefault(token, Bot(token, username))

    def renew_token(self, account: str) -> Mapping[str, str]:
        """@BotFather revokes a token and makes another. The bot keeps its webhook and what waits for it."""
        with self._changed:
            bot = self._bot(account)
            del self.bots[bot.token]
            bot.token = f"{bot.token}-{next(self._ids)}"
            self.bots[bot.token] = bot
        credentials = {"bot_token": bot.token}
        return self._keep(Account("telegram", bot.id, bot.username, credentials)).credentials

    def webhook_of(self, account: str) -> str:
        return str(self._bot(account).webhook["url"])

    def _bot(self, account: str) -> Bot:
        with self._changed:
            return next(bot for bot in self.bots.values() if bot.id == account.partition(":")[0])

    # --- what people do -------------------------------------------------------------------------------------

    def write(self, account: str, contact: Any, text: str, *, age_seconds: float = 0.0) -> str:
        content = self.compose(contact, text, date=int(self.now() - age_seconds))
        return _message_id(self.deliver(account, contact, content)["message"])

    def compose(self, contact: Any, text: str, **content: Any) -> dict[str, Any]:
        """The content of the update that a person's message makes: `deliver` puts it on its way."""
        chat = int(contact)
        person = {"id": chat, "is_bot": False, "first_name": f"Person {chat}", "language_code": "en"}
        message = {
            "message_id": next(self._ids),
            "from": person,
            "chat": {"id": chat, "type": "private", "first_name": person["first_name"]},
            "date": int(self.now()),
            "text": text,
        }
        return {"message": {**message, **content}}

    def press(self, account: str, contact: Any, choice: str) -> dict[str, Any]:
        """A person presses a button below the last message that they got."""
        line = [each for each in self.sent if each["contact"] == str(contact)][-1]
        query = {
            "id": f"{next(self._ids)}",
            "from": {"id": int(contact), "is_bot": False, "first_name": f"Person {contact}"},
            "message": {
                "message_id": int(line["id"].rpartition(":")[2]),
                "date": int(line["at"]),
                "chat": {"id": int(contact), "type": "private"},
                "text": line["text"],
            },
            "chat_instance": "1",
            "data": line["choices"][choice],
        }
        return self.deliver(account, contact, {"callback_query": query})

    def deliver(self, account: str, contact: Any, content: Mapping[str, Any]) -> dict[str, Any]:
        """Queue any update for the bot's webhook, behind what waits in that chat."""
        bot, update = self._bot(account), {"update_id": next(self._ids), **content}
        with self._changed:
            self._chats.add(int(contact))
        if message := update.get("message"):
            self._note_written(bot.id, str(contact), _message_id(message), str(message.get("text", "")))
        self.lanes.put((bot.id, str(contact)), update)
        return update

    def block(self, contact: Any) -> None:
        """The person of a chat blocks the bot."""
        self._blocked.add(int(contact))

    def add_file(self, content: bytes) -> str:
        """A file that somebody sent; returns the id that a message refers to."""
        file_id = f"AgAC{next(self._ids)}"
        self._files[file_id] = content
        return file_id

    # --- the API --------------------------------------------------------------------------------------------

    def respond(self, request: Request) -> Answer | None:
        if found := FILE.fullmatch(request.path):
            return self._file(*found.groups())
        return super().respond(request)

    def call_of(self, request: Request) -> Call:
        """The Bot API takes parameters in the query, as a form and as JSON."""
        token, operation = found.groups() if (found := CALL.fullmatch(request.path)) else ("", "")
        return Call(operation, token, request.parameters, method=request.method, path=request.path)

    def carry_out(self, call: Call) -> Answer:
        methods: dict[str, Callable[[Bot, Mapping[str, Any]], Any]] = {
            "getMe": lambda bot, _: bot.user,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._delete_webhook,
            "getWebhookInfo": self._webhook_info,
            "sendMessage": self._send_message,
            "sendChatAction": self._send_chat_action,
            "answerCallbackQuery": self._answer_callback_query,
            "getFile": self._get_file,
        }
        if call.operation not in methods or not TOKEN.fullmatch(call.token):
            raise ApiError(404, "Not Found")
        with self._changed:
            if call.token not in self.bots:
                raise ApiError(401, "Unauthorized")
            result = methods[call.operation](self.bots[call.token], call.parameters)
        return Answer.of_json({"ok": True, "result": result})

    def _set_webhook(self, bot: Bot, given: Mapping[str, Any]) -> bool:
        url, secret = str(given.get("url", "")), str(given.get("secret_token", ""))
        address = urlsplit(url)
        if url and address.scheme != "https" and address.hostname not in LOOPBACK:
            raise ApiError(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if secret and not SECRET.fullmatch(secret):
            raise ApiError(400, "Bad Request: secret token contains unallowed characters")
        allowed = _listed(given.get("allowed_updates")) or list(DEFAULT_UPDATES)
        bot.webhook = {
            "url": url,
            "secret_token": secret,
            "allowed_updates": allowed,
            "max_connections": int(given.get("max_connections", 40)),
        }
        if given.get("drop_pending_updates") in (True, "true", "True"):
            self.lanes.drop(bot.id)
        self.lanes.resume(bot.id)
        return True

    def _delete_webhook(self, bot: Bot, given: Mapping[str, Any]) -> bool:
        bot.webhook = {"url": "", "secret_token": ""}
        return True

    def _webhook_info(self, bot: Bot, given: Mapping[str, Any]) -> dict[str, Any]:
        info: dict[str, Any] = {
            "url": bot.webhook["url"],
            "has_custom_certificate": False,
            "pending_update_count": self.lanes.waiting(bot.id),
        }
        info |= {
            key: bot.webhook[key] for key in ("allowed_updates", "max_connections") if key in bot.webhook
        }
        if bot.last_error:
            info |= {"last_error_date": int(bot.last_error[0]), "last_error_message": bot.last_error[1]}
        return info

    def _send_message(self, bot: Bot, given: Mapping[str, Any]) -> dict[str, Any]:
        chat_id, text = self._chat(given), str(given.get("text", ""))
        if not text.strip():
            raise ApiError(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le", "surrogatepass")) // 2 > TEXT_LIMIT:
            raise ApiError(400, "Bad Request: message is too long")
        self._check_pace(bot, chat_id)
        message = {
            "message_id": next(self._ids),
            "from": bot.user,
            "chat": {"id": chat_id, "type": "private", "first_name": f"Person {chat_id}"},
            "date": int(self.now()),
            "text": text.strip(),
        }
        self._note_sent(bot.id, str(chat_id), _message_id(message), text, _buttons(given))
        return message

    def _check_pace(self, bot: Bot, chat_id: int) -> None:
        if not self.habits.has_limits:
            return
        wait = self._chat_pace.take((bot.id, chat_id), self.now()) or self._bot_pace.take(bot.id, self.now())
        if wait:
            seconds = math.ceil(wait)
            raise ApiError(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})

    def _send_chat_action(self, bot: Bot, given: Mapping[str, Any]) -> bool:
        self._chat(given)
        if given.get("action") != "typing":
            raise ApiError(400, "Bad Request: wrong parameter action in request")
        return True

    def _answer_callback_query(self, bot: Bot, given: Mapping[str, Any]) -> bool:
        if not given.get("callback_query_id"):
            raise ApiError(
                400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
            )
        return True

    def _get_file(self, bot: Bot, given: Mapping[str, Any]) -> dict[str, Any]:
        file_id = str(given.get("file_id", ""))
        if file_id not in self._files:
            raise ApiError(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        size = len(self._files[file_id])
        if size > FILE_LIMIT_BYTES:
            raise ApiError(400, "Bad Request: file is too big")
        return {"file_id": file_id, "file_size": size, "file_path": f"documents/{file_id}"}

    def _file(self, token: str, file_id: str) -> Answer:
        """What lies at the path that `getFile` names."""
        if token not in self.bots or file_id not in self._files:
            return Answer(404)
        return Answer(200, self._files[file_id], {"content-type": "application/octet-stream"})

    def _chat(self, given: Mapping[str, Any]) -> int:
        """A bot can only write to somebody who wrote to it first."""
        try:
            chat_id = int(given.get("chat_id", ""))
        except (TypeError, ValueError):
            raise ApiError(400, "Bad Request: chat not found") from None
        if chat_id not in self._chats:
            raise ApiError(400, "Bad Request: chat not found")
        if chat_id in self._blocked:
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        return chat_id

    # --- webhooks -------------------------------------------------------------------------------------------

    def ready(self, lane: Lane, waiting: int) -> int:
        return 1 if self._bot(lane[0]).webhook["url"] else 0

    def post_items(self, lane: Lane, items: Sequence[Any]) -> bool:
        bot, update = self._bot(lane[0]), items[0]
        if not set(update) & set(bot.webhook["allowed_updates"]):
            return True  # the bot did not ask for it
        headers = {"content-type": "application/json"}
        if bot.webhook["secret_token"]:
            headers["X-Telegram-Bot-Api-Secret-Token"] = bot.webhook["secret_token"]
        delivery = self.post(bot.webhook["url"], json.dumps(update).encode(), update, headers)
        if delivery.is_taken:
            self._carry_out_answer(bot, delivery.answer)
        else:
            bot.last_error = (self.now(), f"Wrong response from the webhook: {delivery.status}")
        return delivery.is_taken

    def ids_of(self, content: Any) -> Sequence[str]:
        is_message = "message" in content
        return [_message_id(content["message"]) if is_message else f"update:{content['update_id']}"]

    def _carry_out_answer(self, bot: Bot, body: bytes) -> None:
        """Nobody is told what comes of it, or that nothing does."""
        try:
            content = json.loads(body)
        except ValueError:
            return
        if isinstance(content, dict) and isinstance(content.get("method"), str):
            parameters = {key: value for key, value in content.items() if key != "method"}
            self.answer(Call(content["method"], bot.token, parameters, method=""))


def _message_id(message: Mapping[str, Any]) -> str:
    """As the hub's ledger writes it."""
    return f"{message['chat']['id']}:{message['message_id']}"


def _buttons(given: Mapping[str, Any]) -> dict[str, str]:
    """The data of the buttons below a message, by their texts."""
    rows = (given.get("reply_markup") or {}).get("inline_keyboard", [])
    buttons = {str(each["text"]): str(each["callback_data"]) for row in rows for each in row}
    if any(not 1 <= len(data.encode()) <= 64 for data in buttons.values()):
        raise ApiError(400, "Bad Request: BUTTON_DATA_INVALID")
    return buttons


def _listed(value: Any) -> list[str]:
    """`allowed_updates` comes as JSON, also within a form."""
    if isinstance(value, str):
        value = json.loads(value) if value else []
    return [str(item) for item in value or []]
