"""A webhook of Twilio that nobody sent, for the hub's test message."""

import secrets
from urllib.parse import urlencode

from hub_lambdas.channels.base import Account, Sample
from hub_lambdas.channels.twilio import signing
from hub_lambdas.channels.twilio.api import account_sid, credential
from hub_lambdas.channels.twilio.form import CONTENT_TYPE, printable
from hub_lambdas.http import Request


def sample(path: str, account: Account, text: str) -> Sample:
    """By a number that cannot be: no country has the code 999."""
    sender, number = credential(account, "sender"), f"+999{secrets.randbelow(10**11):011d}"
    contact = f"whatsapp:{number}" if sender.startswith("whatsapp:") else number
    form = {
        **dict.fromkeys(("MessageSid", "SmsSid", "SmsMessageSid"), f"SM{secrets.token_hex(16)}"),
        "AccountSid": account_sid(account),
        "From": contact,
        "To": sender,
        "Body": printable(text),
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsStatus": "received",
        "ApiVersion": "2010-04-01",
    }
    body, headers = urlencode(form).encode(), {"content-type": CONTENT_TYPE}
    unsigned = Request("POST", path, headers=headers, body=body)
    return Sample(contact, signing.signed(unsigned, credential(account, "auth_token")))
