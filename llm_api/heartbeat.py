"""Keeps the requests in hand hidden from other boxes for as long as this one lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from llm_api.queues import QueueError, QueueMessage, Queues

Messages = Callable[[], Sequence[QueueMessage]]
Note = Callable[[QueueMessage, str], None]


async def keep_hidden(queues: Queues, messages: Messages, visibility_seconds: float, note: Note) -> None:
    """Renew the visibility of `messages()`, until cancelled, at a third of its time. What the queue does not
    renew is noted with the reason: it may be delivered again, which costs work and no answer."""
    while True:
        await asyncio.sleep(visibility_seconds / 3)
        held = list(messages())
        if not held:
            continue
        try:
            failed = await queues.hide_all(held, max(1, round(visibility_seconds)))
        except QueueError as error:
            for message in held:
                note(message, str(error))
        else:
            for message, reason in failed:
                note(message, reason)
