"""A fake platform's control interface over HTTP, in JSON, for whoever drives it from another process.

    GET  /control/accounts                                  its accounts with their credentials
    POST /control/accounts      {kind, name}                open one (again: with its address and credentials)
    POST /control/messages      {account, contact, text}    somebody writes
    GET  /control/contacts      ?account=                   who has a conversation
    GET  /control/conversation  ?account=&contact=          what both wrote, in order
    GET  /control/sent                                      every message that it took
    GET  /control/troubles                                  the names of what can go wrong
    POST /control/troubles      {trouble}                   let it go wrong for the next message sent
    POST /control/tokens        {account}                   end the token of an account; the new credentials

An account or a trouble that is not there is answered with 404, and with a sentence in `error`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.fakes.server import Answer, Request

if TYPE_CHECKING:
    from tests.fakes.platform.base import FakePlatform

PREFIX = "/control/"


def respond(platform: "FakePlatform", request: Request) -> Answer:
    """The answer to a request whose path begins with PREFIX."""
    known = _ANSWERS.get((request.method, request.path.removeprefix(PREFIX)))
    if known is None:
        return Answer.of_json({"error": f"There is no {request.method} {request.path}."}, 404)
    try:
        return Answer.of_json(known(platform, request.parameters))
    except KeyError as error:
        return Answer.of_json({"error": str(error.args[0])}, 404)


def _open(platform: "FakePlatform", given: Mapping[str, Any]) -> object:
    known = {"address": given.get("address", ""), **given.get("credentials", {})}
    return asdict(platform.open_account(given["kind"], given["name"], **known))


def _write(platform: "FakePlatform", given: Mapping[str, Any]) -> object:
    account = platform.account(given["account"]).address
    return {"id": platform.write(account, given["contact"], given["text"])}


def _trouble(platform: "FakePlatform", given: Mapping[str, Any]) -> object:
    platform.fail_next(platform.sends, platform.troubles[given["trouble"]])
    return {}


_ANSWERS: Mapping[tuple[str, str], Callable[["FakePlatform", Mapping[str, Any]], object]] = {
    ("GET", "accounts"): lambda platform, _: [asdict(each) for each in platform.accounts],
    ("POST", "accounts"): _open,
    ("POST", "messages"): _write,
    ("GET", "contacts"): lambda platform, given: platform.contacts(given["account"]),
    ("GET", "conversation"): lambda platform, given: platform.conversation(
        given["account"], given["contact"]
    ),
    ("GET", "sent"): lambda platform, _: platform.sent,
    ("GET", "troubles"): lambda platform, _: [*platform.troubles],
    ("POST", "troubles"): _trouble,
    ("POST", "tokens"): lambda platform, given: platform.renew_token(given["account"]),
}
