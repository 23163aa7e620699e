"""Messages to people in Slack, who they are, and the files that they sent."""

import json
from collections.abc import Mapping, Sequence

from hub_lambdas.channels import payloads
from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import Account, FetchedMedia, Media, MediaRefused, Sender
from hub_lambdas.channels.download import Download, is_at
from hub_lambdas.channels.slack.api import api_url, call, token
from hub_lambdas.channels.slack.receiving import id_of, marked

FILES_URL = "https://files.slack.com"


def send(account: Account, contact: str, text: str, reference: str, choices: Sequence[str]) -> str:
    """Send a message; returns Slack's id for it. Without markup, for the text is nobody's mrkdwn. Raises
    ChannelError."""
    plain = {"mrkdwn": "false", "unfurl_links": "false", "unfurl_media": "false"}
    message = {"channel": contact, "text": escaped(text), **plain, **_buttons(choices)}
    sent = call(account, "chat.postMessage", **message, metadata=json.dumps(marked(reference))).content
    return id_of(Sender(contact), payloads.text(sent, "ts")) or f"sent:{reference}"


def split(text: str, limit: int) -> Sequence[str]:
    return texts.split(text, limit, _size_on_the_way)


def fetch(account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
    """A file, behind the token, which only Slack's own servers get."""
    is_slacks = any(is_at(media.reference, url) for url in (FILES_URL, api_url()))
    headers = {"authorization": f"Bearer {token(account)}"} if is_slacks else {}
    file = Download("Slack", limit_bytes, api_url(), headers).fetch(media.reference)
    if is_slacks and file.media_type == "text/html":
        raise MediaRefused("Slack shows a page to sign in in place of the file: add the scope files:read.")
    return file


def look_up(account: Account, contact: str) -> Sender | None:
    """The person behind a direct-message channel."""
    chat = call(account, "conversations.info", channel=contact).content
    person = call(account, "users.info", user=payloads.text(chat, "channel", "user")).content
    name = payloads.line(person, "user", "real_name") or payloads.line(person, "user", "name")
    return Sender(contact, name) if name else None


def escaped(text: str) -> str:
    """A text as Slack takes it, in a form that has no place for lone surrogates."""
    plain = text.encode("utf-8", "replace").decode()
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _size_on_the_way(character: str) -> int:
    """What a character counts for: its three escapes, and UTF-16 code units, the stricter way to count."""
    return sum(texts.utf16_units(each) for each in escaped(character))


def _buttons(choices: Sequence[str]) -> Mapping[str, str]:
    """The part of a message that offers choices, none where there are none. Buttons in an attachment stand
    below the text; blocks of the message itself would take its place."""
    if not choices:
        return {}
    elements = [
        {
            "type": "button",
            "action_id": f"choice-{number}",
            "text": {"type": "plain_text", "text": choice, "emoji": False},
            "value": choice,
        }
        for number, choice in enumerate(choices)
    ]
    attachment = {"fallback": ", ".join(choices), "blocks": [{"type": "actions", "elements": elements}]}
    return {"attachments": json.dumps([attachment])}
