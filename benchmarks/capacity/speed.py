"""How fast a box is: `python -m benchmarks.capacity.speed` prints its entry for the file of speeds.

Run it on a box of the kind, with nothing else running. The embedded engine is asked by so many at a time,
each anew as soon as it has its answer, by organizations whose prompts it knows; then by new ones, one by one.
The questions are those of `benchmarks.engine.ablation`: each answer repeats its fact, which is the best case.
"""

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from benchmarks.engine.ablation import GOODS, WORDINGS, answer_all, chat
from benchmarks.engine.weights import in_format
from llm_api.engine.base import ChatRequest
from llm_api.engine.embedded import EmbeddedEngine

SLOTS = 8
ORGANIZATIONS = 4
EXAMPLES = len(GOODS) - 1
NEW_PROMPTS = 3


def questions(organization: int | None = None) -> Iterator[ChatRequest]:
    """Without end, to one organization or to all in turn."""
    for number, (wording, good) in enumerate(itertools.cycle(itertools.product(WORDINGS, GOODS))):
        asked = number % ORGANIZATIONS if organization is None else organization
        yield chat(asked, wording.format(good), good, EXAMPLES)


async def answers_per_second(engine: EmbeddedEngine, in_work: int, lasting: float) -> float:
    """With so many questions in work all the time."""
    asked, began, answered = questions(), time.perf_counter(), 0

    async def ask() -> None:
        nonlocal answered
        while time.perf_counter() - began < lasting:
            await answer_all(engine, [next(asked)])
            answered += 1

    await asyncio.gather(*(ask() for _ in range(in_work)))
    return answered / (time.perf_counter() - began)


async def prompt_tokens_per_second(engine: EmbeddedEngine) -> float:
    """Of prompts that are new, read alone: what the first question takes longer than the second."""
    rates = []
    for organization in range(ORGANIZATIONS, ORGANIZATIONS + NEW_PROMPTS):
        asked, read_before = questions(organization), engine.counts.read_tokens
        (new,) = await answer_all(engine, [next(asked)])
        read = engine.counts.read_tokens - read_before
        (known,) = await answer_all(engine, [next(asked)])
        again = engine.counts.read_tokens - read_before - read
        rates.append((read - again) / (new - known))
    return statistics.median(rates)


async def measure(engine: EmbeddedEngine, lasting: float) -> str:
    """The entry."""
    await answer_all(engine, list(itertools.islice(questions(), 2 * ORGANIZATIONS)))
    rates = {}
    for in_work in (1, 2, 4, SLOTS):
        rates[in_work] = await answers_per_second(engine, in_work, lasting)
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
    parser.add_argument("--weights", default="BF16", help="their format, as `make tune` chose it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, plan = in_format(arguments.weights, Path(folder))
        engine = EmbeddedEngine(path, context_tokens=1024, slots=SLOTS, plan=plan)
        say(asyncio.run(measure(engine, arguments.seconds)))
        engine.close_now()


if __name__ == "__main__":
    main()
