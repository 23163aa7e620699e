"""What the page asks for, in JSON."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from tests.fakes.server import Answer, Request
from tests.fakes.simulator.chats import Contact, shown
from tests.fakes.simulator.memory import Record
from tests.fakes.simulator.simulator import Simulator

WAIT_SECONDS = 20.0
"""How long a question waits for something to change."""
BURST = ("Hello,", "one more thing:", "are you there?", "it is about tomorrow", "thanks!")
MAX_NAME_LENGTH = 60
MAX_TEXT_LENGTH = 4096


class Refused(Exception):
    """What the page asked for cannot be done; a sentence."""


def respond(simulator: Simulator, request: Request) -> Answer:
    """The answer to a request whose path begins with /api/."""
    name = request.path.removeprefix("/api/")
    try:
        if (request.method, name) == ("GET", "state"):
            return Answer.of_json(_state(simulator, request.query))
        if request.method == "POST" and name in _ACTIONS:
            return Answer.of_json(_ACTIONS[name](simulator, request.content or {}) or {})
    except (KeyError, ValueError, IndexError, TypeError, Refused) as error:
        said = error.args[0] if error.args and isinstance(error.args[0], str) else "That cannot be done."
        return Answer.of_json({"error": said}, 400)
    return Answer.of_json({"error": "There is nothing here."}, 404)


# --- what is shown ------------------------------------------------------------------------------------------


def _state(simulator: Simulator, asked: Mapping[str, str]) -> dict[str, Any]:
    """Everything, once it has changed since revision `after`; of the wire what is newer than `wire`."""
    after = int(asked.get("after", "0"))
    with simulator.changed:
        simulator.changed.wait_for(lambda: simulator.revision > after, WAIT_SECONDS)
        record = simulator.records.get(asked.get("account", ""))
        contact = next(
            (each for each in (record.contacts if record else ()) if each.id == asked.get("contact")), None
        )
        return {
            "revision": simulator.revision,
            "console": _console(simulator),
            "platforms": _platforms(simulator),
            "organizations": _organizations(simulator),
            "accounts": [_account(simulator, each) for each in simulator.records.values()],
            "chat": _chat(record, contact) if record and contact else None,
            "wire": simulator.wire.after(int(asked.get("wire", "0"))),
        }


def _console(simulator: Simulator) -> str:
    return simulator.setup.settings["HUB_CONSOLE_URL"]


def _platforms(simulator: Simulator) -> list[dict[str, Any]]:
    return [
        {
            "kind": kind,
            "label": platform.label,
            "can": platform.can,
            "is_by_hand": platform.is_by_hand,
            "is_served": simulator.is_served(platform),
            "setting": platform.setting,
            "add_url": f"{_console(simulator)}/channels/channel/add/?kind={kind}",
        }
        for kind, platform in simulator.platforms.items()
    ]


def _organizations(simulator: Simulator) -> list[dict[str, Any]]:
    """The demo's, then whoever has an account besides."""
    demos = {each.name: each for each in simulator.organizations}
    names = dict.fromkeys([*demos, *(record.organization for record in simulator.records.values())])
    proof = f"{_console(simulator)}/proof/"
    return [
        {
            "name": name,
            "proof_url": f"{proof}organization/{demos[name].slug}/" if name in demos else proof,
            "questions": demos[name].questions if name in demos else [],
        }
        for name in names
    ]


def _account(simulator: Simulator, record: Record) -> dict[str, Any]:
    platform = simulator.platforms[record.kind]
    return {
        "id": record.id,
        "kind": record.kind,
        "name": record.name,
        "organization": record.organization,
        "is_connected": bool(platform.webhook_of(record.address)),
        "webhook": platform.webhook_of(record.address),
        "credentials": [
            {"label": platform.fields[name], "value": value} for name, value in record.credentials.items()
        ],
        "faults": record.faults.as_json(),
        "contacts": [_contact(simulator, contact) for contact in record.contacts],
    }


def _contact(simulator: Simulator, contact: Contact) -> dict[str, Any]:
    last = contact.messages[-1] if contact.messages else None
    return {
        "id": contact.id,
        "name": contact.name,
        "last": (last.text or last.kind) if last else "",
        "unread": contact.unread,
        "is_blocking": contact.is_blocking,
        "conversation_url": (
            f"{_console(simulator)}/conversations/conversation/?{urlencode({'q': contact.id})}"
        ),
    }


def _chat(record: Record, contact: Contact) -> dict[str, Any]:
    return {
        "account": record.id,
        "contact": contact.id,
        "messages": [shown(message) for message in contact.messages],
        "typing_seconds": max(0.0, contact.typing_until - time.time()),
    }


