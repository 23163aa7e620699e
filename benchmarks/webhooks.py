"""Webhooks as API Gateway hands them to the function, each of another message."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hub_lambdas.runtime  # noqa: F401 - starts Django before any model is imported
from console.channels.models import Channel
from console.organizations.models import Organization
from hub_lambdas.accounts import account
from hub_lambdas.channels import KINDS, meta
from hub_lambdas.http import Request
from tests.channels.gateways import GATEWAYS

Event = dict[str, Any]
Make = Callable[[], Event]
BATCH = 10
"""Entries of a webhook of the hub's own app."""
TEXT = "How much is a whitening?"
SIGNED_WITH = "only-for-benchmarks"
CREDENTIALS = {
    **dict.fromkeys(("app_secret", "webhook_secret", "signing_secret", "auth_token"), SIGNED_WITH),
    **dict.fromkeys(("phone_number_id", "waba_id"), "1"),
    "account_sid": f"AC{'0' * 32}",
    "sender": "+18005550100",
}
"""What any kind signs with, or reads of its account."""
_number = itertools.count(1)


def single(kind: str) -> Make:
    """Webhooks with one message each, to the address of a channel with credentials of its own."""
    organization = Organization.objects.create(slug=f"one-{kind}", name=kind)
    fields = {"name": kind, "address": "1", "credentials": CREDENTIALS}
    connected = account(Channel.objects.create(organization=organization, kind=kind, **fields))
    return lambda: _event(KINDS[kind].sample(connected, "1", TEXT).request)


def batched(kind: str) -> Make:
    """Webhooks of the hub's own app at Meta, which has the secret SIGNED_WITH: a message each for channels of
    BATCH organizations."""
    addresses = [f"{1000 + number}" for number in range(BATCH)]
    for address in addresses:
        organization = Organization.objects.create(slug=f"{kind}-{address}", name=kind)
        Channel.objects.create(organization=organization, kind=kind, name=kind, address=address)
    object_, make = META[kind]

    def webhook() -> Event:
        body = {"object": object_, "entry": [make(address) for address in addresses]}
        return _event(meta.signed(f"/{kind}", body, [SIGNED_WITH]))

    return webhook


def _event(request: Request) -> Event:
    """Each from elsewhere: a web chat takes so many new contacts of one address only."""
    return GATEWAYS["HTTP API"](replace(request, source_ip=f"2001:db8:0:{next(_number):x}::1"), True)


def _whatsapp_entry(address: str) -> dict[str, Any]:
    message = {"from": "49170", "id": f"wamid.{next(_number)}", "type": "text", "text": {"body": TEXT}}
    value = {"metadata": {"phone_number_id": address}, "messages": [{**message, "timestamp": "1764000000"}]}
    return {"id": "1", "changes": [{"field": "messages", "value": value}]}


def _messaging_entry(address: str) -> dict[str, Any]:
    message = {"mid": f"m_{next(_number)}", "text": TEXT}
    item = {"sender": {"id": "7"}, "recipient": {"id": address}, "timestamp": 1764000000000}
    return {"id": address, "time": 1764000000000, "messaging": [{**item, "message": message}]}


META: dict[str, tuple[str, Callable[[str], dict[str, Any]]]] = {
    "whatsapp": ("whatsapp_business_account", _whatsapp_entry),
    "messenger": ("page", _messaging_entry),
    "instagram": ("instagram", _messaging_entry),
}
"""How each names what it posts, and an entry of it for an account."""
