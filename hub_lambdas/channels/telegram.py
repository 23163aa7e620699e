"""Telegram bots (Bot API: core.telegram.org/bots/api).

Texts go out without `parse_mode`, as they are: so Telegram parses nothing, and its "can't parse entities"
cannot occur.
"""

import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from django.conf import settings

from hub_lambdas.channels import payloads
from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import (
    SAMPLE_NAME,
    Account,
    ChannelError,
    ContactMoved,
    CredentialRejected,
    FetchedMedia,
    Field,
    Health,
    Inbound,
    InboundEdit,
    InboundMessage,
    Media,
    MediaRefused,
    OtherEvent,
    Sample,
    Sender,
    SendRefused,
    SendRejected,
    SendUnknown,
    SignatureError,
    Validity,
)
from hub_lambdas.channels.client import CLIENT, READ_TIMEOUT_SECONDS, Answer
from hub_lambdas.channels.defaults import Defaults
from hub_lambdas.channels.download import Download
from hub_lambdas.http import Request, Response
from hub_lambdas.sentences import stored

SIGNATURE_HEADER = "x-telegram-bot-api-secret-token"
ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "message_reaction", "my_chat_member")
MAX_CONNECTIONS = 40
COURTESY_TIMEOUT_SECONDS = 2.0
"""For calls that nobody misses when they fail."""
MAX_FILE_BYTES = 20 * 1024 * 1024
"""Telegram gives bots no larger ones."""
RECENT_ERROR_SECONDS = 3600
MANY_PENDING_UPDATES = 10

_TOKEN = re.compile(r"[A-Za-z0-9:_-]+")

# --- what comes in ------------------------------------------------------------------------------------------

# In this order: an animation also has a `document`, a venue also has a `location`.
_CONTENTS = (
    *("text", "photo", "voice", "video", "video_note", "audio", "animation", "document", "sticker"),
    *("venue", "location", "contact", "poll", "dice", "story", "paid_media", "live_photo", "checklist"),
    *("game", "invoice", "successful_payment", "refunded_payment", "web_app_data"),
    *("users_shared", "chat_shared", "giveaway", "gift"),
)
# What Telegram itself writes into a private chat: nobody waits for an answer to it.
_SERVICE_NOTES = (
    *("pinned_message", "message_auto_delete_timer_changed", "write_access_allowed", "connected_website"),
    *("chat_background_set", "boost_added", "forum_topic_created", "forum_topic_edited"),
    *("forum_topic_closed", "forum_topic_reopened"),
)
_FILES = ("photo", "voice", "video", "video_note", "audio", "animation", "document", "sticker")
_FILE_ID = re.compile(r"[A-Za-z0-9_-]{1,300}")
_UPDATE_TYPE = re.compile(r"[a-z_]{1,40}")
_LANGUAGE = re.compile(r"[A-Za-z0-9-]{2,35}")
_CALLBACK_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_CALLBACK_PREFIX = "callback:"


