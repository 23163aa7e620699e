"""The message that nobody wrote: each kind's own `verify` and `parse` take it for its platform's."""

import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import Account, ChannelError, InboundMessage, SignatureError

TEXT = "How much is a whitening? 😀"
CHANNEL = uuid.UUID(int=1)
ADDRESSES = {"whatsapp": "112233", "messenger": "100000000000001", "instagram": "17841400000000000"}
TOKEN = {"access_token": "EAAB"}
NUMBER = {**TOKEN, "phone_number_id": "112233", "waba_id": "5467"}
SENDER = {"account_sid": "AC" + "0" * 32, "auth_token": "secret", "sender": "+14155550100"}
OWN_APP = {"app_secret": "own-secret"}
ACCOUNTS: list[tuple[str, dict[str, Any]]] = [
    ("telegram", {"bot_token": "1:a", "webhook_secret": "s1"}),
    ("whatsapp", NUMBER),
    ("whatsapp", {**NUMBER, **OWN_APP}),
    ("messenger", TOKEN),
    ("messenger", {**TOKEN, **OWN_APP}),
    ("instagram", TOKEN),
    ("instagram", {**TOKEN, **OWN_APP}),
    ("slack", {"bot_token": "xoxb-1", "signing_secret": "s1"}),
    ("twilio", SENDER),
    ("twilio", {**SENDER, "sender": "whatsapp:+14155550100"}),
    ("webchat", {}),
]


@pytest.fixture(autouse=True)
def hub(settings: Settings) -> None:
    settings.META_APP_SECRET, settings.META_INSTAGRAM_SECRET = "app-secret", "instagram-secret"
    settings.WEBHOOK_URL = "https://hub.example/prod"


@pytest.mark.parametrize(("name", "credentials"), ACCOUNTS)
def test_it_is_taken_for_a_message_of_the_platforms(name: str, credentials: dict[str, Any]) -> None:
    kind, account = KINDS[name], Account(CHANNEL, credentials)
    address = ADDRESSES.get(name, "")

    sample = kind.sample(account, address, TEXT)

    kind.verify(sample.request, account)
    (message,) = kind.parse(sample.request, account)
    assert isinstance(message, InboundMessage)
    assert (message.kind, message.text, message.address) == ("text", TEXT, address)
    assert message.sender.platform_id == sample.contact
    assert (sample.request.method, sample.request.path) == ("POST", f"/{name}/{CHANNEL}")
    assert kind.sample(account, address, TEXT).contact != sample.contact


@pytest.mark.parametrize(("name", "credentials"), [each for each in ACCOUNTS if each[0] != "webchat"])
def test_who_does_not_know_the_secret_cannot_make_one(name: str, credentials: dict[str, Any]) -> None:
    request = KINDS[name].sample(Account(CHANNEL, credentials), ADDRESSES.get(name, ""), TEXT).request
    secrets = ("webhook_secret", "auth_token", "app_secret", "signing_secret")
    others = dict.fromkeys(secrets, "another")
    with pytest.raises(SignatureError):
        KINDS[name].verify(request, Account(CHANNEL, {**credentials, **others}))


@pytest.mark.parametrize("name", ["whatsapp", "messenger", "instagram"])
def test_nothing_is_made_without_a_secret(name: str, settings: Settings) -> None:
    settings.META_APP_SECRET = settings.META_INSTAGRAM_SECRET = ""
    with pytest.raises(ChannelError, match="There is no app secret"):
        KINDS[name].sample(Account(CHANNEL, NUMBER), ADDRESSES[name], TEXT)


def test_twilios_own_validator_takes_it() -> None:
    request = KINDS["twilio"].sample(Account(CHANNEL, SENDER), "", TEXT).request
    form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    url = f"https://hub.example/prod{request.path}"
    signature = request.headers["x-twilio-signature"]
    assert RequestValidator("secret").validate(url, form, signature)
    changed = replace(request, body=request.body + b"&x=1")
    with pytest.raises(SignatureError):
        KINDS["twilio"].verify(changed, Account(CHANNEL, SENDER))
