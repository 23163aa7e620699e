"""Slack apps that answer direct messages (Events API and Web API: docs.slack.dev).

A contact is a direct-message channel between one person and the app ("D…"): it is where answers go, and all
that some events name. Slack does not let an app register its own webhook: an admin pastes the address there.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs

from hub_lambdas.channels import payloads
from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import (
    Account,
    ChannelError,
    CredentialRejected,
    Echo,
    FetchedMedia,
    Field,
    Health,
    Inbound,
    InboundEdit,
    InboundMessage,
    InboundUnsend,
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
from hub_lambdas.channels.client import CLIENT, Answer
from hub_lambdas.channels.defaults import Defaults
from hub_lambdas.channels.download import Download, is_at
from hub_lambdas.http import Request, Response
from hub_lambdas.sentences import stored

SIGNATURE_HEADER = "x-slack-signature"
TIMESTAMP_HEADER = "x-slack-request-timestamp"
MAX_SKEW_SECONDS = 300
SCOPES = ("chat:write", "files:read", "im:history", "im:read", "reactions:read", "users:read")
FILES_URL = "https://files.slack.com"

# --- what comes in ------------------------------------------------------------------------------------------

_SECRETS = {"token", "response_url", "trigger_id"}
"""What of a webhook is as good as a credential: it is not kept."""
_DIRECT = re.compile(r"D[A-Z0-9]{1,60}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}\.[0-9]{1,12}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_NAME = re.compile(r"[a-z_]{1,40}")
_WRITTEN_BY_PEOPLE = {"", "file_share", "me_message", "thread_broadcast"}
_NOTES = {"bot_add", "bot_remove", "huddle_thread", "pinned_item", "reminder_add", "unpinned_item"}
_MAX_KIND_LENGTH = 20
_MARK = re.compile(r"<([@#!]?)([^<>|]+)(?:\|([^<>]*))?>")
_MEDIA = ("image", "audio", "video")
MAX_MEDIA = 10
"""Of one message."""


class _Webhook:
    """One webhook, read without trust in its shape. It holds one thing."""

    def __init__(self, body: bytes) -> None:
        self._content, self._payload = _content(body)
        self._event = payloads.find(self._content, "event")
        self._digest = payloads.digest(body)

    def read(self) -> Inbound:
        """What it is for the hub."""
        match _name(self._content, "type"):
            case "event_callback":
                return self._happened()
            case "block_actions":
                return self._pressed_button()
            case other:
                return self._other(other)

    def _other(self, kind: str, sender: Sender | None = None) -> OtherEvent:
        return OtherEvent(f"{kind}:{self._digest}", kind, self._payload, sender)

    def _happened(self) -> Inbound:
        match _name(self._event, "type"):
            case "message":
                return self._message()
            case "reaction_added":
                return self._other("reaction", _contact(self._event, "item", "channel"))
            case "reaction_removed" as kind:
                return self._other(kind, _contact(self._event, "item", "channel"))
            case other:
                return self._other(other, _contact(self._event, "channel"))

    def _message(self) -> Inbound:
        contact = _contact(self._event, "channel")
        if contact is None:
            return self._other("channel_message")
        match payloads.text(self._event, "subtype"):
            case "message_changed":
                return self._edit(contact, payloads.find(self._event, "message"))
            case "message_deleted":
                return self._unsend(contact, payloads.text(self._event, "deleted_ts"))
            case subtype:
                return self._written(contact, subtype)

    def _written(self, contact: Sender, subtype: str) -> Inbound:
        message_id = _message_id(contact, payloads.text(self._event, "ts"))
        if not message_id:
            return self._other("unreadable_message", contact)
        kind, text = _said(self._event)
        if payloads.find(self._event, "bot_id") is not None or subtype == "bot_message":
            return self._by_bot(contact, message_id, text or f"[{kind}]")
        if subtype in _NOTES or payloads.find(self._event, "hidden") is True:
            return self._other(_name(self._event, "subtype"), contact)
        if subtype not in _WRITTEN_BY_PEOPLE:  # one that Slack has added: staff see it
            kind = _name(self._event, "subtype")[:_MAX_KIND_LENGTH]
        at = _moment(self._event, "ts")
        return InboundMessage(contact, message_id, kind, text, at, self._payload, _media(self._event))

    def _by_bot(self, contact: Sender, message_id: str, text: str) -> Inbound:
        """The hub's own message comes back. Nobody else writes into a person's conversation with the app."""
        own = payloads.text(self._content, "api_app_id")
        if payloads.text(self._event, "app_id") not in ("", own):
            return self._other("bot_message", contact)
        return Echo(contact, message_id, text, True, self._payload)

    def _edit(self, contact: Sender, message: Any) -> Inbound:
        """Slack reports a change also where it only adds the preview of a link, and where it leaves a mark in
        place of a deleted message that has a thread."""
        timestamp = payloads.text(message, "ts")
        if payloads.text(message, "subtype") == "tombstone":
            return self._unsend(contact, timestamp)
        message_id = _message_id(contact, timestamp)
        if not message_id or payloads.find(message, "edited") is None:
            return self._other("message_changed", contact)
        id_, (_, text) = f"edit:{self._digest}", _said(message)
        return InboundEdit(contact, id_, message_id, text, self._payload)

    def _unsend(self, contact: Sender, timestamp: str) -> Inbound:
        message_id = _message_id(contact, timestamp)
        if not message_id:
            return self._other("unreadable_unsend", contact)
        return InboundUnsend(contact, f"unsend:{message_id}", message_id, self._payload)

    def _pressed_button(self) -> Inbound:
        contact = _contact(self._content, "channel", "id")
        actions = payloads.find(self._content, "actions")
        action = actions[0] if isinstance(actions, list) and actions else None
        pressed_at = payloads.text(action, "action_ts")
        text = payloads.text(action, "text", "text") or payloads.text(action, "value")
        if contact is None or not text or not _TIMESTAMP.fullmatch(pressed_at):
            return self._other("unreadable_button" if contact else "channel_button", contact)
        id_, at = f"{contact.platform_id}:button:{pressed_at}", _moment(action, "action_ts")
        below = _message_id(contact, payloads.text(self._content, "container", "message_ts"))
        return InboundMessage(
            contact, id_, "button", _shown(text), at, self._payload, below_platform_id=below
        )


def _content(body: bytes) -> tuple[Any, str]:
    """What a webhook says, and what of it is kept. Events come as JSON, pressed buttons as a form around
    it; of anything else, and of what is nested to the limit, nothing."""
    text = body.decode("utf-8", "replace")
    try:
        if text.startswith("payload="):
            text = parse_qs(text, max_num_fields=1)["payload"][0]
        content = json.loads(text)
        known = content if isinstance(content, dict) else {}
        return content, json.dumps({name: known[name] for name in known if name not in _SECRETS})
    except (ValueError, LookupError, RecursionError):
        return None, ""


def _name(value: Any, *path: str) -> str:
    """The name of a type at `path`."""
    found = payloads.text(value, *path)
    return found if _NAME.fullmatch(found) else "unknown"


def _contact(value: Any, *path: str) -> Sender | None:
    """The person behind the direct-message channel at `path`; None for a channel of many."""
    found = payloads.text(value, *path)
    return Sender(found) if _DIRECT.fullmatch(found) else None


def _message_id(contact: Sender, timestamp: str) -> str:
    """Slack knows a message by its channel and time; "" where there is none. One message may come as several
    events."""
    return f"{contact.platform_id}:{timestamp}" if _TIMESTAMP.fullmatch(timestamp) else ""


def _moment(value: Any, *path: str) -> datetime | None:
    """Seconds since 1970 with a fraction, as a string."""
    seconds = payloads.text(value, *path).partition(".")[0]
    return payloads.moment({"at": int(seconds)}, "at") if _SECONDS.fullmatch(seconds) else None


def _said(message: Any) -> tuple[str, str]:
    """Kind and text of a message."""
    text, files = _shown(payloads.text(message, "text")), _files(message)
    if files:
        return _file_kind(payloads.text(files[0], "mimetype")), text
    if text:
        return "text", text
    return ("share" if payloads.find(message, "attachments") else "unknown"), ""


def _shown(text: str) -> str:
    """A text as people see it: Slack escapes three characters and marks links and mentions."""
    plain = _MARK.sub(_unmarked, text)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _unmarked(mark: re.Match[str]) -> str:
    sign, target, label = mark.groups()
    if sign == "!":
        return str(label or f"@{target.partition('^')[0]}")
    if sign:
        return f"{sign}{label or target}"
    is_web = target.startswith(("http://", "https://"))
    if not label or (is_web and label not in target):
        return f"{label} ({target})" if label else str(target)
    return str(label)


def _files(message: Any) -> Sequence[Any]:
    files = payloads.find(message, "files")
    return files if isinstance(files, list) else ()


def _file_kind(media_type: str) -> str:
    main = media_type.partition("/")[0]
    return main if main in _MEDIA else "document"


def _media(message: Any) -> tuple[Media, ...]:
    return tuple(
        Media(
            address,
            payloads.line(each, "mimetype"),
            payloads.line(each, "name"),
            payloads.integer(each, "size"),
        )
        for each in _files(message)[:MAX_MEDIA]
        if (address := payloads.web_address(each, "url_private"))
    )


# --- what goes out ------------------------------------------------------------------------------------------

_MEANINGS = {
    "account_inactive": stored("the app's bot was removed: install the app again and copy its token"),
    "channel_not_found": stored("the conversation does not exist, or is not the app's"),
    "invalid_auth": stored("it does not accept the token: copy the bot token from the app's page again"),
    "is_archived": stored("the conversation was closed"),
    "messages_tab_disabled": stored(
        "the app takes no messages: switch on the Messages tab on its page App Home"
    ),
    "missing_scope": stored(
        "the token lacks a permission: add it on the app's page and install the app again"
    ),
    "msg_too_long": stored("the message is too long"),
    "not_authed": stored("no token was sent: copy the bot token from the app's page"),
    "token_expired": stored("the token has ended: switch off token rotation on the app's page"),
    "token_revoked": stored("the token was revoked: install the app again and copy its token"),
}
_LATER = {"accesslimited", "rate_limited", "ratelimited", "service_unavailable", "team_added_to_org"}
_UNCLEAR = {"fatal_error", "internal_error", "request_timeout"}
_GONE = {"channel_not_found", "is_archived", "user_disabled", "user_not_found"}
_BROKEN = {
    *("access_denied", "account_inactive", "ekm_access_denied", "enterprise_is_restricted", "invalid_auth"),
    *("messages_tab_disabled", "missing_scope", "no_permission", "not_allowed_token_type", "not_authed"),
    *("org_login_required", "team_access_not_granted", "token_expired", "token_revoked"),
}
_TOKEN = re.compile(r"xoxb-[A-Za-z0-9-]+")


def api_url() -> str:
    """Where the Web API is: a trial may point at a fake one."""
    return os.environ.get("HUB_SLACK_API_URL", "").rstrip("/") or "https://slack.com/api"


def _call(account: Account, method: str, **parameters: str) -> Answer:
    """Call a method of the Web API. Raises ChannelError."""
    headers = {"authorization": f"Bearer {_token(account)}"}
    answer = CLIENT.call("Slack", "POST", f"{api_url()}/{method}", form=parameters, headers=headers)
    if answer.status != 200 or payloads.find(answer.content, "ok") is not True:
        raise _error(answer, method)
    return answer


def _token(account: Account) -> str:
    token = payloads.text(dict(account.credentials), "bot_token").strip()
    if not _TOKEN.fullmatch(token):
        raise CredentialRejected(
            "No usable bot token is stored: copy the Bot User OAuth Token, which begins with xoxb-, from the "
            "app's page. One that begins with xoxe. ends after hours: switch off token rotation there."
        )
    return token


def _error(answer: Answer, method: str) -> ChannelError:
    """Only the API's own JSON proves that a request was refused: it answers errors with status 200."""
    code = payloads.text(answer.content, "error")
    meaning = _MEANINGS.get(code, stored("it refused %(method)s", method=method))
    sentence = stored(
        "Slack: %(meaning)s (%(status)s).",
        meaning=meaning,
        status=payloads.line(answer.content, "error") or answer.status,
    )
    if answer.status == 429 or code in _LATER:
        return SendRefused(sentence, max(answer.retry_after_seconds or 0.0, 1.0))
    if answer.status >= 500 or payloads.find(answer.content, "ok") is not False or code in _UNCLEAR:
        return SendUnknown(
            stored(
                "Slack answered %(method)s with status %(status)s and no clear result.",
                method=method,
                status=answer.status,
            )
        )
    if code in _BROKEN:
        return CredentialRejected(sentence)
    return SendRejected(sentence, contact_gone=code in _GONE)


