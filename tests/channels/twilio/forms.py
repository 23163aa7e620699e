"""The forms that Twilio posts, and signed requests of them."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hypothesis import strategies as st

from hub_lambdas.channels.base import Account
from hub_lambdas.channels.twilio import Twilio
from hub_lambdas.http import Request
from tests.fakes.twilio import signature

FOLDER = Path(__file__).parent.parent.parent / "payloads" / "twilio"
PAYLOADS = sorted(path.name for path in FOLDER.glob("*.json"))
KIND = Twilio()
TOKEN = "12345"
ACCOUNT = Account(uuid.UUID(int=1), {"account_sid": f"AC{'0' * 32}", "auth_token": TOKEN, "sender": "+1800"})
PATH = f"/twilio/{ACCOUNT.channel_id}"
FORM = "application/x-www-form-urlencoded"
SID = "SM8c4d7beaf75ce73ce83ecaf57942bfe3"
SENT_SID = "SM22222222222222222222222222222222"
_NAMES = st.text(st.characters(codec="utf-8"), max_size=12)
FORMS = st.dictionaries(_NAMES, st.text(st.characters(codec="utf-8"), max_size=40), max_size=8)


def payload(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return content


def post(form: Mapping[str, str] | bytes, query: str = "", **headers: str) -> Request:
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    parts = dict(parse_qsl(query, keep_blank_values=True))
    return Request("POST", PATH, parts, {"content-type": FORM, **headers}, body, raw_query=query)


def read(form: Mapping[str, str] | bytes, query: str = "") -> Any:
    (inbound,) = KIND.parse(post(form, query), ACCOUNT)
    return inbound


def message(**fields: str) -> dict[str, str]:
    sent = {
        "MessageSid": SID,
        "SmsStatus": "received",
        "From": "+14158675309",
        "To": "+1800",
        "NumMedia": "0",
    }
    return {**sent, "Body": "", **fields}


def status(state: str, **fields: str) -> dict[str, str]:
    return {
        "MessageSid": SENT_SID,
        "MessageStatus": state,
        "SmsStatus": state,
        "To": "+14158675309",
        **fields,
    }


def address(path_and_query: str = PATH) -> str:
    return f"https://hub.example{path_and_query}"


def signed(form: Mapping[str, str] | bytes, query: str = "", *, url: str = "", token: str = TOKEN) -> Request:
    request = post(form, query)
    pairs = parse_qsl(request.body.decode(), keep_blank_values=True)
    made = signature(token, url or address(f"{PATH}?{query}" if query else PATH), pairs)
    return replace(request, headers={**request.headers, "x-twilio-signature": made})
