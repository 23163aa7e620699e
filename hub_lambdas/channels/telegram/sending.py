"""Messages to people in Telegram, what else they are shown, and the files that they sent."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from django.conf import settings

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import Account, FetchedMedia, Media, MediaRefused
from hub_lambdas.channels.download import Download
from hub_lambdas.channels.telegram.api import COURTESY_TIMEOUT_SECONDS, call, token

MAX_FILE_BYTES = 20 * 1024 * 1024
"""Telegram gives bots no larger ones."""


def send(account: Account, contact: str, text: str, reference: str, choices: Sequence[str]) -> str:
    """Send a message; returns Telegram's id for it. Raises ChannelError."""
    sent = call(account, "sendMessage", {"chat_id": contact, "text": text, **_keyboard(choices)})
    message_id = payloads.integer(sent, "message_id")
    return f"{contact}:{message_id}" if message_id is not None else f"sent:{reference}"


def show_typing(account: Account, contact: str) -> None:
    call(account, "sendChatAction", {"chat_id": contact, "action": "typing"}, COURTESY_TIMEOUT_SECONDS)


def end_wait(account: Account, query_id: str) -> None:
    """Without an answer to its query, a pressed button shows a spinner."""
    call(account, "answerCallbackQuery", {"callback_query_id": query_id}, COURTESY_TIMEOUT_SECONDS)


def fetch(account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
    """A file, by a path that lives for an hour. Behind the bot's token: the whole address is a secret."""
    if (media.size_bytes or 0) > MAX_FILE_BYTES:
        raise MediaRefused("Telegram gives bots no files of more than 20 MB.")
    file = call(account, "getFile", {"file_id": media.reference})
    path = quote(payloads.text(file, "file_path"))
    url = f"{settings.TELEGRAM_API_URL}/file/bot{token(account)}/{path}"
    return Download("Telegram", limit_bytes, settings.TELEGRAM_API_URL).fetch(url)


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