# --- what is done -------------------------------------------------------------------------------------------


def _write(simulator: Simulator, given: Mapping[str, Any]) -> dict[str, Any]:
    record, contact = _both(simulator, given)
    kind, text = str(given.get("kind", "text")), str(given.get("text", "")).strip()[:MAX_TEXT_LENGTH]
    if kind != "text":
        _demand(simulator, record, kind)
    elif not text:
        raise Refused("Write something first.")
    return {"id": simulator.write(record, contact, text, kind).id}


def _burst(simulator: Simulator, given: Mapping[str, Any]) -> None:
    record, contact = _both(simulator, given)
    for text in BURST[: int(given.get("count", len(BURST)))]:
        simulator.write(record, contact, text)


def _edit(simulator: Simulator, given: Mapping[str, Any]) -> None:
    record, contact = _both(simulator, given)
    _demand(simulator, record, "edit")
    message, text = contact.find(given["message"]), str(given["text"]).strip()[:MAX_TEXT_LENGTH]
    if not message.mine or message.is_unsent or not text:
        raise Refused("Only a text of one's own can be changed, to another text.")
    simulator.edit(record, contact, message, text)


def _unsend(simulator: Simulator, given: Mapping[str, Any]) -> None:
    record, contact = _both(simulator, given)
    _demand(simulator, record, "unsend")
    message = contact.find(given["message"])
    if not message.mine or message.is_unsent:
        raise Refused("Only a message of one's own can be taken back.")
    simulator.unsend(record, contact, message)


def _react(simulator: Simulator, given: Mapping[str, Any]) -> None:
    record, contact = _both(simulator, given)
    _demand(simulator, record, "react")
    simulator.react(record, contact, contact.find(given["message"]), str(given["emoji"])[:8])


def _press(simulator: Simulator, given: Mapping[str, Any]) -> None:
    record, contact = _both(simulator, given)
    simulator.press(record, contact, contact.find(given["message"]), int(given["place"]))


def _look(simulator: Simulator, given: Mapping[str, Any]) -> None:
    simulator.look(*_both(simulator, given))


def _block(simulator: Simulator, given: Mapping[str, Any]) -> None:
    simulator.block(*_both(simulator, given), bool(given["on"]))


def _arm(simulator: Simulator, given: Mapping[str, Any]) -> None:
    simulator.arm(_record(simulator, given), str(given["fault"]), given["value"])


def _add_contact(simulator: Simulator, given: Mapping[str, Any]) -> dict[str, Any]:
    return {"contact": simulator.add_contact(_record(simulator, given)).id}


def _open_account(simulator: Simulator, given: Mapping[str, Any]) -> dict[str, Any]:
    name, kind = str(given["organization"]).strip()[:MAX_NAME_LENGTH], str(given["kind"])
    if not name or not any(letter.isalnum() for letter in name):
        raise Refused("Say whose account it is.")
    if not simulator.is_served(simulator.platforms[kind]):
        raise Refused("The hub does not look for this platform here.")
    return {"account": simulator.open_account(kind, name).id}


def _enter_address(simulator: Simulator, given: Mapping[str, Any]) -> None:
    record, url = _record(simulator, given), str(given.get("url", "")).strip()
    if not simulator.platforms[record.kind].is_by_hand or not url.startswith(("http://", "https://")):
        raise Refused("Paste the webhook address that the channel shows in the console.")
    if not simulator.enter_address(record, url):
        raise Refused("That address did not answer with the challenge: is it the channel's, and saved?")


_ACTIONS: Mapping[str, Callable[[Simulator, Mapping[str, Any]], dict[str, Any] | None]] = {
    "write": _write,
    "burst": _burst,
    "edit": _edit,
    "unsend": _unsend,
    "react": _react,
    "press": _press,
    "look": _look,
    "block": _block,
    "faults": _arm,
    "contacts": _add_contact,
    "accounts": _open_account,
    "address": _enter_address,
}


def _record(simulator: Simulator, given: Mapping[str, Any]) -> Record:
    found = simulator.records.get(str(given.get("account")))
    if found is None:
        raise Refused("There is no such account.")
    return found


def _both(simulator: Simulator, given: Mapping[str, Any]) -> tuple[Record, Contact]:
    record = _record(simulator, given)
    return record, record.contact(str(given.get("contact")))


def _demand(simulator: Simulator, record: Record, what: str) -> None:
    platform = simulator.platforms[record.kind]
    if what not in platform.can:
        raise Refused(f"{platform.label} has no such thing.")
