import json

import pytest

from llm_api.contract import Cancellation, LlmReply, LlmRequest, MalformedRequestError, parse_request

VALID = {"id": "r1", "organization": "smile", "messages": [{"role": "user", "content": "hi"}]}


def test_a_request_is_read_with_its_defaults() -> None:
    request = parse_request(json.dumps(VALID))
    assert isinstance(request, LlmRequest)
    assert (request.max_tokens, request.temperature) == (None, 0.0)
    assert request.chat().messages[0].content == "hi"


def test_the_engine_is_told_whose_request_it_is_and_how_it_presses() -> None:
    request = parse_request(json.dumps(VALID | {"priority": "test", "answer_by": 12.5}))
    assert isinstance(request, LlmRequest)
    chat = request.chat()
    assert (chat.group, chat.priority, chat.answer_by) == ("smile", "test", 12.5)


def test_a_cancellation_is_read() -> None:
    parsed = parse_request(json.dumps({"cancel": "r1", "organization": "smile"}))
    assert isinstance(parsed, Cancellation)
    assert (parsed.id, parsed.organization) == ("r1", "smile")


@pytest.mark.parametrize("change", [{"cancel": ""}, {"cancel": 7}, {"organization": None}])
def test_a_cancellation_of_nothing_is_malformed(change: dict[str, object]) -> None:
    with pytest.raises(MalformedRequestError):
        parse_request(json.dumps({"cancel": "r1", "organization": "smile"} | change))


def test_odd_text_is_cleaned_and_not_refused() -> None:
    body = json.dumps(VALID | {"messages": [{"role": "user", "content": "a\0b\ud800 مرحبا 🦷 {{ x }}"}]})
    request = parse_request(body)
    assert isinstance(request, LlmRequest)
    assert request.messages[0].content == "ab\ufffd مرحبا 🦷 {{ x }}"


@pytest.mark.parametrize(
    "body",
    ["", "no json", "[1]", "null", '"text"', "[" * 100_000, json.dumps({**VALID, "id": None}),
     json.dumps({"id": "r1"}), json.dumps({**VALID, "id": ""}), json.dumps({**VALID, "id": 5})],
)  # fmt: skip
def test_without_an_addressee_it_is_malformed(body: str) -> None:
    with pytest.raises(MalformedRequestError):
        parse_request(body)


@pytest.mark.parametrize(
    "change",
    [{"messages": []}, {"messages": [{"role": "tool", "content": "SECRET"}]}, {"messages": "SECRET"},
     {"max_tokens": 0}, {"temperature": 9}, {"messages": [{"role": "user", "content": {"SECRET": 1}}]}],
)  # fmt: skip
def test_an_invalid_request_has_an_addressee_and_an_error_without_its_text(change: dict[str, object]) -> None:
    parsed = parse_request(json.dumps(VALID | change))
    assert isinstance(parsed, tuple)
    addressee, error = parsed
    assert (addressee.id, error.code) == ("r1", "invalid_request")
    assert "SECRET" not in error.message


def test_a_reply_has_the_fields_of_the_contract_and_is_ascii() -> None:
    reply = LlmReply(
        id="r1", status="completed", text="🦷", finish_reason="stop", model="m", prompt_tokens=1,
        completion_tokens=2, received_at=1.5, started_at=2.5, finished_at=3.5,
    )  # fmt: skip
    body = reply.to_json()
    assert body.isascii()
    assert json.loads(body) == {
        "id": "r1", "status": "completed", "text": "🦷", "finish_reason": "stop", "model": "m",
        "prompt_tokens": 1, "completion_tokens": 2, "dropped_messages": 0, "context_tokens": None,
        "received_at": 1.5, "started_at": 2.5,
        "finished_at": 3.5, "error": None,
    }  # fmt: skip
