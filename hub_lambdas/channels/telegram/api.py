"""Telegram's Bot API, the token that it is called with, and what its errors mean."""

import re
from typing import Any

from django.conf import settings

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import (
    Account,
    ChannelError,
    ContactMoved,
    CredentialRejected,
    SendRefused,
    SendRejected,
    SendUnknown,
)
from hub_lambdas.channels.client import CLIENT, READ_TIMEOUT_SECONDS, Answer
from hub_lambdas.sentences import stored

COURTESY_TIMEOUT_SECONDS = 2.0
"""For calls that nobody misses when they fail."""
_TOKEN = re.compile(r"[A-Za-z0-9:_-]+")


def call(
    account: Account, method: str, parameters: object = None, timeout_seconds: float = READ_TIMEOUT_SECONDS
) -> Any:
    """Call a method of the Bot API and return its `result`. Raises ChannelError."""
    url = f"{settings.TELEGRAM_API_URL}/bot{token(account)}/{method}"
    content = parameters or {}
    answer = CLIENT.call("Telegram", "POST", url, content=content, read_timeout_seconds=timeout_seconds)
    if payloads.find(answer.content, "ok") is not True:
        raise _error(answer, method)
    return payloads.find(answer.content, "result")


def token(account: Account) -> str:
    found = account.credentials.get("bot_token")
    if not isinstance(found, str) or not _TOKEN.fullmatch(found):
        raise CredentialRejected("No usable bot token is stored: copy it from @BotFather into the channel.")
    return found


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
