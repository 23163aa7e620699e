"""The stand-in for API Gateway: the event a function gets, and what the caller gets back."""

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.gateway import MAX_BODY_BYTES, Gateway
from infra.local.triggers import load_functions

FORM = "application/x-www-form-urlencoded"
Reply = tuple[int, list[tuple[str, str]], bytes]


class Caller:
    """Sends requests through a gateway whose function answers what it is told, and keeps the last event."""

    def __init__(self) -> None:
        self.event: dict[str, Any] = {}
        self.answer: Callable[[], Any] = lambda: {"statusCode": 204}
        self.gateway = Gateway(load_functions()["webhook"], self._handle)

    def _handle(self, event: dict[str, Any], context: Any) -> Any:
        assert context.function_name == "channels-hub-webhook"
        self.event = event
        return self.answer()

    def send(self, body: bytes = b"", content_type: str = "", **environ: Any) -> Reply:
        request: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/telegram/1",
            "QUERY_STRING": "",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "203.0.113.7",
            "HTTP_HOST": "hub.example",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        if content_type:
            request["CONTENT_TYPE"] = content_type
        seen: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
            seen.extend([int(status.split()[0]), headers])

        content = b"".join(self.gateway(request | environ, start_response))
        return seen[0], seen[1], content


@pytest.fixture
def caller() -> Caller:
    return Caller()


def test_a_json_body_is_text(caller: Caller) -> None:
    caller.send('{"text": "مرحبا"}'.encode(), "application/json; charset=utf-8")

    assert caller.event["body"] == '{"text": "مرحبا"}'
    assert caller.event["isBase64Encoded"] is False


def test_a_form_is_base64(caller: Caller) -> None:
    caller.send(b"From=%2B15550100&Body=hi", FORM)

    assert base64.b64decode(caller.event["body"]) == b"From=%2B15550100&Body=hi"
    assert caller.event["isBase64Encoded"] is True


@pytest.mark.parametrize("content_type", ["image/png", "", "application/json"])
def test_bytes_that_are_no_text_are_base64(caller: Caller, content_type: str) -> None:
    caller.send(b"\x89PNG\xff\x00", content_type)

    assert base64.b64decode(caller.event["body"]) == b"\x89PNG\xff\x00"
    assert caller.event["isBase64Encoded"] is True


def test_no_body_is_no_key(caller: Caller) -> None:
    caller.send(REQUEST_METHOD="GET")

    assert "body" not in caller.event
    assert caller.event["isBase64Encoded"] is False


def test_the_event_tells_who_asked_for_what(caller: Caller) -> None:
    caller.send(
        PATH_INFO="/webchat/Zürich".encode().decode("latin-1"),
        QUERY_STRING="a=1&a=2&empty=&b=x%20y",
        HTTP_X_HUB_SIGNATURE_256="sha256=00",
        HTTP_USER_AGENT="probe/1",
        HTTP_COOKIE="one=1; two=2",
    )

    event = caller.event
    assert event["version"] == "2.0"
    assert event["rawPath"] == "/webchat/Zürich"
    assert event["rawQueryString"] == "a=1&a=2&empty=&b=x%20y"
    assert event["queryStringParameters"] == {"a": "1,2", "empty": "", "b": "x y"}
    assert event["headers"]["x-hub-signature-256"] == "sha256=00"
    assert "cookie" not in event["headers"]
    assert event["cookies"] == ["one=1", "two=2"]
    http = event["requestContext"]["http"]
    assert (http["method"], http["path"], http["sourceIp"]) == ("POST", "/webchat/Zürich", "203.0.113.7")
    assert http["userAgent"] == "probe/1"
    assert json.loads(json.dumps(event)) == event


def test_an_answer_becomes_the_response(caller: Caller) -> None:
    caller.answer = lambda: {
        "statusCode": 202,
        "headers": {"Content-Type": "text/html; charset=utf-8", "X-Count": 3, "Content-Length": "999"},
        "cookies": ["one=1; HttpOnly", "two=2"],
        "body": "é",
    }

    status, headers, content = caller.send()

    assert (status, content) == (202, "é".encode())
    assert ("Content-Length", "2") in headers
    assert ("Content-Length", "999") not in headers
    assert ("X-Count", "3") in headers
    assert [value for name, value in headers if name == "Set-Cookie"] == ["one=1; HttpOnly", "two=2"]


def test_a_base64_answer_is_decoded(caller: Caller) -> None:
    caller.answer = lambda: {"statusCode": 200, "body": "iVBORw==", "isBase64Encoded": True}

    assert caller.send()[2] == b"\x89PNG"


def test_an_answer_without_a_status_is_the_body(caller: Caller) -> None:
    caller.answer = lambda: {"fine": True}

    status, headers, content = caller.send()

    assert (status, content) == (200, b'{"fine": true}')
    assert ("Content-Type", "application/json") in headers


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "many"},
        {"statusCode": 200, "body": {"no": "text"}},
        {"statusCode": 200, "headers": "x"},
        object(),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_500(caller: Caller, answer: Any) -> None:
    caller.answer = lambda: answer

    status, _, content = caller.send()

    assert (status, json.loads(content)) == (500, {"message": "Internal Server Error"})


def test_an_exception_is_a_500_that_tells_nothing(caller: Caller) -> None:
    def fail() -> Any:
        raise RuntimeError("the password is hunter2")

    caller.answer = fail

    status, _, content = caller.send()

    assert (status, json.loads(content)) == (500, {"message": "Internal Server Error"})


@pytest.mark.parametrize("is_declared", [True, False])
def test_a_body_over_the_limit_never_reaches_the_function(caller: Caller, is_declared: bool) -> None:
    body = b"x" * (MAX_BODY_BYTES + 1)
    environ = {} if is_declared else {"CONTENT_LENGTH": ""}

    status, _, content = caller.send(body, "application/json", **environ)

    assert (status, json.loads(content)) == (413, {"message": "Request Entity Too Large"})
    assert caller.event == {}


def test_a_body_at_the_limit_does(caller: Caller) -> None:
    assert caller.send(b"x" * MAX_BODY_BYTES, "text/plain")[0] == 204
