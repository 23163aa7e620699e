"""What it is worth that an organization's requests go to the same box: `python -m benchmarks.engine.routing`.

The requests of one burst are shared out to boxes in turn, as a queue does, and by organization. Each box is a
new engine, and they compute one after the other, so that each has this machine to itself. All the boxes' time
together is what the burst costs; the slowest box's time is when the last contact has an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from benchmarks.llm.load import MAX_ANSWER_TOKENS, Request, Traffic
from llm_api.engine.base import ChatMessage, ChatRequest, Finished
from llm_api.engine.embedded import EmbeddedEngine
from llm_api.settings import find_packaged_model

ROUTINGS: dict[str, Callable[[int, Request, int], int]] = {
    "in turn": lambda number, request, boxes: number % boxes,
    "by organization": lambda number, request, boxes: _hash(request.organization) % boxes,
}


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


def chat(request: Request) -> ChatRequest:
    messages = tuple(ChatMessage(each["role"], each["content"]) for each in request.messages)  # type: ignore[arg-type]
    return ChatRequest(messages, MAX_ANSWER_TOKENS, group=request.organization)


async def answer_all(engine: EmbeddedEngine, requests: Sequence[Request]) -> None:
    async def answer(request: Request) -> None:
        events = [event async for event in engine.generate(chat(request))]
        assert isinstance(events[-1], Finished)

    await asyncio.gather(*(answer(request) for request in requests))


def measure_box(requests: Sequence[Request]) -> tuple[float, int]:
    """Seconds until a new box has answered all, and the prompt tokens that it read."""
    engine = EmbeddedEngine(find_packaged_model(), context_tokens=2048, slots=8)
    began = time.perf_counter()
    asyncio.run(answer_all(engine, requests))
    seconds, read = time.perf_counter() - began, engine.counts.read_tokens
    engine.close_now()
    gc.collect()
    return seconds, read


def measure(requests: Sequence[Request], boxes: int, routing: str) -> tuple[float, float, int]:
    """Seconds of all boxes together, of the slowest one, and prompt tokens read."""
    place = ROUTINGS[routing]
    shares = [
        [request for number, request in enumerate(requests) if place(number, request, boxes) == box]
        for box in range(boxes)
    ]
    seconds, read = zip(*(measure_box(share) for share in shares if share), strict=True)
    return sum(seconds), max(seconds), sum(read)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=2)
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--organizations", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    requests = Traffic(options.organizations, options.seed).burst(options.requests)
    results: dict[str, list[tuple[float, float, int]]] = {name: [] for name in ROUTINGS}
    for _ in range(options.rounds):
        for name, measured in results.items():
            measured.append(measure(requests, options.boxes, name))
            sys.stdout.write(f"{name}: {measured[-1]}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{'':18}{'seconds, all boxes':>20}{'slowest box':>13}{'tokens read':>13}\n")
    for name, measured in results.items():
        together, slowest, read = (statistics.median(column) for column in zip(*measured, strict=True))
        sys.stdout.write(f"{name:18}{together:20.1f}{slowest:13.1f}{read:13.0f}\n")


if __name__ == "__main__":
    main()
