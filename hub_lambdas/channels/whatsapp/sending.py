"""Messages to contacts of WhatsApp, what else they are shown, and the files that they sent."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from hub_lambdas.channels import meta, payloads
from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import Account, FetchedMedia, Media, MediaGone, SendRejected
from hub_lambdas.channels.download import Download
from hub_lambdas.channels.whatsapp.api import DIGITS, GRAPH, MEDIA, phone_number_id
from hub_lambdas.channels.whatsapp.receiving import usable
from hub_lambdas.sentences import stored

COURTESY_TIMEOUT_SECONDS = 2.0
"""For calls that nobody misses when they fail."""
MAX_BUTTONS = 3
BUTTONS_TEXT_LIMIT = 1024
LIST_SIGN = "☰"
"""On the button that opens a list: a sign that needs no language."""


def _content(text: str, choices: Sequence[str]) -> dict[str, Any]:
    """The part of a message that says what is in it. Choices are buttons, or else the rows of a list, whose
    text may be as long as any (/messages/interactive-reply-buttons-messages, /interactive-list-messages)."""
    if not choices:
        return {"type": "text", "text": {"body": text, "preview_url": False}}
    size = sum(texts.utf16_units(character) for character in text)
    is_short = len(choices) <= MAX_BUTTONS and size <= BUTTONS_TEXT_LIMIT
    titles = [{"id": choice, "title": choice} for choice in choices]
    action: dict[str, Any] = {"button": LIST_SIGN, "sections": [{"rows": titles}]}
    if is_short:
        action = {"buttons": [{"type": "reply", "reply": title} for title in titles]}
    interactive = {"type": "button" if is_short else "list", "body": {"text": text}, "action": action}
    return {"type": "interactive", "interactive": interactive}


def send(account: Account, contact: str, text: str, reference: str, choices: Sequence[str]) -> str:
    """Send a message; returns WhatsApp's id for it. Raises ChannelError."""
    is_phone = DIGITS.fullmatch(contact)
    message = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to" if is_phone else "recipient": contact,
        **_content(text, choices),
        "biz_opaque_callback_data": meta.marked(reference),
    }
    sent = GRAPH.call(meta.token(account), "POST", f"{phone_number_id(account)}/messages", message)
    messages = payloads.find(sent, "messages")
    message_id = usable(messages[0], "id") if isinstance(messages, list) and messages else ""
    return message_id or f"sent:{reference}"


def show_typing(account: Account, message_id: str) -> None:
    """Mark a message as read, and show that an answer is being written: WhatsApp has one call for both."""
    read = {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": message_id,
        "typing_indicator": {"type": "text"},
    }
    path, timeout = f"{phone_number_id(account)}/messages", COURTESY_TIMEOUT_SECONDS
    GRAPH.call(meta.token(account), "POST", path, read, timeout_seconds=timeout)


def fetch(account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
    """A file, by an address that lives for five minutes and asks for the token, wherever it is."""
    token = meta.token(account)
    try:
        file = MEDIA.call(token, "GET", media.reference)
    except SendRejected as error:
        raise MediaGone(
            stored("WhatsApp does not give the file out any more. %(error)s", error=error)
        ) from error
    headers = {"authorization": f"Bearer {token}"}
    download = Download("WhatsApp", limit_bytes, settings.GRAPH_API_URL, headers)
    return download.fetch(payloads.web_address(file, "url"))
