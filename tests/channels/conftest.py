"""A connected Telegram bot whose platform is the fake."""

import uuid
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from hub_lambdas.channels.base import Account
from tests.fakes.telegram import FakeTelegram

TOKEN = "4242:TEST-token-that-nobody-may-see"
SECRET = "webhook-secret"
CHAT = 7527593


@pytest.fixture
def platform(settings: Settings) -> Iterator[FakeTelegram]:
    """The fake Bot API, where `CHAT` has written to the bot before."""
    with FakeTelegram() as fake:
        settings.TELEGRAM_API_URL = fake.url
        fake.add_bot(TOKEN, "clinic_bot")
        fake.write(TOKEN, CHAT, "/start")
        yield fake


@pytest.fixture
def bot() -> Account:
    return Account(uuid.UUID(int=1), {"bot_token": TOKEN, "webhook_secret": SECRET})
