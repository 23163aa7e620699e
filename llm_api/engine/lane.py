"""What the engine's threads ask of a model: `runner` does it with llama.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from llm_api.engine.sampling import Logits
from llm_api.engine.sequence import State

BATCH_TOKENS = 128
"""So many tokens are computed at once: as fast as more on a CPU, and a cancel is heard after each."""
FEW_TOKENS = 16
"""Fewer tokens than these llama.cpp may round along another path than more
(scripts/llama_cpp/amx_weights.h). So prompts are read in portions of as many at least, and answers written
fewer at a time: neither changes what a model says. It costs up to 15 tokens where a question is shorter."""


class ComputeError(Exception):
    """The model failed: the lane's memory is in an unknown state and must be made anew."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Tokens to compute in a slot from a position on. What may follow is asked for the last `outputs`."""

    slot: int
    position: int
    tokens: Sequence[int]
    outputs: int = 1


class Vocabulary(Protocol):
    can_forget: bool
    """Whether tokens can be taken out of a lane's memory again: not so of recurrent models."""

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for, perhaps part of a character. Control tokens have none."""

    def ends(self, token: int) -> bool:
        """Whether the model says with this token that its answer is complete."""


class Lane(Protocol):
    """Slots that are computed together, each with a memory of its own. Used by one thread at a time."""

    def compute(self, portions: Sequence[Portion]) -> list[list[Logits]]:
        """Compute the portions in one batch, and return what may follow the last tokens of each. The logits
        are valid until the next call. Raises ComputeError."""

    def save(self, slot: int) -> State:
        """A copy of what is computed in a slot. Raises ComputeError."""

    def restore(self, slot: int, state: State, length: int) -> int:
        """Fill a slot with the first `length` tokens of a state. Returns how many are there: none where the
        state does not fit the model or this kind of model cannot forget the rest."""

    def cut(self, slot: int, length: int) -> None:
        """Forget what comes after the first `length` tokens of a slot. Raises ComputeError."""

    def clear(self, slot: int) -> None: ...

    def use_threads(self, threads: int) -> None: ...

    def close(self) -> None: ...
