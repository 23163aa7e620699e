"""What Meta's platforms do alike: apps that sign webhooks, the handshake, tokens, and the form of errors."""

import hashlib
import hmac
import json
import secrets
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

from tests.fakes import platform
from tests.fakes.platform import PUNCTUAL, Call, Delivery, FakePlatform, Habits, request

HUB_APP, HUB_SECRET, VERIFY_TOKEN = "111", "fake-app-secret", "fake-verify-token"


class ApiError(platform.ApiError):
    """What the Graph API answers instead of a result."""

    def __init__(
        self, code: int, message: str, subcode: int | None = None, status: int = 400, details: str = ""
    ) -> None:
        super().__init__(message)
        self.code, self.subcode, self.status, self.details = code, subcode, status, details

    def as_json(self) -> dict[str, Any]:
        error: dict[str, Any] = {
            "message": f"(#{self.code}) {self}",
            "type": "OAuthException",
            "code": self.code,
            "fbtrace_id": "A4O5a8RAgePwbcGSu",
        }
        if self.subcode:
            error["error_subcode"] = self.subcode
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        return {"error": error}


@dataclass
class App:
    """A Meta app. `secret` signs its webhooks; `callbacks`: where they go, by object ("page"); `fields`:
    those that it is subscribed to, where they are not just its messages."""

    id: str
    secret: str
    callbacks: dict[str, str] = field(default_factory=dict)
    fields: dict[str, Sequence[str]] = field(default_factory=dict)

    @property
    def token(self) -> str:
        return f"{self.id}|{self.secret}"


class Token(Protocol):
    """A token of an app; `expires_at` 0 for never. `is_developers`: it may inspect tokens."""

    app_id: str
    expires_at: float
    scopes: Sequence[str]
    is_developers: bool

    def is_valid(self, now: float) -> bool: ...


class FakeMeta(FakePlatform):
    """A platform with `apps`, by their ids. `hub_app` is the one that the hub speaks for everybody with."""

    def __init__(self, port: int = 0, habits: Habits = PUNCTUAL) -> None:
        super().__init__(port, habits)
        self.apps: dict[str, App] = {}

    @property
    def hub_settings(self) -> Mapping[str, str]:
        app = self.hub_app
        return {
            "HUB_META_APP_ID": app.id,
            "HUB_META_APP_SECRET": app.secret,
            "HUB_META_VERIFY_TOKEN": VERIFY_TOKEN,
        }

    @property
    def hub_app(self) -> App:
        return self.add_app(HUB_APP, HUB_SECRET)

    def add_app(self, app_id: str, secret: str, **callbacks: str) -> App:
        """A Meta app, as its developer makes it."""
        return self.apps.setdefault(app_id, App(app_id, secret, callbacks))

    # --- tokens ---------------------------------------------------------------------------------------------

    @abstractmethod
    def find_token(self, token: str) -> Token | None:
        """What is known of a token."""

    def _as_app(self, token: str) -> App:
        app = next((app for app in self.apps.values() if app.token == token), None)
        if app is None:
            raise ApiError(190, "Invalid OAuth access token signature.", status=401)
        return app

    def _inspector(self, token: str) -> App:
        """The app whose tokens may be inspected with this one: the app's own, or a developer's."""
        known = self.find_token(token)
        if known is None:
            return self._as_app(token)
        if not known.is_valid(self.now()):
            raise ApiError(190, "Error validating access token: Session has expired", 463, 401)
        if not known.is_developers:
            raise ApiError(100, "You must provide an app access token, or one of a developer of the app")
        return self.apps[known.app_id]

    def _debug_token(self, call: Call) -> Any:
        app = self._inspector(call.token)
        token = self.find_token(str(call.parameters.get("input_token")))
        if token is None:
            error = {"code": 190, "message": "Invalid OAuth access token."}
            return {"data": {"is_valid": False, "error": error, "scopes": []}}
        if token.app_id != app.id:
            raise ApiError(100, "The App_id in the input_token did not match the Viewing App")
        is_valid, expires_at = token.is_valid(self.now()), int(token.expires_at)
        known = {"app_id": app.id, "is_valid": is_valid, "expires_at": expires_at}
        return {"data": {**known, "scopes": list(token.scopes)}}

    # --- subscriptions --------------------------------------------------------------------------------------

    def _subscriptions(self, call: Call) -> dict[str, Any]:
        """Where an app delivers what happens to which object, and setting that."""
        app, given = self._as_app(call.token), call.parameters
        if call.target != app.id:
            raise ApiError(15, "This method must be called with an app access_token")
        if call.method == "POST":
            self._shake_hands(str(given.get("callback_url", "")), str(given.get("verify_token", "")))
            app.callbacks[str(given.get("object"))] = str(given.get("callback_url"))
            app.fields[str(given.get("object"))] = str(given.get("fields")).split(",")
            return {"success": True}
        return {"data": [_subscription(app, object_) for object_ in app.callbacks]}

    # --- webhooks -------------------------------------------------------------------------------------------

    def _shake_hands(self, url: str, verify_token: str) -> None:
        """Meta asks an address at once whether it is meant."""
        challenge = secrets.token_hex(8)
        query = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
        status, body = request(f"{url}?{urlencode(query)}")
        if (status, body) != (200, challenge.encode()):
            message = f"Callback verification failed with the following errors: HTTP Status Code = {status}"
            raise ApiError(2200, message)

    def _post_signed(self, app: App, url: str, content: Mapping[str, Any]) -> Delivery:
        body = json.dumps(content).encode()
        headers = {"content-type": "application/json", "X-Hub-Signature-256": signature(body, app.secret)}
        return self.post(url, body, content, headers)


def _subscription(app: App, object_: str) -> dict[str, Any]:
    names = app.fields.get(object_, ["messages"])
    fields = [{"name": name, "version": "v26.0"} for name in names]
    return {"object": object_, "callback_url": app.callbacks[object_], "active": True, "fields": fields}


def signature(body: bytes, secret: str) -> str:
    """The value of X-Hub-Signature-256."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
