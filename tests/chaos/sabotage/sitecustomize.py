"""Switches safeguards of the hub off, to show that a run notices.

Python imports this module by itself where its folder is on PYTHONPATH; CHAOS_WITHOUT names the safeguards,
with commas between them. The hub knows nothing of it.
"""

import dataclasses
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import uuid
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any


def _send_again_blindly(sending: ModuleType) -> None:
    """A platform that did not answer is taken for one that refused."""
    record_failure = sending._record_failure

    def record(attempt: Any, error: Exception) -> Any:
        if isinstance(error, sending.SendUnknown):
            error = sending.SendRefused(str(error))
        return record_failure(attempt, error)

    sending._record_failure = record  # type: ignore[attr-defined]


def _forget_what_came_before(inbox: ModuleType) -> None:
    """Whatever a platform delivers counts as new."""
    queue = inbox.queue

    def queue_as_new(channel_id: Any, received_at: Any, parsed: Sequence[Any]) -> None:
        new = [dataclasses.replace(each, platform_id=uuid.uuid4().hex) for each in parsed]
        queue(channel_id, received_at, new)

    inbox.queue = queue_as_new  # type: ignore[attr-defined]


def _ignore_reports(receiving: ModuleType) -> None:
    """What WhatsApp says became of a message is stored, and no more."""
    receiving.Item._status = lambda item: item._other("status")


SAFEGUARDS: dict[str, tuple[str, Callable[[ModuleType], None]]] = {
    "unknown-stays-unknown": ("hub_lambdas.sending", _send_again_blindly),
    "messages-are-known-again": ("hub_lambdas.inbox", _forget_what_came_before),
    "reports-are-read": ("hub_lambdas.channels.whatsapp.receiving", _ignore_reports),
}


class Saboteur(importlib.abc.MetaPathFinder):
    """Lets a module be imported as ever, and then changes it."""

    def __init__(self, module: str, change: Callable[[ModuleType], None]) -> None:
        self._module = module
        self._change = change

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's own spec, whose execution ends with the change."""
        if name != self._module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None, "the module is there"
        assert spec.loader is not None, "and can be loaded"
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            self._change(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


for _name in filter(None, os.environ.get("CHAOS_WITHOUT", "").split(",")):
    sys.meta_path.insert(0, Saboteur(*SAFEGUARDS[_name]))
