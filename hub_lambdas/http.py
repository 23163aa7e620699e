"""HTTP as API Gateway (REST v1, HTTP v2) and function URLs hand it to a Lambda, and the answer they take."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode


class BadRequest(Exception):
    """The request cannot be served; carries the status, a sentence for the sender and headers for the
    answer."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


@dataclass(frozen=True)
class Request:
    """One HTTP request. Header names are lower-case; `body` holds the bytes that were signed. `raw_query` is
    the query as it was sent, for signatures over the address; a v1 event has it in parts only, which are
    encoded anew. `source_ip` is the caller that the gateway has seen, whatever X-Forwarded-For claims."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    source_ip: str = ""
    raw_query: str = ""

    def json(self) -> Any:
        """The body parsed as JSON; ValueError when it is none. RecursionError where it is nested too deeply
        to be read."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    """One HTTP response; an empty body where nothing has to be said."""

    status: int = 200
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(
        cls, content: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> "Response":
        return cls(status, json.dumps(content), "application/json", headers or {})

    @classmethod
    def of_error(cls, error: BadRequest, headers: Mapping[str, str] | None = None) -> "Response":
        return cls.of_json({"error": str(error)}, error.status, {**error.headers, **(headers or {})})


def request_from_event(event: Mapping[str, Any]) -> Request:
    """The request inside a Lambda proxy event of either payload format (AWS: "Working with AWS Lambda proxy
    integrations for HTTP APIs"). The stage is not part of the path."""
    context = event.get("requestContext") or {}
    headers = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    body = event.get("body") or ""
    raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")
    if event.get("version") == "2.0":
        http = context.get("http") or {}
        path, stage = str(event.get("rawPath") or "/"), str(context.get("stage") or "$default")
        if stage != "$default":
            path = path.removeprefix(f"/{stage}") or "/"
        method, source_ip = http.get("method", "GET"), str(http.get("sourceIp", ""))
        raw_query = str(event.get("rawQueryString") or "")
    else:
        path, method = event.get("path") or "/", event.get("httpMethod", "GET")
        source_ip = str((context.get("identity") or {}).get("sourceIp", ""))
        parameters = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters")
        raw_query = urlencode(parameters or {}, doseq=True)
    query = dict(parse_qsl(raw_query, keep_blank_values=True))
    return Request(method, path, query, headers, raw, source_ip, raw_query)


def event_from_response(response: Response) -> dict[str, Any]:
    """The dictionary that both payload formats take as an answer."""
    return {
        "statusCode": response.status,
        "headers": {"content-type": response.content_type, **response.headers},
        "body": response.body,
        "isBase64Encoded": False,
    }
