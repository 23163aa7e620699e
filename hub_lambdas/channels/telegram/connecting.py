"""A bot: whose it is, whether its updates come here, and having them come here."""

import time
from typing import Any

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import Account, Health, Validity
from hub_lambdas.channels.telegram.api import call
from hub_lambdas.sentences import stored

ALLOWED_UPDATES = ("message", "edited_message", "callback_query", "message_reaction", "my_chat_member")
MAX_CONNECTIONS = 40
RECENT_ERROR_SECONDS = 3600
MANY_PENDING_UPDATES = 10


def identify(account: Account) -> Health:
    """One bot has one webhook: it can be one channel only."""
    bot = call(account, "getMe")
    return Health(f"@{payloads.text(bot, 'username')}", address=str(payloads.integer(bot, "id") or ""))


def register(account: Account, webhook_url: str) -> Health:
    """Have the bot's updates posted to `webhook_url`. What waits at Telegram is kept."""
    name = _name(account)
    registration = {
        "url": webhook_url,
        "secret_token": account.credentials["webhook_secret"],
        "allowed_updates": ALLOWED_UPDATES,
        "max_connections": MAX_CONNECTIONS,
        "drop_pending_updates": False,
    }
    call(account, "setWebhook", registration)
    return Health(name)


def check(account: Account, webhook_url: str) -> Health:
    """Whether the token counts, and the bot's updates come to `webhook_url`."""
    name, info = _name(account), call(account, "getWebhookInfo")
    problems = _problems_of(info, webhook_url, time.time())
    delivers_here = payloads.text(info, "url") == webhook_url
    return Health(name, problems, validity=Validity(is_endless=True), delivers_here=delivers_here)


def unregister(account: Account, webhook_url: str) -> None:
    """A bot that delivers elsewhere is let be."""
    if payloads.text(call(account, "getWebhookInfo"), "url") == webhook_url:
        call(account, "deleteWebhook", {"drop_pending_updates": True})


def _name(account: Account) -> str:
    return f"@{payloads.text(call(account, 'getMe'), 'username')}"


def _problems_of(info: Any, webhook_url: str, now: float) -> list[str]:
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
