"""A Bot API server that behaves as the real one is documented to, for tests and for trying the hub by hand.

`with FakeTelegram() as telegram:` starts it on a free port. `python -m tests.fakes.telegram --port N` starts
it with a small control API: POST /control/message {"token", "chat_id", "text"}, GET /control/sent.

Updates go to the registered webhook with its secret, in order within a chat and in parallel across chats; one
that is not answered with 2xx is delivered again, later and later, and holds back what follows in its chat. A
`method` in the JSON body of a 2xx answer is carried out, as Telegram does. `redeliver` is what a
platform does after an outage of its own: an update comes once more, out of turn.
"""

import argparse
import itertools
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.server import FakeServer

TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")
SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
LOOPBACK = ("127.0.0.1", "localhost")
TEXT_LIMIT = 4096
FILE_LIMIT_BYTES = 20 * 1024 * 1024
DEFAULT_UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")


class ApiError(Exception):
    """What the API answers instead of a result."""

    def __init__(self, code: int, description: str, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.parameters = parameters

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": str(self)}
        return {**body, "parameters": self.parameters} if self.parameters else body


@dataclass(frozen=True)
class Fault:
    """What happens to the next call of a method: an error of the API, a raw answer, or silence. `after`: the
    call is carried out first."""

    error: ApiError | None = None
    raw: tuple[int, str] | None = None
    silence_seconds: float = 0.0
    after: bool = False


@dataclass
class Bot:
    """One bot, as its token makes it."""

    token: str
    username: str
    webhook: dict[str, Any] = field(default_factory=lambda: {"url": "", "secret_token": ""})
    waiting: dict[int, deque[dict[str, Any]]] = field(default_factory=lambda: defaultdict(deque))
    last_error: tuple[float, str] | None = None

    @property
    def user(self) -> dict[str, Any]:
        id_ = int(self.token.partition(":")[0])
        return {"id": id_, "is_bot": True, "first_name": self.username, "username": self.username}


@dataclass(frozen=True)
class Hit:
    """A fault that met a call, and when."""

    fault: Fault
    call: "Call"
    at: float


@dataclass(frozen=True)
class Call:
    """A method that was called, over HTTP or (`from_webhook`) in the answer to an update."""

    token: str
    method: str
    parameters: Mapping[str, Any]
    from_webhook: bool = False


class FakeTelegram:
    """The server and what it has seen. `calls` holds every call in order, `sent` the messages it took with
    their time, `deliveries` the id and status of each update that was posted, `hits` the faults that met a
    call."""

    def __init__(self, port: int = 0, retry_seconds: float = 0.05, max_retry_seconds: float = 1.0) -> None:
        self.bots: dict[str, Bot] = {}
        self.calls: list[Call] = []
        self.sent: list[dict[str, Any]] = []
        self.deliveries: list[tuple[int, int]] = []
        self.hits: list[Hit] = []
        self.knows_every_token = False
        self._retry_seconds = retry_seconds
        self._max_retry_seconds = max_retry_seconds
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._files: dict[str, bytes] = {}
        self._chats: set[int] = set()
        self._blocked: set[int] = set()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._is_closed = threading.Event()
        self._ids = itertools.count(100)
        self._busy: set[tuple[str, int]] = set()
        self._server = FakeServer(("127.0.0.1", port), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FakeTelegram":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed.set()
        self._server.shutdown()
        self._server.server_close()

    # --- what a test does -----------------------------------------------------------------------------------

    def add_bot(self, token: str, username: str = "clinic_bot") -> Bot:
        """A bot that @BotFather made."""
        return self.bots.setdefault(token, Bot(token, username))

    def add_file(self, content: bytes) -> str:
        """A file that somebody sent; returns the id that a message refers to."""
        file_id = f"AgAC{next(self._ids)}"
        self._files[file_id] = content
        return file_id

    def fail_next(self, method: str, fault: Fault) -> None:
        """Let the next call of `method` go wrong; several calls queue up."""
        self._faults[method].append(fault)

    def block(self, chat_id: int) -> None:
        """The person of a chat blocks the bot."""
        self._blocked.add(chat_id)

    def renew_token(self, token: str) -> str:
        """@BotFather revokes a token and makes another. The bot keeps its webhook and what waits for it."""
        with self._lock:
            bot = self.bots.pop(token)
            bot.token = f"{token}-{next(self._ids)}"
            self.bots[bot.token] = bot
            return bot.token

    def write(self, token: str, chat_id: int, text: str, **message: Any) -> dict[str, Any]:
        """A person writes to the bot; returns the update that is delivered. `message`: fields of the message
        that are to be otherwise."""
        return self.deliver(token, chat_id, self.compose(chat_id, text, **message))

    def compose(self, chat_id: int, text: str, **message: Any) -> dict[str, Any]:
        """The content of the update that a person's message makes: `deliver` puts it on its way."""
        person = {"id": chat_id, "is_bot": False, "first_name": f"Person {chat_id}", "language_code": "en"}
        content = {
            "message_id": next(self._ids),
            "from": person,
            "chat": {"id": chat_id, "type": "private", "first_name": person["first_name"]},
            "date": int(time.time()),
            "text": text,
        }
        return {"message": {**content, **message}}

    def deliver(self, token: str, chat_id: int, content: Mapping[str, Any]) -> dict[str, Any]:
        """Queue any update for the bot's webhook, behind what waits in that chat."""
        update = {"update_id": next(self._ids), **content}
        with self._changed:
            self._chats.add(chat_id)
            self.bots[token].waiting[chat_id].append(update)
        self._drain(token, chat_id)
        return update

    def redeliver(self, token: str, update: Mapping[str, Any]) -> None:
        """Deliver an update once more, beside what waits in its chat and whatever came of it before."""
        bot = self.bots[token]
        threading.Thread(target=self._is_taken, args=(bot, update), daemon=True).start()

    def wait_until(self, condition: Callable[["FakeTelegram"], bool], timeout_seconds: float = 10) -> None:
        """Wait for something to become true of what the server has seen; TimeoutError after that."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout_seconds):
                raise TimeoutError("the fake Telegram did not see what the test waits for")

    def wait_until_delivered(self, timeout_seconds: float = 10) -> None:
        """Wait until no update waits any more."""
        self.wait_until(lambda fake: not any(map(any, (bot.waiting.values() for bot in fake.bots.values()))))

    # --- the API --------------------------------------------------------------------------------------------

    def answer(self, token: str, method: str, parameters: Mapping[str, Any]) -> tuple[int, str] | None:
        """Status and body for a call; None for a connection that breaks."""
        fault = self._next_fault(Call(token, method, parameters))
        if fault and not fault.after:
            return self._go_wrong(fault)
        try:
            content = {"ok": True, "result": self._call(Call(token, method, parameters))}
            status = 200
        except ApiError as error:
            content, status = error.as_json(), error.code
        if fault is None:
            return status, json.dumps(content)
        self._note_hit(fault, Call(token, method, parameters))
        return self._go_wrong(fault)

    def _next_fault(self, call: Call) -> Fault | None:
        with self._changed:
            if not self._faults[call.method]:
                return None
            fault = self._faults[call.method].popleft()
            if not fault.after:
                self._note_hit(fault, call)
            return fault

    def _note_hit(self, fault: Fault, call: Call) -> None:
        with self._changed:
            self.hits.append(Hit(fault, call, time.time()))
            self._changed.notify_all()

    def _go_wrong(self, fault: Fault) -> tuple[int, str] | None:
        if fault.error:
            return fault.error.code, json.dumps(fault.error.as_json())
        if fault.raw:
            return fault.raw
        self._is_closed.wait(fault.silence_seconds)
        return None

    def _call(self, call: Call) -> Any:
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
        with self._changed:
            self.calls.append(call)
            if self.knows_every_token and TOKEN.fullmatch(call.token):
                self.add_bot(call.token)
            if call.method not in methods or not TOKEN.fullmatch(call.token):
                raise ApiError(404, "Not Found")
            if call.token not in self.bots:
                raise ApiError(401, "Unauthorized")
            try:
                return methods[call.method](self.bots[call.token], call.parameters)
            finally:
                self._changed.notify_all()

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
            bot.waiting.clear()
        for chat_id in list(bot.waiting):
            self._drain(bot.token, chat_id)
        return True

    def _delete_webhook(self, bot: Bot, given: Mapping[str, Any]) -> bool:
        bot.webhook = {"url": "", "secret_token": ""}
        return True

    def _webhook_info(self, bot: Bot, given: Mapping[str, Any]) -> dict[str, Any]:
        info: dict[str, Any] = {
            "url": bot.webhook["url"],
            "has_custom_certificate": False,
            "pending_update_count": sum(map(len, bot.waiting.values())),
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
        message = {
            "message_id": next(self._ids),
            "from": bot.user,
            "chat": {"id": chat_id, "type": "private", "first_name": f"Person {chat_id}"},
            "date": int(time.time()),
            "text": text.strip(),
        }
        self.sent.append(
            {
                "token": bot.token,
                "chat_id": chat_id,
                "text": text,
                "message_id": message["message_id"],
                "at": time.time(),
            }
        )
        return message

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

    def file(self, token: str, path: str) -> bytes | None:
        """What lies at the path that `getFile` names."""
        return self._files.get(path.removeprefix("documents/")) if token in self.bots else None

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

    # --- delivery to the webhook ----------------------------------------------------------------------------

    def _drain(self, token: str, chat_id: int) -> None:
        """Start delivering what waits in a chat, unless that is going on."""
        with self._lock:
            is_started = (token, chat_id) in self._busy or not self.bots[token].webhook["url"]
            if is_started:
                return
            self._busy.add((token, chat_id))
        threading.Thread(target=self._deliver_chat, args=(token, chat_id), daemon=True).start()

    def _deliver_chat(self, token: str, chat_id: int) -> None:
        bot, pause = self.bots[token], self._retry_seconds
        while not self._is_closed.is_set():
            with self._lock:
                if not bot.waiting[chat_id] or not bot.webhook["url"]:
                    self._busy.discard((token, chat_id))
                    return
                update = bot.waiting[chat_id][0]
            if self._is_taken(bot, update):
                pause = self._retry_seconds
                with self._changed:
                    bot.waiting[chat_id].popleft()
                    self._changed.notify_all()
            else:
                self._is_closed.wait(pause)
                pause = min(pause * 2, self._max_retry_seconds)

    def _is_taken(self, bot: Bot, update: Mapping[str, Any]) -> bool:
        if not set(update) & set(bot.webhook["allowed_updates"]):
            return True  # the bot did not ask for it
        status, body = self._post(bot, update)
        with self._changed:
            self.deliveries.append((update["update_id"], status))
            self._changed.notify_all()
        if not 200 <= status < 300:
            bot.last_error = (time.time(), f"Wrong response from the webhook: {status}")
            return False
        self._carry_out(bot, body)
        return True

    def _post(self, bot: Bot, update: Mapping[str, Any]) -> tuple[int, bytes]:
        headers = {"content-type": "application/json"}
        if bot.webhook["secret_token"]:
            headers["X-Telegram-Bot-Api-Secret-Token"] = bot.webhook["secret_token"]
        request = urllib.request.Request(bot.webhook["url"], json.dumps(update).encode(), headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""

    def _carry_out(self, bot: Bot, body: bytes) -> None:
        try:
            content = json.loads(body)
        except ValueError:
            return
        if isinstance(content, dict) and isinstance(content.get("method"), str):
            parameters = {key: value for key, value in content.items() if key != "method"}
            try:
                self._call(Call(bot.token, content["method"], parameters, from_webhook=True))
            except ApiError:
                return  # Telegram tells nobody either


def _listed(value: Any) -> list[str]:
    """`allowed_updates` comes as JSON, also within a form."""
    if isinstance(value, str):
        value = json.loads(value) if value else []
    return [str(item) for item in value or []]


def _handler(fake: FakeTelegram) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            """Nothing: the address holds a token."""

        def do_GET(self) -> None:
            if urlsplit(self.path).path == "/control/sent":
                self._say(200, json.dumps(fake.sent))
            elif found := re.fullmatch(r"/file/bot([^/]+)/(.+)", urlsplit(self.path).path):
                content = fake.file(found[1], found[2])
                self._say_bytes(404 if content is None else 200, content or b"", "application/octet-stream")
            else:
                self._answer()

        def do_POST(self) -> None:
            if urlsplit(self.path).path == "/control/message":
                given = self._parameters()
                fake.add_bot(given["token"])
                update = fake.write(given["token"], int(given["chat_id"]), given["text"])
                self._say(200, json.dumps(update))
            else:
                self._answer()

        def _answer(self) -> None:
            found = re.fullmatch(r"/bot([^/]+)/(\w+)", urlsplit(self.path).path)
            if found is None:
                self._say(404, json.dumps(ApiError(404, "Not Found").as_json()))
                return
            answer = fake.answer(found[1], found[2], self._parameters())
            if answer is None:
                self.close_connection = True
            else:
                self._say(*answer)

        def _parameters(self) -> dict[str, Any]:
            """The Bot API takes them in the query, as a form and as JSON."""
            given: dict[str, Any] = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if "json" in self.headers.get("content-type", ""):
                given.update(json.loads(body or b"{}"))
            else:
                given.update(parse_qsl(body.decode(), keep_blank_values=True))
            return given

        def _say(self, status: int, body: str) -> None:
            self._say_bytes(status, body.encode(), "application/json")

        def _say_bytes(self, status: int, content: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


def main() -> None:
    """Serve until interrupted; any well-formed token is a bot's."""
    parser = argparse.ArgumentParser(description="A fake Telegram Bot API on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8090)
    with FakeTelegram(parser.parse_args().port) as fake:
        fake.knows_every_token = True
        print(f"The fake Telegram listens at {fake.url}: set HUB_TELEGRAM_API_URL to it.", flush=True)  # noqa: T201
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
