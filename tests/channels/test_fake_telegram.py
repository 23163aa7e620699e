"""The fake Bot API keeps those promises of the real one that the hub builds on; another client can use it."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import telegram

from tests.channels.conftest import CHAT, TOKEN
from tests.fakes import server
from tests.fakes.platform import Call
from tests.fakes.telegram import FakeTelegram

Answer = Callable[[dict[str, Any]], tuple[int, str]]


@contextmanager
def webhook(answer: Answer) -> Iterator[tuple[str, list[tuple[str | None, dict[str, Any]]]]]:
    """A webhook that answers as told; yields its address and what arrived, with the secret."""
    arrived: list[tuple[str | None, dict[str, Any]]] = []

    def respond(request: server.Request) -> server.Answer:
        answered = server.Answer(*answer(request.content))
        arrived.append((request.headers.get("x-telegram-bot-api-secret-token"), request.content))
        return answered

    with server.Served(respond) as served:
        yield f"{served.url}/hook", arrived


def register(platform: FakeTelegram, url: str) -> None:
    platform.lanes.drop(platform.bots[TOKEN].id)
    answer = platform.answer(Call("setWebhook", TOKEN, {"url": url, "secret_token": "s3"}))
    assert answer
    assert answer.status == 200


def test_another_client_can_talk_to_it(platform: FakeTelegram) -> None:
    async def talk() -> tuple[telegram.User, telegram.Message]:
        async with telegram.Bot(TOKEN, base_url=f"{platform.url}/bot") as bot:
            return await bot.get_me(), await bot.send_message(CHAT, "hello")

    user, message = asyncio.run(talk())
    assert user.username == "clinic_bot"
    assert (message.text, message.chat_id) == ("hello", CHAT)
    assert platform.sent[-1]["text"] == "hello"


def test_updates_are_signed_and_in_order_within_a_chat(platform: FakeTelegram) -> None:
    with webhook(lambda update: (200, "")) as (url, arrived):
        register(platform, url)
        for number in range(5):
            platform.write(TOKEN, 1, str(number))
        platform.wait_until_delivered()
    assert {secret for secret, _ in arrived} == {"s3"}
    assert [update["message"]["text"] for _, update in arrived] == ["0", "1", "2", "3", "4"]


def test_a_refused_update_comes_again_and_holds_back_its_chat_alone(platform: FakeTelegram) -> None:
    tries: list[str] = []
    other_arrived = threading.Event()

    def answer(update: dict[str, Any]) -> tuple[int, str]:
        text = update["message"]["text"]
        tries.append(text)
        if text == "other chat":
            other_arrived.set()
        return (200, "") if text != "first" or other_arrived.is_set() else (503, "")

    with webhook(answer) as (url, _):
        register(platform, url)
        platform.write(TOKEN, 1, "first")
        platform.write(TOKEN, 1, "second")
        platform.wait_until(lambda fake: any(each.status == 503 for each in fake.deliveries))
        platform.write(TOKEN, 2, "other chat")
        platform.wait_until_delivered()
    assert tries.count("first") >= 2
    assert tries.count("second") == 1
    assert tries.index("other chat") < tries.index("second")


def test_a_method_in_the_answer_is_carried_out(platform: FakeTelegram) -> None:
    """What the hub's empty acknowledgement avoids."""
    reply = json.dumps({"method": "sendMessage", "chat_id": CHAT, "text": "by accident"})
    with webhook(lambda update: (200, reply)) as (url, _):
        register(platform, url)
        platform.write(TOKEN, CHAT, "hi")
        platform.wait_until(lambda fake: bool(fake.sent))
    assert platform.calls[-1].method == ""
    assert platform.sent[-1]["text"] == "by accident"


def test_updates_nobody_asked_for_are_not_delivered(platform: FakeTelegram) -> None:
    """`message_reaction` is not among the default updates."""
    with webhook(lambda update: (200, "")) as (url, arrived):
        register(platform, url)
        platform.deliver(TOKEN, CHAT, {"message_reaction": {}})
        platform.write(TOKEN, CHAT, "hi")
        platform.wait_until_delivered()
    assert [update["message"]["text"] for _, update in arrived] == ["hi"]
