"""Asks a server a load's requests, each at its time, and takes down what came when."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.llm.load import Request
from benchmarks.llm.servers import TOKEN

IN_TIME_SECONDS = 5.0
LOOK_SECONDS = 0.25
FOREVER = httpx.Timeout(None)  # patience ends a request

Progress = Callable[[int, int, float], None]
"""Is told how many are answered or given up, of how many, after how many seconds."""


@dataclass(frozen=True)
class Answer:
    """What became of a request. `seconds` from its time to its whole answer; None: none came in time, for the
    reason in `problem`. `cached_tokens` is None where the server does not tell."""

    seconds: float | None
    text: str = ""
    prompt_tokens: int = 0
    cached_tokens: int | None = None
    written_tokens: int = 0
    problem: str = ""

    @property
    def is_in_time(self) -> bool:
        """Whether a contact got it within the time that the hub promises."""
        return self.seconds is not None and self.seconds <= IN_TIME_SECONDS


GIVEN_UP = Answer(None, problem="given up with the others")


def play(
    url: str,
    requests: Sequence[Request],
    patience_seconds: float,
    show: Progress,
    tolerated_misses: int | None = None,
) -> Sequence[Answer]:
    """All answers, in the order of the requests. One that takes longer than `patience_seconds` is given up;
    once more than `tolerated_misses` were not answered in time, all that are left are."""
    return asyncio.run(_play(url, requests, patience_seconds, show, tolerated_misses))


async def _play(
    url: str,
    requests: Sequence[Request],
    patience_seconds: float,
    show: Progress,
    tolerated_misses: int | None,
) -> Sequence[Answer]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=FOREVER) as client:
        started_at = time.monotonic()
        asking = {
            asyncio.create_task(_ask(client, each, started_at + each.at, patience_seconds)): each
            for each in requests
        }
        waiting = set(asking)
        while waiting:
            _, waiting = await asyncio.wait(waiting, timeout=LOOK_SECONDS)
            lasted = time.monotonic() - started_at
            show(len(asking) - len(waiting), len(asking), lasted)
            late = sum(lasted - asking[each].at > IN_TIME_SECONDS for each in waiting)
            missed = late + sum(not each.result().is_in_time for each in asking if each not in waiting)
            if tolerated_misses is not None and missed > tolerated_misses:
                break
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return [GIVEN_UP if each in waiting else each.result() for each in asking]


async def _ask(client: httpx.AsyncClient, request: Request, at: float, patience_seconds: float) -> Answer:
    await asyncio.sleep(at - time.monotonic())
    try:
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + patience_seconds):
            response = await client.post("/v1/chat/completions", json=request.body())
    except TimeoutError:
        return Answer(None, problem="no answer in time")
    except httpx.TransportError as error:
        return Answer(None, problem=f"the connection failed ({type(error).__name__})")
    if response.is_error:
        return Answer(None, problem=f"HTTP {response.status_code}: {response.text[:200]}")
    return _answer(response.json(), time.monotonic() - at)


def _answer(body: dict[str, Any], seconds: float) -> Answer:
    usage = body["usage"]
    return Answer(
        seconds,
        text=body["choices"][0]["message"]["content"],
        prompt_tokens=usage["prompt_tokens"],
        cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
        written_tokens=usage["completion_tokens"],
    )
