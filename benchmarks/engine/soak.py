"""The real model under load for long: `python -m benchmarks.engine.soak --minutes 20`.

Contacts of many organizations ask and go on asking; some cancel, and now and then an organization edits its
prompt. Prints memory and counts as it goes; the exit code is 1 after an error, an answer that stays away, a
sequence that is left behind, or memory that grows after the first half by more than a tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.engine.ablation import GOODS, WORDINGS, fact
from benchmarks.engine.weights import in_format
from llm_api.engine.base import ChatMessage, ChatRequest, EngineError, Piece
from llm_api.engine.core import Load
from llm_api.engine.embedded import EmbeddedEngine

MAX_TURNS = 6
CANCELS = 0.1
EDITS = 0.01
REPORT_SECONDS = 15.0
SETTLE_SECONDS = 5.0
PAGE_BYTES = 4096


@dataclass
class Soak:
    engine: EmbeddedEngine
    organizations: int
    dice: random.Random
    editions: dict[int, int] = field(default_factory=dict)
    answered: int = 0
    cancelled: int = 0
    errors: list[str] = field(default_factory=list)

    async def contact(self, until: float) -> None:
        """One contact after the other, each with a conversation of a few turns."""
        while time.monotonic() < until:
            organization = min(
                self.dice.randrange(self.organizations), self.dice.randrange(self.organizations)
            )
            if self.dice.random() < EDITS:
                self.editions[organization] = self.editions.get(organization, 0) + 1
            messages = self._instructions(organization)
            for _ in range(self.dice.randint(1, MAX_TURNS)):
                good = self.dice.choice(GOODS)
                question = self.dice.choice(WORDINGS).format(good)
                messages.append(
                    ChatMessage("user", f"Facts: {fact(organization, good)}\n\nQuestion: {question}")
                )
                text = await self._ask(organization, messages)
                if text is None or time.monotonic() > until:
                    break
                messages.append(ChatMessage("assistant", text))

    def _instructions(self, organization: int) -> list[ChatMessage]:
        edition = self.editions.get(organization, 0)
        system = f"You answer the customers of clinic number {organization} from the facts given."
        messages = [ChatMessage("system", f"{system} Edition {edition}.")]
        for good in GOODS[: 3 + organization % 7]:
            told = fact(organization, good)
            asked = f"Facts: {told}\n\nQuestion: What does a {good} cost?"
            messages += [ChatMessage("user", asked), ChatMessage("assistant", told)]
        return messages

    async def _ask(self, organization: int, messages: list[ChatMessage]) -> str | None:
        """The answer, or None where it was cancelled or failed."""
        request = ChatRequest(tuple(messages), 40, group=f"clinic {organization}")
        patience = self.dice.uniform(0.05, 2) if self.dice.random() < CANCELS else 60
        try:
            async with asyncio.timeout(patience):
                events = [event async for event in self.engine.generate(request)]
        except TimeoutError:
            self.cancelled += 1
            if patience == 60:
                self.errors.append("an answer stayed away")
            return None
        except EngineError as error:
            self.errors.append(str(error))
            return None
        self.answered += 1
        return "".join(event.text for event in events if isinstance(event, Piece))


def memory_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


async def soak(run: Soak, minutes: float, contacts: int) -> list[int]:
    """Memory in bytes, from time to time."""
    began = time.monotonic()
    until = began + minutes * 60
    asking = [asyncio.create_task(run.contact(until)) for _ in range(contacts)]
    memory: list[int] = []
    while time.monotonic() < until:
        await asyncio.sleep(min(REPORT_SECONDS, max(0.1, until - time.monotonic())))
        gc.collect()
        memory.append(memory_bytes())
        sys.stdout.write(
            f"{time.monotonic() - began:6.0f} s  {memory[-1] / 1e6:6.0f} MB  {run.answered} answered, "
            f"{run.cancelled} cancelled, {len(run.errors)} errors, {run.engine.load}\n"
        )
        sys.stdout.flush()
    await asyncio.gather(*asking)
    return memory


def settled(engine: EmbeddedEngine) -> Load:
    """What the engine still has some seconds after the last contact has gone: a request is let go a moment
    after its answer is complete, or after the step in which it was called off."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (load := engine.load) != Load(0, 0) and time.monotonic() < deadline:
        time.sleep(0.05)
    return load


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--contacts", type=int, default=12)
    parser.add_argument("--organizations", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prefix-megabytes", type=int, default=200)
    parser.add_argument(
        "--weights", default="", help="another format than the file's (BF16 and so on), or tuned"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, plan = in_format(options.weights, Path(folder))
        engine = EmbeddedEngine(
            path,
            context_tokens=1024,
            prefix_bytes=options.prefix_megabytes * 10**6,
            spill_folder=Path(folder),
            plan=plan,
        )
        dice = random.Random(options.seed)  # noqa: S311  no secret
        run = Soak(engine, options.organizations, dice)
        memory = asyncio.run(soak(run, options.minutes, options.contacts))
        left = settled(engine)
        sys.stdout.write(f"{engine.counts}\n{engine.prefixes}\n{run.errors[:5]}\nleft: {left}\n")
        engine.close_now()
    half = memory[len(memory) // 2]
    grown = max(memory[len(memory) // 2 :]) > 1.1 * half
    return int(bool(run.errors) or left != Load(0, 0) or grown)


if __name__ == "__main__":
    sys.exit(main())
