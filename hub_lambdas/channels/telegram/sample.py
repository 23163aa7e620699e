"""An update of Telegram that nobody sent, for the hub's test message."""

import json
import secrets
import time

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import SAMPLE_NAME, Account, Sample
from hub_lambdas.channels.telegram.signing import SIGNATURE_HEADER
from hub_lambdas.http import Request


def sample(path: str, account: Account, text: str) -> Sample:
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
    return Sample(str(chat_id), Request("POST", path, headers=headers, body=body))
