"""A customer's message on its whole way: platform, webhook, queues, functions, LLM, and back."""

import json
import time

import pytest

from tests.end_to_end.studio import FALLBACK, SECRET_HEADER, Studio, wait_for
from tests.fakes.telegram import FakeTelegram
from tests.running_stack import RunningStack

PRICE_QUESTION, PRICE = "How much is a single class?", "19 €"
START_QUESTION, START = "When does the beginners' course start?", "18:30"
PLACE_QUESTION, PLACE = "Where is the studio?", "7 Heron Road"
CHAT = 501
AFTER_A_CRASH_SECONDS = 60.0
"""An LLM request whose box died comes back when its visibility ends."""


def one(outcome: str, turns: int = 1) -> dict[str, int]:
    """A ledger of turns that all ended in `outcome`."""
    return {"turns": turns, "answered": 0, "handed_over": 0, "declined": 0, "duplicates": 0, outcome: turns}


def test_an_organization_is_loaded_from_its_file_and_its_bot_delivers_to_the_hub(
    studio: Studio, stack: RunningStack
) -> None:
    assert "created" in studio.imported
    assert studio.webhook["url"].startswith(f"{stack.webhook_url}/telegram/")
    assert studio.webhook["secret_token"]
    assert "message" in studio.webhook["allowed_updates"]


def test_a_message_is_answered_once_with_the_organizations_fact(studio: Studio) -> None:
    studio.write(CHAT, PRICE_QUESTION)

    replies = studio.wait_for_replies(CHAT, 1)

    ledger = studio.ledger()
    assert PRICE in replies[0]
    assert len(studio.replies(CHAT)) == 1
    assert (ledger["turns"], ledger["answered"], ledger["duplicates"]) == (1, 1, 0)
    hops = {name: each["p50"] for name, each in ledger["latency_ms"]["hops"].items()}
    assert {"store", "ask", "llm", "send"} <= hops.keys()
    assert None not in hops.values()
    assert all(milliseconds >= 0 for milliseconds in hops.values())
    assert sum(hops.values()) == pytest.approx(ledger["latency_ms"]["p50"], abs=len(hops))  # each is rounded


def test_an_update_that_is_delivered_twice_is_answered_once(studio: Studio) -> None:
    update = studio.write(CHAT, PRICE_QUESTION)
    studio.telegram.wait_until_delivered()
    assert studio.post(update) == 200
    studio.wait_for_replies(CHAT, 1)
    assert studio.post(update) == 200

    # A chat's messages are taken in their order: when this one is answered, those before it are done with.
    studio.write(CHAT, PLACE_QUESTION)
    replies = studio.wait_for_replies(CHAT, 2)

    assert PRICE in replies[0]
    assert PLACE in replies[1]
    assert studio.stored("Message", "text") == [PRICE_QUESTION, PLACE_QUESTION]
    assert studio.outcomes() == one("answered", turns=2)
    assert len(studio.replies(CHAT)) == 2


def test_what_the_hub_refuses_leaves_no_trace(studio: Studio) -> None:
    update = {"update_id": 1, "message": message(PRICE_QUESTION)}
    nobody = studio.webhook["url"].rpartition("/")[0] + "/00000000-0000-4000-8000-000000000000"

    assert studio.post(update, **{SECRET_HEADER: "wrong"}) == 401
    assert studio.post(update, **{SECRET_HEADER: ""}) == 401
    assert studio.post(b"no json", **{SECRET_HEADER: ""}) == 401
    assert studio.post(update, url=nobody) == 404
    assert studio.post(update, url=nobody.rpartition("/")[0] + "/no-channel") == 404
    assert studio.post({**update, "padding": "x" * 3_000_000}) == 413

    studio.write(CHAT, PLACE_QUESTION)
    assert PLACE in studio.wait_for_replies(CHAT, 1)[0]
    assert studio.stored("Message", "text") == [PLACE_QUESTION]
    assert studio.stored("PlatformEvent", "kind") == []
    assert studio.outcomes() == one("answered")


def test_a_photo_is_handed_over_and_the_contact_is_told(studio: Studio, telegram: FakeTelegram) -> None:
    photo = {"file_id": "a", "file_unique_id": "b", "width": 90, "height": 90}
    telegram.deliver(studio.token, CHAT, {"message": message(photo=[photo], caption=PRICE_QUESTION)})

    assert studio.wait_for_replies(CHAT, 1) == [FALLBACK]

    assert studio.outcomes() == one("handed_over")
    assert studio.replies(CHAT) == [FALLBACK]


def test_an_update_of_a_type_that_is_new_to_the_hub_is_stored_and_not_answered(studio: Studio) -> None:
    update = {"update_id": 900_000_001, "crystal_ball": {"chat": {"id": CHAT, "type": "private"}}}

    assert studio.post(update) == 200

    wait_for(lambda: studio.stored("PlatformEvent", "platform_id") or None)
    assert studio.stored("PlatformEvent", "platform_id") == ["update:900000001"]
    assert studio.stored("PlatformEvent", "kind") == ["crystal_ball"]
    assert [json.loads(payload) for payload in studio.stored("PlatformEvent", "payload")] == [update]
    assert studio.ledger()["turns"] == 0


def test_messages_in_a_burst_get_one_answer_together(studio: Studio) -> None:
    for text in ("Hello,", "how much is", "a single class?"):
        studio.write(CHAT, text)

    replies = studio.wait_for_replies(CHAT, 1)

    assert studio.outcomes() == one("answered")
    assert PRICE in replies[0]
    assert len(studio.replies(CHAT)) == 1


def test_two_contacts_get_their_own_answers(studio: Studio) -> None:
    studio.write(CHAT, PRICE_QUESTION)
    studio.write(CHAT + 1, START_QUESTION)

    assert PRICE in studio.wait_for_replies(CHAT, 1)[0]
    assert START in studio.wait_for_replies(CHAT + 1, 1)[0]
    assert studio.outcomes() == one("answered", turns=2)


def test_a_message_that_waits_when_the_llm_is_killed_is_answered_once(
    studio: Studio, stack: RunningStack
) -> None:
    llm = stack.process("llm_api")
    llm.suspend()  # so that the answer cannot be there before the kill
    studio.write(CHAT, PRICE_QUESTION)
    studio.telegram.wait_until(lambda _: is_typing(studio))
    llm.kill()

    replies = studio.wait_for_replies(CHAT, 1, AFTER_A_CRASH_SECONDS)

    assert PRICE in replies[0]
    assert studio.outcomes() == one("answered")
    assert len(studio.replies(CHAT)) == 1
    assert stack.process("llm_api").pid != llm.pid
    wait_for(lambda: "llm died (signal 9), restarted" in stack.output or None)


def message(text: str = "", **content: object) -> dict[str, object]:
    """A message of the contact of CHAT as Telegram describes it."""
    person = {"id": CHAT, "is_bot": False, "first_name": "Ada"}
    chat = {"id": CHAT, "type": "private", "first_name": "Ada"}
    written = {"text": text} if text else {}
    return {"message_id": 7, "from": person, "chat": chat, "date": int(time.time()), **written, **content}


def is_typing(studio: Studio) -> bool:
    """Whether the contact is shown that an answer is being made: the LLM has been asked."""
    calls = studio.telegram.calls
    return any(call.token == studio.token and call.operation == "sendChatAction" for call in calls)