class _Update:
    """One update, read without trust in its shape."""

    def __init__(self, update: Any, body: bytes) -> None:
        self._update = update
        self._payload = body.decode("utf-8", "replace")
        number = payloads.integer(update, "update_id")
        self._platform_id = f"update:{payloads.digest(body) if number is None else number}"

    def read(self) -> Inbound:
        """What it is for the hub."""
        match self._type():
            case "message":
                return self._message(payloads.find(self._update, "message"))
            case "edited_message":
                return self._edit(payloads.find(self._update, "edited_message"))
            case "callback_query":
                return self._pressed_button(payloads.find(self._update, "callback_query"))
            case "message_reaction":
                reaction = payloads.find(self._update, "message_reaction")
                kind = "reaction" if payloads.find(reaction, "new_reaction") else "reaction_removed"
                return self._other(kind, _private_sender(reaction, "user"))
            case "my_chat_member":
                return self._membership(payloads.find(self._update, "my_chat_member"))
            case other:
                return self._other(other)

    def _type(self) -> str:
        """The one field beside `update_id`; types that Telegram adds later go by their own names too."""
        if not isinstance(self._update, dict):
            return "unknown"
        names = (name for name in self._update if name != "update_id" and _UPDATE_TYPE.fullmatch(name))
        return next(names, "unknown")

    def _other(self, kind: str, sender: Sender | None = None, reachable: bool | None = None) -> OtherEvent:
        return OtherEvent(self._platform_id, kind, self._payload, sender, reachable)

    def _message(self, message: Any) -> Inbound:
        sender, message_id = _private_sender(message, "from"), _message_id(message)
        if sender is None or message_id is None:
            return self._other(_unanswered_kind(message))
        if payloads.find(message, "from", "is_bot") is True:
            return self._other("bot_message")
        kind = _content(message)
        if kind in _SERVICE_NOTES:
            return self._other(kind, sender)
        at = payloads.moment(message, "date")
        media = _media(message, kind)
        return InboundMessage(sender, message_id, kind, _written(message), at, self._payload, media)

    def _edit(self, message: Any) -> Inbound:
        sender, message_id = _private_sender(message, "from"), _message_id(message)
        if sender is None or message_id is None:
            return self._other(f"edited_{_unanswered_kind(message)}")
        return InboundEdit(sender, self._platform_id, message_id, _written(message), self._payload)

    def _pressed_button(self, query: Any) -> Inbound:
        """The message it belongs to may be too old to be shown (then it has `date` 0), or be missing: the
        contact is who pressed, whose private chat has the id of the user."""
        user_id = payloads.integer(query, "from", "id")
        chat_type = payloads.find(query, "message", "chat", "type")
        if user_id is None or chat_type not in (None, "private"):
            return self._other("group_button" if user_id is not None else "unreadable_button")
        query_id = payloads.text(query, "id")
        known = _CALLBACK_ID.fullmatch(query_id)
        return InboundMessage(
            _sender(user_id, payloads.find(query, "from")),
            f"{_CALLBACK_PREFIX}{query_id}" if known else self._platform_id,
            "button",
            payloads.text(query, "data") or payloads.text(query, "game_short_name"),
            None,
            self._payload,
            below_platform_id=_message_id(payloads.find(query, "message")) or "",
        )

    def _membership(self, change: Any) -> Inbound:
        sender = _private_sender(change, "from")
        status = payloads.text(change, "new_chat_member", "status")
        if sender is None:
            return self._other("group_membership")
        reachable = {"kicked": False, "left": False, "member": True}.get(status)
        kinds = {True: "bot_unblocked", False: "bot_blocked", None: "membership"}
        return self._other(kinds[reachable], sender, reachable)


def _private_sender(item: Any, user_field: str) -> Sender | None:
    """Who wrote in a private chat; None where `item` is from elsewhere or cannot be read."""
    chat_id = payloads.integer(item, "chat", "id")
    if chat_id is None or payloads.find(item, "chat", "type") != "private":
        return None
    return _sender(chat_id, payloads.find(item, user_field) or payloads.find(item, "chat"))


def _sender(chat_id: int, user: Any) -> Sender:
    name = " ".join(filter(None, [payloads.text(user, "first_name"), payloads.text(user, "last_name")]))
    language = payloads.text(user, "language_code")
    return Sender(str(chat_id), name, language if _LANGUAGE.fullmatch(language) else "")


def _message_id(message: Any) -> str | None:
    """Telegram counts messages per chat. An update that is delivered twice gives the same id twice, and an
    edit, which has an update id of its own, leads back to it: that is why it is not the update's."""
    chat_id, message_id = payloads.integer(message, "chat", "id"), payloads.integer(message, "message_id")
    return None if chat_id is None or message_id is None else f"{chat_id}:{message_id}"


def _unanswered_kind(message: Any) -> str:
    chat_type = payloads.text(message, "chat", "type")
    return "group_message" if chat_type in ("group", "supergroup", "channel") else "unreadable_message"


def _content(message: Any) -> str:
    for name in _CONTENTS + _SERVICE_NOTES:
        if name in message and (name != "text" or isinstance(message[name], str)):
            return name
    return "unknown"


def _written(message: Any) -> str:
    return payloads.text(message, "text") or payloads.text(message, "caption")


def _media(message: Any, kind: str) -> tuple[Media, ...]:
    """The file in a message; of a photo, which comes in several sizes, the largest."""
    found = payloads.find(message, kind) if kind in _FILES else None
    if isinstance(found, list):
        found = max(found, key=lambda each: payloads.integer(each, "width") or 0, default=None)
    file_id = payloads.text(found, "file_id")
    if not _FILE_ID.fullmatch(file_id):
        return ()
    media_type, name = payloads.line(found, "mime_type"), payloads.line(found, "file_name")
    return (Media(file_id, media_type, name, payloads.integer(found, "file_size")),)


# --- what goes out ------------------------------------------------------------------------------------------


def _call(
    account: Account, method: str, parameters: object = None, timeout_seconds: float = READ_TIMEOUT_SECONDS
) -> Any:
    """Call a method of the Bot API and return its `result`. Raises ChannelError."""
    url = f"{settings.TELEGRAM_API_URL}/bot{_token(account)}/{method}"
    content = parameters or {}
    answer = CLIENT.call("Telegram", "POST", url, content=content, read_timeout_seconds=timeout_seconds)
    if payloads.find(answer.content, "ok") is not True:
        raise _error(answer, method)
    return payloads.find(answer.content, "result")


