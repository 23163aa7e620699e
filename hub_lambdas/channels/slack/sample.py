"""A webhook of Slack that nobody sent, for the hub's test message."""

import json
import secrets
import time

from hub_lambdas.channels.base import Account, Sample
from hub_lambdas.channels.slack import signing
from hub_lambdas.channels.slack.sending import escaped
from hub_lambdas.http import Request


def sample(path: str, account: Account, team: str, text: str) -> Sample:
    """In a conversation with a longer id than Slack's."""
    contact = f"D{secrets.token_hex(16).upper()}"
    now = time.time()
    event = {
        "type": "message",
        "channel": contact,
        "channel_type": "im",
        "user": f"U{contact[1:]}",
        "text": escaped(text),
        "ts": f"{now:.6f}",
    }
    content = {"type": "event_callback", "team_id": team, "event_id": f"Ev{contact[1:]}", "event": event}
    body, at = json.dumps(content).encode(), str(int(now))
    headers = {"content-type": "application/json", **signing.signed(account, at, body)}
    return Sample(contact, Request("POST", path, headers=headers, body=body))
