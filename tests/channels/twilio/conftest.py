"""A connected number whose platform is the fake."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from hub_lambdas.channels.base import Account
from hub_lambdas.channels.twilio import Twilio
from tests.fakes.twilio import ACCOUNT_SID, AUTH_TOKEN, NUMBER, FakeTwilio

KIND = Twilio()
CONTACT = "+14158675309"
CHANNEL = uuid.UUID(int=1)


@pytest.fixture(autouse=True)
def _public_address(settings: Settings) -> None:
    settings.WEBHOOK_URL = "https://hub.example"


@pytest.fixture
def platform(settings: Settings) -> Iterator[FakeTwilio]:
    with FakeTwilio() as fake:
        settings.TWILIO_API_URL = fake.url
        yield fake


def account(**credentials: Any) -> Account:
    stored = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN, "sender": NUMBER}
    return Account(CHANNEL, {**stored, **credentials})


def send(text: str = "hello", contact: str = CONTACT, reference: str = "77", **credentials: Any) -> str:
    return KIND.send(account(**credentials), contact, text, reference)
