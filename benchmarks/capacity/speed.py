"""How fast a box is: `python -m benchmarks.capacity.speed` prints its entry for the file of speeds.

Run it on a box of the kind after `make tune`, with nothing else running. The embedded engine is asked by so
many at a time, each anew as soon as it has its answer, by contacts of organizations whose prompts it knows;
then by those of new ones, one by one. They ask what `make bench-llm` has asked (benchmarks/llm/load.py).
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from typing import cast

from benchmarks.engine.ablation import answer_all
from benchmarks.engine.weights import tuned
from benchmarks.llm.load import MAX_ANSWER_TOKENS, Request, Traffic
from llm_api.engine.base import ChatMessage, ChatRequest, Role
from llm_api.engine.embedded import EmbeddedEngine

SLOTS = 8
CONTEXT_TOKENS = 2048
ORGANIZATIONS = 20
NEW_PROMPTS = 5
MAX_PER_SECOND = 100.0
"""More than any box answers."""


def chats(requests: Sequence[Request]) -> list[ChatRequest]:
    """As the hub asks them."""
    return [
        ChatRequest(
            tuple(ChatMessage(cast(Role, message["role"]), message["content"]) for message in each.messages),
            MAX_ANSWER_TOKENS,
            group=each.organization,
        )
        for each in requests
    ]


async def answers_per_second(
    engine: EmbeddedEngine, asked: Iterator[ChatRequest], in_work: int, lasting: float
) -> float:
    """With so many questions in work all the time."""
    began, answered = time.perf_counter(), 0

    async def ask() -> None:
        nonlocal answered
        while time.perf_counter() - began < lasting:
            await answer_all(engine, [next(asked)])
            answered += 1

    await asyncio.gather(*(ask() for _ in range(in_work)))
    return answered / (time.perf_counter() - began)


async def prompt_tokens_per_second(engine: EmbeddedEngine) -> float:
    """Of prompts that are new, read alone: what a question takes longer than the same again."""
    rates = []
    for asked in chats(Traffic(NEW_PROMPTS, seed=2).introductions()):
        read_before = engine.counts.read_tokens
        (new,) = await answer_all(engine, [asked])
        read = engine.counts.read_tokens - read_before
        (known,) = await answer_all(engine, [asked])
        again = engine.counts.read_tokens - read_before - read
        rates.append((read - again) / (new - known))
    return statistics.median(rates)


async def measure(engine: EmbeddedEngine, lasting: float) -> str:
    """The entry."""
    traffic = Traffic(ORGANIZATIONS, seed=1)
    await answer_all(engine, chats(traffic.introductions()))
    rates, counts = {}, (1, 2, 4, SLOTS)
    asked = iter(chats(traffic.poisson(MAX_PER_SECOND, lasting * len(counts))))
    for in_work in counts:
        rates[in_work] = await answers_per_second(engine, asked, in_work, lasting)
        say(f"# {in_work} in work: {rates[in_work]:.2f} answers a second")
    tokens = await prompt_tokens_per_second(engine)
    by_count = ", ".join(f"{count} = {rate:.2f}" for count, rate in rates.items())
    return "\n".join(
        [
            f'basis = "measured: python -m benchmarks.capacity.speed, {date.today()}"',  # noqa: DTZ011
            f"slots = {SLOTS}",
            f"answers_per_second = {{{by_count}}}",
            f"prompt_tokens_per_second = {tokens:.0f}",
        ]
    )


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10, help="for each number in work")
    arguments = parser.parse_args()
    path, plan = tuned()
    engine = EmbeddedEngine(path, context_tokens=CONTEXT_TOKENS, slots=SLOTS, plan=plan)
    say(asyncio.run(measure(engine, arguments.seconds)))
    engine.close_now()


if __name__ == "__main__":
    main()
