"""What each idea of the engine is worth: `python -m benchmarks.engine.ablation`.

A burst of questions to organizations with prompts of their own, once with everything, then with one thing
left out at a time, interleaved round by round. Each engine is new: a warm one finds its prefixes on disk.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.engine.weights import in_format
from llm_api.engine.base import ChatMessage, ChatRequest, Finished
from llm_api.engine.embedded import EmbeddedEngine
from llm_api.engine.plan import default_plan

GOODS = (
    "whitening",
    "crown",
    "check-up",
    "filling",
    "brace",
    "scan",
    "polish",
    "implant",
    "night guard",
    "x-ray",
)
WORDINGS = ("How much is a {}?", "price of a {} please", "I need a {}, what is it?", "{}?")
FLASH = replace(default_plan(), flash_attention=True, kv_type="bf16")
VARIANTS: dict[str, dict[str, Any]] = {
    "cold, everything": {},
    "cold, no prefixes kept": {"prefix_bytes": 0},
    "cold, weights in Q8_0": {"weights": "Q8_0"},
    "cold, weights in F16": {"weights": "F16"},
    "cold, weights in BF16": {"weights": "BF16"},
    "cold, flash attention over BF16": {"plan": FLASH},
    "warm, everything": {"spill": True},
    "warm, weights in Q8_0": {"spill": True, "weights": "Q8_0"},
    "warm, weights in BF16": {"spill": True, "weights": "BF16"},
    "warm, weights in BF16, no guesses": {"spill": True, "weights": "BF16", "drafts": False},
    "warm, flash attention over BF16": {"spill": True, "plan": FLASH},
    "warm, no guesses": {"spill": True, "drafts": False},
    "warm, one slot a lane": {"spill": True, "slots": 2},
    "warm, one lane": {"spill": True, "lanes": 1},
    "warm, one at a time": {"spill": True, "lanes": 1, "slots": 1, "drafts": False},
}


def fact(organization: int, good: str) -> str:
    price = (len(good) * 37 + organization * 11) % 400 + 20
    return f"At clinic number {organization} a {good} costs {price} euros."


def chat(organization: int, question: str, good: str, examples: int) -> ChatRequest:
    """As `hub_lambdas.prompting` makes them: each example shows a fact, a question and the answer."""
    messages = [
        ChatMessage(
            "system", f"You answer the customers of clinic number {organization} from the facts given."
        )
    ]
    for each in GOODS[:examples]:
        told = fact(organization, each)
        messages.append(ChatMessage("user", f"Facts: {told}\n\nQuestion: What does a {each} cost?"))
        messages.append(ChatMessage("assistant", told))
    messages.append(ChatMessage("user", f"Facts: {fact(organization, good)}\n\nQuestion: {question}"))
    return ChatRequest(tuple(messages), 40, group=f"clinic {organization}")


def burst(organizations: int, questions: int, examples: int) -> list[ChatRequest]:
    dice = random.Random(5)  # noqa: S311  no secret
    chats = []
    for n in range(questions):
        good = dice.choice(GOODS)
        wording = dice.choice(
            ("How much is a {}?", "price of a {} please", "I need a {}, what is it?", "{}?")
        )
        chats.append(chat(n % organizations, wording.format(good), good, examples))
    return chats


async def answer_all(engine: EmbeddedEngine, chats: Sequence[ChatRequest]) -> list[float]:
    """Seconds until each answer was complete."""
    began = time.perf_counter()

    async def answer(request: ChatRequest) -> float:
        events = [event async for event in engine.generate(request)]
        assert isinstance(events[-1], Finished)
        return time.perf_counter() - began

    return list(await asyncio.gather(*(answer(request) for request in chats)))


def measure(chats: Sequence[ChatRequest], folder: Path, variant: dict[str, Any]) -> tuple[float, float, int]:
    """Seconds in all, median seconds of an answer, tokens that were read."""
    settings = dict(variant)
    path, plan = in_format(settings.pop("weights", ""), folder.parent)
    spill_folder = folder if settings.pop("spill", False) else None
    usual = {"context_tokens": 1024, "slots": 8, "spill_folder": spill_folder, "plan": plan}
    engine = EmbeddedEngine(path, **usual | settings)
    seconds = asyncio.run(answer_all(engine, chats))
    read = engine.counts.read_tokens
    engine.close_now()
    gc.collect()
    return max(seconds), statistics.median(seconds), read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--organizations", type=int, default=4)
    parser.add_argument("--questions", type=int, default=16)
    parser.add_argument("--examples", type=int, default=6)
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    chats = burst(options.organizations, options.questions, options.examples)
    results: dict[str, list[tuple[float, float, int]]] = {name: [] for name in options.only}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for variant in options.only:
            if "spill" in VARIANTS[variant]:
                measure(chats, folder / variant, VARIANTS[variant])
        for _ in range(options.rounds):
            for variant, measured in results.items():
                measured.append(measure(chats, folder / variant, VARIANTS[variant]))
                sys.stdout.write(f"{variant}: {measured[-1]}\n")
                sys.stdout.flush()
    sys.stdout.write(f"{'':34}{'answers/s':>10}{'median s':>10}{'tokens read':>13}\n")
    for variant, measured in results.items():
        seconds, median, read = (statistics.median(column) for column in zip(*measured, strict=True))
        sys.stdout.write(f"{variant:34}{len(chats) / seconds:10.2f}{median:10.2f}{read:13.0f}\n")


if __name__ == "__main__":
    main()