def _escaped(text: str) -> str:
    """A text as Slack takes it, in a form that has no place for lone surrogates."""
    plain = text.encode("utf-8", "replace").decode()
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _size_on_the_way(character: str) -> int:
    """What a character counts for: its three escapes, and UTF-16 code units, the stricter way to count."""
    return sum(texts.utf16_units(each) for each in _escaped(character))


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


def _health(asked: Answer) -> Health:
    """Whose token it is, and which scopes it lacks: they stand in a header of each answer."""
    team, user = (payloads.text(asked.content, name) for name in ("team_id", "user_id"))
    given = asked.headers.get("x-oauth-scopes")
    missing = None if given is None else [each for each in SCOPES if each not in re.split(r"[,\s]+", given)]
    lack = stored(
        "The app lacks the permission %(missing)s: add it at Slack and install the app again.",
        missing=", ".join(missing or ()),
    )
    return Health(
        f"@{payloads.line(asked.content, 'user')}, {payloads.line(asked.content, 'team')}",
        [lack] if missing else [],
        address=f"{team}:{user}",
        validity=Validity(is_endless=True, missing_permissions=missing),
        is_by_hand=True,
    )


def _signing_secret(account: Account) -> str:
    secret = payloads.text(dict(account.credentials), "signing_secret").strip()
    if not secret:
        raise SignatureError("The channel has no signing secret: enter it in the channel.")
    return secret


