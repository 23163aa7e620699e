"""The simulator over HTTP: the page, what it asks for, and the APIs of the platforms, at one address."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from tests.fakes.server import Answer, Request
from tests.fakes.simulator import page
from tests.fakes.simulator.files import FILES
from tests.fakes.simulator.platforms.base import Simulated
from tests.fakes.simulator.simulator import LOOPBACK_NAMES, Simulator

PAGE = Path(__file__).with_name("page")
PAGE_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/simulator.css": ("simulator.css", "text/css; charset=utf-8"),
    "/simulator.js": ("simulator.js", "text/javascript; charset=utf-8"),
}
PAGE_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


class Front:
    """Answers a request."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def respond(self, request: Request) -> Answer | None:
        """None for a connection that breaks."""
        if request.path == "/healthz":
            return Answer.of_json({"status": "ok"})
        if request.path in PAGE_FILES and request.method == "GET":
            name, content_type = PAGE_FILES[request.path]
            return Answer(200, (PAGE / name).read_bytes(), {**PAGE_HEADERS, "content-type": content_type})
        if request.path.startswith("/api/"):
            return self._page(request)
        found = self._platform(request)
        return self._simulator.answer(*found) if found else self._file(request)

    def _page(self, request: Request) -> Answer:
        """For the page alone: another site's can neither read an answer nor send JSON."""
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        is_json = request.headers.get("content-type", "").startswith("application/json")
        if host not in LOOPBACK_NAMES or (request.method != "GET" and not is_json):
            return Answer.of_json({"error": "This is for the simulator's own page."}, 403)
        return page.respond(self._simulator, request)

    def _platform(self, request: Request) -> tuple[Simulated, Request] | None:
        """The platform that a call is meant for, and the call as it gets it."""
        platforms = self._simulator.platforms
        base, _, rest = request.path[1:].partition("/")
        inner = replace(request, path=f"/{rest}")
        match base:
            case _ if "files/" in rest or rest.startswith("file/"):
                return None
            case "slack" | "telegram" | "twilio":
                return platforms[base], inner
            case "instagram":
                return platforms[base], _behind("instagram", inner)
            case "graph":
                is_page = _is_of_page(platforms["messenger"], inner)
                return (
                    (platforms["messenger"], _behind("facebook", inner))
                    if is_page
                    else (platforms["whatsapp"], inner)
                )
        return None

    def _file(self, request: Request) -> Answer | None:
        """A photo or a voice message, at whatever platform."""
        name = request.path.rpartition("/")[2]
        if name in FILES:
            content, content_type = FILES[name]
            return Answer(200, content, {"content-type": content_type})
        if request.path.startswith("/graph/files/"):
            inner = replace(request, path=request.path.removeprefix("/graph"))
            return self._simulator.platforms["whatsapp"].respond(inner)
        return Answer.of_json({"error": "There is nothing here."}, 404)


def _behind(host: str, request: Request) -> Request:
    return replace(request, path=f"/{host}{request.path}")


def _is_of_page(messenger: Simulated, request: Request) -> bool:
    """WhatsApp and Messenger have one address: a token tells whose call it is, or what it is made on."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    named: Mapping[str, str] = request.query
    tokens = {account.credentials["access_token"] for account in messenger.accounts}
    parts = request.path.split("/")
    return (
        token in tokens or named.get("input_token") in tokens or "me" in parts or parts[-1] == "subscriptions"
    )
