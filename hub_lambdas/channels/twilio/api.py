"""Twilio's REST API, and the credentials that it is called with."""

import base64
import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from hub_lambdas.channels.base import Account, CredentialRejected
from hub_lambdas.channels.client import CLIENT
from hub_lambdas.channels.twilio.errors import error_of

RETRIES = "#rc=5&rp=all"
"""Behind an address: five more attempts after any failure, within 15 s in all (Twilio's "connection
overrides"). By default it tries once more, and only where no connection came about. It does not send this
part, and does not sign it."""
_ACCOUNT_SID = re.compile(r"AC[0-9A-Za-z]{32}")
_SERVICE_SID = re.compile(r"MG[0-9A-Za-z]{32}")
_TOKEN = re.compile(r"[\x21-\x7e]+")


def credential(account: Account, name: str) -> str:
    found = account.credentials.get(name)
    return found.strip() if isinstance(found, str) else ""


def call(
    account: Account,
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    content: object = None,
) -> Any:
    """Call the REST API and return its JSON. Raises ChannelError."""
    answer = CLIENT.call("Twilio", method, url, form=form, content=content, headers=authorization(account))
    if not 200 <= answer.status < 300 or not isinstance(answer.content, dict):
        raise error_of(answer)
    return answer.content


def authorization(account: Account) -> Mapping[str, str]:
    sid, token = account_sid(account), credential(account, "auth_token")
    if not _TOKEN.fullmatch(token):
        raise CredentialRejected("No usable auth token is stored: copy it from the Twilio console.")
    return {"authorization": f"Basic {base64.b64encode(f'{sid}:{token}'.encode()).decode()}"}


def account_sid(account: Account) -> str:
    sid = credential(account, "account_sid")
    if not _ACCOUNT_SID.fullmatch(sid):
        raise CredentialRejected(
            "No usable account SID is stored: copy it from the Twilio console, it begins with AC."
        )
    return sid


def account_url(account: Account) -> str:
    return f"{settings.TWILIO_API_URL}/2010-04-01/Accounts/{account_sid(account)}"


def messaging_url() -> str:
    """Messaging services and WhatsApp senders are set up at a host of their own."""
    api_url: str = settings.TWILIO_API_URL
    return api_url.replace("//api.", "//messaging.", 1)


def is_service(sender: str) -> bool:
    return _SERVICE_SID.fullmatch(sender) is not None