def _signature(secret: str, at: str, body: bytes) -> str:
    signed = b":".join((b"v0", at.encode(), body))
    return f"v0={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


class Slack(Defaults):
    """An app in a workspace, one channel each."""

    name: ClassVar[str] = "slack"
    label: ClassVar[str] = "Slack"
    fields: ClassVar[Sequence[Field]] = (
        Field(
            "bot_token",
            "Bot token",
            "On the app's page at api.slack.com, under OAuth & Permissions; it begins with xoxb-.",
            secret=True,
        ),
        Field("signing_secret", "Signing secret", "There, under Basic Information.", secret=True),
    )
    text_limit: ClassVar[int] = 4000
    reconciles: ClassVar[bool] = True
    names_contacts: ClassVar[bool] = False

    def verify(self, request: Request, account: Account) -> None:
        """The time is signed too: an old request that somebody has caught counts for nothing."""
        secret, at = _signing_secret(account), request.headers.get(TIMESTAMP_HEADER, "")
        if not _SECONDS.fullmatch(at) or abs(time.time() - int(at)) > MAX_SKEW_SECONDS:
            raise SignatureError("The request is not of the last five minutes.")
        given = request.headers.get(SIGNATURE_HEADER, "").encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, _signature(secret, at, request.body).encode()):
            raise SignatureError("The signature is missing or wrong.")

    def parse(self, request: Request, account: Account) -> Sequence[Inbound]:
        return [_Webhook(request.body).read()]

    def acknowledge(self, request: Request, account: Account) -> Response:
        """With the challenge by which Slack asks whether an address that was pasted is the hub's."""
        content, _ = _content(request.body)
        is_question = payloads.text(content, "type") == "url_verification"
        return Response(200, payloads.line(content, "challenge")) if is_question else Response()

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
        """Without markup, for the text is nobody's mrkdwn. Slack's echo has no reference: it is known by its
        text."""
        plain = {"mrkdwn": "false", "unfurl_links": "false", "unfurl_media": "false"}
        message = {"channel": contact, "text": _escaped(text), **plain, **_buttons(choices)}
        sent = _call(account, "chat.postMessage", **message).content
        return _message_id(Sender(contact), payloads.text(sent, "ts")) or f"sent:{reference}"

    def split(self, text: str, choices: Sequence[str] = ()) -> Sequence[str]:
        return texts.split(text, self.text_limit, _size_on_the_way)

    def fetch_media(self, account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
        """Behind the token, which only Slack's own servers get."""
        is_slacks = any(is_at(media.reference, url) for url in (FILES_URL, api_url()))
        headers = {"authorization": f"Bearer {_token(account)}"} if is_slacks else {}
        file = Download("Slack", limit_bytes, api_url(), headers).fetch(media.reference)
        if is_slacks and file.media_type == "text/html":
            raise MediaRefused(
                "Slack shows a page to sign in in place of the file: add the scope files:read."
            )
        return file

    def look_up(self, account: Account, contact: str) -> Sender | None:
        chat = _call(account, "conversations.info", channel=contact).content
        person = _call(account, "users.info", user=payloads.text(chat, "channel", "user")).content
        name = payloads.line(person, "user", "real_name") or payloads.line(person, "user", "name")
        return Sender(contact, name) if name else None

    def identify(self, account: Account) -> Health:
        return replace(self.check(account, ""), problems=())

    def register(self, account: Account, webhook_url: str) -> Health:
        """An admin enters the address: Slack lets no app do that by its token."""
        return self.identify(account)

    def check(self, account: Account, webhook_url: str) -> Health:
        """Where Slack delivers to, its API does not tell."""
        return _health(_call(account, "auth.test"))

    def unregister(self, account: Account, webhook_url: str) -> None:
        raise SendRejected("Remove the app from the Slack workspace: no app can do that by its token.")

    def sample(self, account: Account, address: str, text: str) -> Sample:
        """In a conversation with a longer id than Slack's."""
        contact, team = f"D{secrets.token_hex(16).upper()}", address.partition(":")[0]
        now = time.time()
        event = {
            "type": "message",
            "channel": contact,
            "channel_type": "im",
            "user": f"U{contact[1:]}",
            "text": _escaped(text),
            "ts": f"{now:.6f}",
        }
        content = {"type": "event_callback", "team_id": team, "event_id": f"Ev{contact[1:]}", "event": event}
        body, at = json.dumps(content).encode(), str(int(now))
        signed = {SIGNATURE_HEADER: _signature(_signing_secret(account), at, body), TIMESTAMP_HEADER: at}
        headers = {"content-type": "application/json", **signed}
        return Sample(
            contact, Request("POST", f"/{self.name}/{account.channel_id}", headers=headers, body=body)
        )
