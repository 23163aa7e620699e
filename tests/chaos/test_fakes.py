"""The fakes of a run keep to what it counts on."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from tests.chaos import codes
from tests.chaos.platforms import describe
from tests.fakes.llm import GARBAGE, Failure, FakeLlm
from tests.fakes.meta import signature
from tests.fakes.platform import Call, Delivery, Fault, Habits
from tests.fakes.server import Answer, Served
from tests.fakes.telegram import FakeTelegram
from tests.fakes.whatsapp import FakeWhatsApp

TOKEN, CHAT = "4242:a-token", 7


@pytest.fixture
def llm() -> Iterator[FakeLlm]:
    with FakeLlm(codes.answer, slots=1) as fake:
        yield fake


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram() as fake:
        fake.add_bot(TOKEN)
        fake.write(TOKEN, CHAT, "hello")
        yield fake


def ask(llm: FakeLlm, question: str = "Is it ready?", *, stream: bool = False) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": question}], "stream": stream}
    return httpx.post(f"{llm.url}/chat/completions", json=body, timeout=10, trust_env=False)


def text_of(response: httpx.Response) -> str:
    return str(response.json()["choices"][0]["message"]["content"])


def call(telegram: FakeTelegram, method: str, **parameters: Any) -> tuple[int, Any]:
    answer = telegram.answer(Call(method, TOKEN, parameters)) or Answer(0, "null")
    return answer.status, answer.json()


# --- the LLM ------------------------------------------------------------------------------------------------


def test_the_same_question_has_the_same_answer(llm: FakeLlm) -> None:
    code = codes.code(0, 1)

    assert text_of(ask(llm, f"Is {code} ready?")) == codes.fact(code)
    assert json.dumps(codes.fact(code)) in ask(llm, f"Is {code} ready?", stream=True).text
    assert (llm.asked, llm.answered) == (2, 2)


def test_it_fails_once_for_each_time_it_is_told_to(llm: FakeLlm) -> None:
    for failure in (Failure.NOTHING, Failure.GARBAGE, Failure.ERROR):
        llm.fail_next(failure)

    assert text_of(ask(llm)) == ""
    assert text_of(ask(llm)) == GARBAGE
    assert ask(llm).status_code == 500
    assert text_of(ask(llm)) == codes.answer("")
    assert set(llm.failed.values()) == {1}


def test_it_breaks_off_in_the_middle(llm: FakeLlm) -> None:
    llm.fail_next(Failure.BROKEN_OFF)

    assert "[DONE]" not in ask(llm, stream=True).text


def test_it_works_on_as_many_as_it_has_slots_and_a_client_that_goes_frees_its_own(llm: FakeLlm) -> None:
    llm.service_seconds = 600
    port = int(llm.url.rsplit(":", 1)[1].partition("/")[0])
    waiting = HTTPConnection("127.0.0.1", port)
    waiting.request("POST", "/v1/chat/completions", json.dumps({"messages": [{"content": "?"}]}))
    while llm.asked < 1:
        threading.Event().wait(0.01)
    llm.service_seconds = 0
    found: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: found.append(ask(llm)))
    thread.start()
    thread.join(0.2)
    assert not found

    waiting.close()
    thread.join(10)

    assert found[0].status_code == 200
    assert llm.hung_up == 1


# --- the platform -------------------------------------------------------------------------------------------


def test_who_has_blocked_the_bot_gets_nothing(telegram: FakeTelegram) -> None:
    telegram.block(CHAT)

    status, content = call(telegram, "sendMessage", chat_id=CHAT, text="hi")

    assert status == 403
    assert content["description"] == "Forbidden: bot was blocked by the user"
    assert telegram.sent == []


def test_a_renewed_token_takes_the_place_of_the_old_one(telegram: FakeTelegram) -> None:
    call(telegram, "setWebhook", url="http://127.0.0.1:9/hook")

    renewed = telegram.renew_token(TOKEN)["bot_token"]

    assert call(telegram, "getMe")[0] == 401
    answer = telegram.answer(Call("getWebhookInfo", renewed, {}))
    assert answer
    assert answer.json()["result"]["url"] == "http://127.0.0.1:9/hook"


def test_a_message_that_is_taken_in_silence_is_there_when_the_fault_is_seen(telegram: FakeTelegram) -> None:
    silence = Fault(silence_seconds=0.01, after=True)
    telegram.fail_next("sendMessage", silence)

    assert telegram.answer(Call("sendMessage", TOKEN, {"chat_id": CHAT, "text": "hi"})) is None

    assert [each["text"] for each in telegram.sent] == ["hi"]
    assert [(hit.fault, hit.call.operation) for hit in telegram.hits] == [(silence, "sendMessage")]


def test_an_old_update_comes_once_more_and_as_it_was(telegram: FakeTelegram) -> None:
    update = telegram.deliver(TOKEN, CHAT + 1, telegram.compose(CHAT + 1, "again"))
    id_ = telegram.ids_of(update)[0]

    def posts(fake: FakeTelegram) -> list[Delivery]:
        return [each for each in fake.deliveries if id_ in each.items]

    with Served(lambda request: Answer(200)) as hub:
        call(telegram, "setWebhook", url=f"{hub.url}/hook")
        telegram.wait_until_delivered()

        telegram.redeliver(id_)

        telegram.wait_until(lambda fake: len(posts(fake)) == 2)

    first, second = posts(telegram)
    assert first.content == second.content == update
    assert first.body == second.body


def test_a_webhook_of_whatsapps_holds_what_happens_within_a_moment_and_comes_again() -> None:
    habits = Habits(gather_seconds=0.1, repeats=lambda: [0.0])
    with Served(lambda request: Answer(200)) as hub, FakeWhatsApp(habits=habits) as whatsapp:
        whatsapp.connect_hub(hub.url)
        for name in ("Clinic", "Studio"):
            account = whatsapp.open_account("whatsapp", name)
            whatsapp.subscriptions[account.credentials["waba_id"], whatsapp.hub_app.id] = ""
            whatsapp.write(account.address, "4915112345678", "hello")
        whatsapp.wait_until(lambda fake: len(fake.deliveries) == 2)

    first, second = whatsapp.deliveries
    assert first.body == second.body
    assert first.headers["X-Hub-Signature-256"] == signature(first.body, whatsapp.hub_app.secret)
    assert list(first.items) == [line["id"] for line in whatsapp.written]
    assert len(first.content["entry"]) == 2


def test_whatsapp_reports_what_it_took_and_did_not_deliver() -> None:
    with Served(lambda request: Answer(200)) as hub, FakeWhatsApp() as whatsapp:
        whatsapp.connect_hub(hub.url)
        account = whatsapp.open_account("whatsapp", "Clinic")
        whatsapp.subscriptions[account.credentials["waba_id"], whatsapp.hub_app.id] = ""
        whatsapp.write(account.address, "49151", "hello")
        whatsapp.lose_next(lambda text: text == "answer")
        for text in ("line", "answer"):
            content = {"messaging_product": "whatsapp", "to": "49151", "type": "text", "text": {"body": text}}
            call_ = Call("messages", account.credentials["access_token"], content, account.address)
            assert (whatsapp.answer(call_) or Answer(0)).status == 200
        whatsapp.wait_until(lambda fake: len(fake.deliveries) == 4)

    line, answer = (sent["id"] for sent in whatsapp.sent)
    assert whatsapp.lost == [answer]
    posted = {id_ for delivery in whatsapp.deliveries for id_ in delivery.items}
    written = whatsapp.written[0]["id"]
    assert posted == {written, f"{line}:sent", f"{line}:delivered", f"{answer}:failed"}


def test_a_report_may_be_there_before_the_call_has_returned() -> None:
    habits = Habits(lag=lambda: 5.0)
    with Served(lambda request: Answer(200)) as hub, FakeWhatsApp(habits=habits) as whatsapp:
        whatsapp.connect_hub(hub.url)
        account = whatsapp.open_account("whatsapp", "Clinic")
        whatsapp.subscriptions[account.credentials["waba_id"], whatsapp.hub_app.id] = ""
        whatsapp.write(account.address, "49151", "hello")
        text = {"messaging_product": "whatsapp", "to": "49151", "type": "text", "text": {"body": "hi"}}
        token, number = account.credentials["access_token"], account.address
        send = partial(whatsapp.answer, Call("messages", token, text, number))
        threading.Thread(target=send, daemon=True).start()
        whatsapp.wait_until(lambda fake: len(fake.deliveries) == 3)
        found = describe(whatsapp, [("49151", whatsapp.written[0]["id"])])

    assert found["  before the send call had returned"] == 1