def _keyboard(choices: Sequence[str]) -> dict[str, Any]:
    """The part of a message that offers choices, none where there are none: a button a line. What it carries
    (at most 64 bytes) comes back as it is."""
    if not choices:
        return {}
    return {
        "reply_markup": {
            "inline_keyboard": [[{"text": choice, "callback_data": choice}] for choice in choices]
        }
    }


def _token(account: Account) -> str:
    token = account.credentials.get("bot_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise CredentialRejected("No usable bot token is stored: copy it from @BotFather into the channel.")
    return token


def _error(answer: Answer, method: str) -> ChannelError:
    """Only the API's own JSON proves that a request was refused, and only below 500: a server that restarts
    answers "Internal Server Error: restart" also to requests that it has already carried out."""
    code = payloads.integer(answer.content, "error_code")
    if payloads.find(answer.content, "ok") is not False or code is None or not 400 <= code < 500:
        return SendUnknown(
            stored(
                "Telegram answered %(method)s with status %(status)s and no clear result.",
                method=method,
                status=answer.status,
            )
        )
    reason = payloads.text(answer.content, "description")[:200] or f"error {code}"
    moved_to = payloads.integer(answer.content, "parameters", "migrate_to_chat_id")
    if code == 429:
        seconds = payloads.integer(answer.content, "parameters", "retry_after")
        return SendRefused(
            stored("Telegram asks to slow down: %(reason)s.", reason=reason), float(max(seconds or 1, 1))
        )
    if code in (401, 404):
        return CredentialRejected("Telegram does not know the bot token: copy it from @BotFather again.")
    if code == 403:
        return SendRejected(
            stored("The contact cannot be reached: %(reason)s.", reason=reason), contact_gone=True
        )
    if moved_to is not None:
        return ContactMoved(f"The chat has another id now: {reason}.", str(moved_to))
    return SendRejected(stored("Telegram refused %(method)s: %(reason)s.", method=method, reason=reason))


# --- the webhook's registration -----------------------------------------------------------------------------


def _account_name(account: Account) -> str:
    return f"@{payloads.text(_call(account, 'getMe'), 'username')}"


def _webhook_problems(info: Any, webhook_url: str, now: float) -> list[str]:
    """What getWebhookInfo tells, in sentences for an org admin."""
    problems = []
    registered = payloads.text(info, "url")
    if not registered:
        problems.append(
            stored("Telegram delivers no messages: save the channel again to register its address.")
        )
    elif registered != webhook_url:
        problems.append(
            stored(
                "Telegram delivers to another address: save the channel again, and make sure that no other "
                "program uses this bot."
            )
        )
    delivered = payloads.find(info, "allowed_updates")
    missing = [kind for kind in ALLOWED_UPDATES if isinstance(delivered, list) and kind not in delivered]
    if missing:
        problems.append(
            stored("Telegram leaves out %(missing)s: save the channel again.", missing=", ".join(missing))
        )
    pending = payloads.integer(info, "pending_update_count") or 0
    if pending >= MANY_PENDING_UPDATES:
        problems.append(stored("%(pending)s messages wait at Telegram to be delivered.", pending=pending))
    failed_at = payloads.integer(info, "last_error_date") or 0
    if now - failed_at < RECENT_ERROR_SECONDS:
        minutes = max(int((now - failed_at) / 60), 0)
        message = payloads.text(info, "last_error_message")[:200]
        problems.append(
            stored(
                "Telegram could not deliver %(minutes)s min ago: %(message)s.",
                minutes=minutes,
                message=message,
            )
        )
    return problems


class Telegram(Defaults):
    """A bot, one channel each. Whoever has started it hears from it until they block it."""

    name: ClassVar[str] = "telegram"
    label: ClassVar[str] = "Telegram"
    fields: ClassVar[Sequence[Field]] = (
        Field(
            "bot_token",
            "Bot token",
            "Write /newbot to @BotFather in Telegram, choose a name, and copy the token that it gives you.",
            secret=True,
        ),
    )
    text_limit: ClassVar[int] = 4096
    shows_typing: ClassVar[bool] = True

    def verify(self, request: Request, account: Account) -> None:
        expected = account.credentials.get("webhook_secret")
        if not isinstance(expected, str) or not expected:
            raise SignatureError("The channel has no webhook secret: save it again, which makes one.")
        given = request.headers.get(SIGNATURE_HEADER, "")
        # As bytes: compare_digest raises on a str that is not ASCII.
        if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode()):
            raise SignatureError("The secret token is missing or wrong.")

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        return [_Update(request.json(), request.body).read()]

    def acknowledge(self, request: Request, account: Account) -> Response:
        """Empty: Telegram would carry out a `method` that it finds in a JSON body."""
        return Response()

    def after_storing(self, account: Account, inbound: Inbound) -> None:
        """Without an answer to the query, the pressed button shows a spinner."""
        if isinstance(inbound, InboundMessage) and inbound.platform_id.startswith(_CALLBACK_PREFIX):
            query_id = inbound.platform_id.removeprefix(_CALLBACK_PREFIX)
            _call(account, "answerCallbackQuery", {"callback_query_id": query_id}, COURTESY_TIMEOUT_SECONDS)

    def send(
        self,
        account: Account,
        contact: str,
        text: str,
        reference: str,
        choices: Sequence[str] = (),
        *,
        is_late: bool = False,
    ) -> str:
        sent = _call(account, "sendMessage", {"chat_id": contact, "text": text, **_keyboard(choices)})
        message_id = payloads.integer(sent, "message_id")
        return f"{contact}:{message_id}" if message_id is not None else f"sent:{reference}"

    def show_typing(self, account: Account, contact: str, message_id: str) -> None:
        _call(account, "sendChatAction", {"chat_id": contact, "action": "typing"}, COURTESY_TIMEOUT_SECONDS)

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        """Telegram says "4096 characters" and counts UTF-16 code units elsewhere: the stricter of the two."""
        return texts.split(text, self.text_limit, texts.utf16_units)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        """By a path that lives for an hour. Behind the bot's token: the whole address is a secret."""
        if (media.size_bytes or 0) > MAX_FILE_BYTES:
            raise MediaRefused("Telegram gives bots no files of more than 20 MB.")
        file = _call(account, "getFile", {"file_id": media.reference})
        path = quote(payloads.text(file, "file_path"))
        url = f"{settings.TELEGRAM_API_URL}/file/bot{_token(account)}/{path}"
        return Download("Telegram", limit_bytes, settings.TELEGRAM_API_URL).fetch(url)

    def new_secrets(self) -> Mapping[str, str]:
        return {"webhook_secret": secrets.token_urlsafe(32)}

    def identify(self, account: Account) -> Health:
        """One bot has one webhook: it can be one channel only."""
        bot = _call(account, "getMe")
        return Health(f"@{payloads.text(bot, 'username')}", address=str(payloads.integer(bot, "id") or ""))

    def register(self, account: Account, webhook_url: str) -> Health:
        name = _account_name(account)
        registration = {
            "url": webhook_url,
            "secret_token": account.credentials["webhook_secret"],
            "allowed_updates": ALLOWED_UPDATES,
            "max_connections": MAX_CONNECTIONS,
            "drop_pending_updates": False,
        }
        _call(account, "setWebhook", registration)
        return Health(name)

    def check(self, account: Account, webhook_url: str) -> Health:
        name, info = _account_name(account), _call(account, "getWebhookInfo")
        problems = _webhook_problems(info, webhook_url, time.time())
        delivers_here = payloads.text(info, "url") == webhook_url
        return Health(name, problems, validity=Validity(is_endless=True), delivers_here=delivers_here)

    def unregister(self, account: Account, webhook_url: str) -> None:
        """A bot that delivers elsewhere is let be."""
        if payloads.text(_call(account, "getWebhookInfo"), "url") == webhook_url:
            _call(account, "deleteWebhook", {"drop_pending_updates": True})

    def sample(self, account: Account, address: str, text: str) -> Sample:
        """In a private chat with an id beyond those that Telegram gives, which have at most 52 bits."""
        chat_id = 2**53 + secrets.randbelow(2**62 - 2**53)
        person = {"id": chat_id, "is_bot": False, "first_name": SAMPLE_NAME}
        message = {
            "message_id": 1,
            "from": person,
            "chat": {"id": chat_id, "type": "private", "first_name": SAMPLE_NAME},
            "date": int(time.time()),
            "text": text,
        }
        body = json.dumps({"update_id": secrets.randbelow(2**31), "message": message}).encode()
        secret = payloads.text(dict(account.credentials), "webhook_secret")
        headers = {"content-type": "application/json", SIGNATURE_HEADER: secret}
        request = Request("POST", f"/{self.name}/{account.channel_id}", headers=headers, body=body)
        return Sample(str(chat_id), request)
