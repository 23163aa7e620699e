"""HTTP to the platforms: one pool of connections for all kinds, no retries, no redirects.

What matters is whether a message may have been taken. Nothing was where no connection came about
(`SendRefused`); after that, without an answer, nobody knows (`SendUnknown`). What an answer means is for the
kind to say.

An address may hold a credential (Telegram's does), so no error here carries one, and urllib3, which logs the
path of each request, is silenced.
"""

import json
import logging
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import (
    ClosedPoolError,
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
)

from hub_lambdas.channels.base import ChannelError, SendRefused, SendUnknown
from hub_lambdas.sentences import stored

CONNECT_TIMEOUT_SECONDS = 3.0
READ_TIMEOUT_SECONDS = 8.0
IDLE_SECONDS = 20.0
"""After this long, connections are made anew. A Lambda sleeps between requests while the platform closes its
end, and a request on such a connection would fail in a way that leaves its fate unknown."""

logging.getLogger("urllib3").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Answer:
    """What a platform answered. `content` is None where the body is no JSON. `retry_after_seconds`: how long
    it asks to wait, where it does. `headers` by their lower-case names."""

    status: int
    content: Any
    retry_after_seconds: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Client:
    """Connections that are shared by all channels; safe to use from several threads."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(num_pools=8, maxsize=16, retries=False)
        self._lock = threading.Lock()
        self._used_at = 0.0

    def call(
        self,
        platform: str,
        method: str,
        url: str,
        *,
        content: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    ) -> Answer:
        """Send `content` as JSON or `form` as a form (nothing where both are None) and return the answer,
        whatever its status. `platform` is its name in error sentences. Raises SendRefused when nothing was
        sent, SendUnknown when no answer came."""
        body, own_headers = _body(content, form)
        try:
            response = self._connections().request(
                method,
                url,
                body=body,
                headers={**own_headers, **(headers or {})},
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_SECONDS, read=read_timeout_seconds),
                redirect=False,
            )
        except HTTPError as error:
            raise _without_address(platform, error) from None
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, _json(response.data), _seconds(found.get("retry-after")), found)

    def _connections(self) -> urllib3.PoolManager:
        with self._lock:
            now = time.time()  # the wall clock: a monotonic one may stand still while a Lambda sleeps
            if now - self._used_at > IDLE_SECONDS:
                self._pool.clear()
            self._used_at = now
        return self._pool


def _body(content: object, form: Mapping[str, str] | None) -> tuple[bytes | None, Mapping[str, str]]:
    if form is not None:
        return urlencode(form).encode(), {"content-type": "application/x-www-form-urlencoded"}
    if content is not None:
        return json.dumps(content).encode(), {"content-type": "application/json"}
    return None, {}


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() and len(header) < 6 else None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _without_address(platform: str, error: HTTPError) -> ChannelError:
    if isinstance(error, NameResolutionError):
        return SendRefused(
            stored(
                "The name of %(platform)s's server is not known: check network and address.",
                platform=platform,
            )
        )
    if isinstance(error, ConnectTimeoutError):
        return SendRefused(
            stored(
                "%(platform)s did not take a connection within %(seconds)s s.",
                platform=platform,
                seconds=f"{CONNECT_TIMEOUT_SECONDS:g}",
            )
        )
    if isinstance(error, NewConnectionError | ClosedPoolError):
        return SendRefused(
            stored("%(platform)s could not be reached: it refused the connection.", platform=platform)
        )
    if isinstance(error, SSLError) and isinstance(error.args[0], ssl.SSLCertVerificationError):
        return SendRefused(
            stored(
                "The server in %(platform)s's place has no valid certificate: check its address.",
                platform=platform,
            )
        )
    return SendUnknown(
        stored(
            "%(platform)s did not answer, so it is not known whether it took the request.", platform=platform
        )
    )


CLIENT = Client()
