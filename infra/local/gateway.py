"""The webhook function behind a stand-in for an API Gateway HTTP API: a WSGI application, served by gunicorn.

Event and answer: "AWS Lambda proxy integrations for HTTP APIs", payload format version 2.0 (API Gateway
guide). As there, `rawPath` is decoded, the values of a header that came more than once are joined with
commas, and cookies have a list of their own.
"""

import base64
import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import uuid4

from infra.local.environment import load_environment
from infra.local.events import Event
from infra.local.invocation import context_of, counted
from infra.local.logs import start_logging
from infra.local.triggers import ACCOUNT_ID, Function, Handler, load_functions

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

MAX_BODY_BYTES = 10 * 1024 * 1024  # "Quotas for HTTP APIs"
STAGE = "webhook"

log = logging.getLogger("gateway")


class Gateway:
    """Turns each request into an event for one function, and its answer into the response."""

    def __init__(self, function: Function, handler: Handler) -> None:
        self.function = function
        self.handler = handler

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body = _read_body(environ)
        if body is None:
            status, headers, content = _message(413, "Request Entity Too Large")
        else:
            status, headers, content = self._answer(http_event(environ, body))
        headers.append(("Content-Length", str(len(content))))
        start_response(f"{status} {_phrase(status)}", headers)
        return [content]

    def _answer(self, event: Event) -> "Response":
        context = context_of(self.function)
        try:
            with counted(context):
                return http_response(self.handler(event, context))
        except Exception:
            log.exception("%s: invocation failed", self.function.stage)
            return _message(500, "Internal Server Error")


Response = tuple[int, list[tuple[str, str]], bytes]


def http_event(environ: "WSGIEnvironment", body: bytes) -> Event:
    """The event of a request, in payload format 2.0."""
    headers = _headers(environ)
    cookies = [cookie for cookie in (part.strip() for part in headers.pop("cookie", "").split(";")) if cookie]
    query = environ.get("QUERY_STRING", "")
    path = environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace") or "/"
    now = time.time()
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": "local",
            "domainName": headers.get("host", ""),
            "domainPrefix": "local",
            "http": {
                "method": environ["REQUEST_METHOD"],
                "path": path,
                "protocol": environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
                "sourceIp": environ.get("REMOTE_ADDR", ""),
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = _joined(parse_qsl(query, keep_blank_values=True))
    if body:
        event["body"], event["isBase64Encoded"] = _encoded(body, headers.get("content-type", ""))
    return event


def http_response(result: Any) -> Response:
    """Status, headers and content of a function's answer; raises where API Gateway would answer 500."""
    if not isinstance(result, dict) or "statusCode" not in result:
        return 200, [("Content-Type", "application/json")], json.dumps(result).encode()
    body = result.get("body") or ""
    content = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
    headers = [(str(name), str(value)) for name, value in (result.get("headers") or {}).items()]
    # The length of what is sent is the gateway's to say.
    headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "text/plain"))
    headers += [("Set-Cookie", cookie) for cookie in result.get("cookies") or []]
    return int(result["statusCode"]), headers, content


def _read_body(environ: "WSGIEnvironment") -> bytes | None:
    """The body, or None where it is over the limit."""
    if int(environ.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
        return None
    body: bytes = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
    return body if len(body) <= MAX_BODY_BYTES else None


def _headers(environ: "WSGIEnvironment") -> dict[str, str]:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    return headers


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _encoded(body: bytes, content_type: str) -> tuple[str, bool]:
    """The body as the event carries it, and whether it is base64: all is but text and JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind == "application/json":
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def _message(status: int, text: str) -> Response:
    return status, [("Content-Type", "application/json")], json.dumps({"message": text}).encode()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def make_application() -> Callable[["WSGIEnvironment", "StartResponse"], Iterable[bytes]]:
    """The gateway in front of the webhook function; `gunicorn "infra.local.gateway:make_application()"`."""
    start_logging()
    load_environment()
    function = load_functions()[STAGE]
    os.environ.update(function.environment)
    return Gateway(function, function.load())
