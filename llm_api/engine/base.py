"""What every engine offers: `generate` streams the answer to one chat, many calls at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length"]
Priority = Literal["interactive", "test"]


class EngineError(Exception):
    """The engine failed on this request; the same request may work when tried again at once."""

    code = "engine_error"
    permanent = False


class EngineUnavailableError(EngineError):
    """The engine cannot be reached or is overloaded; trying again makes sense after a pause."""


class EngineRefusedError(EngineError):
    """The engine's server refuses us (a wrong key, an unknown model); trying again changes nothing."""

    permanent = True


class InvalidRequestError(EngineError):
    """The model cannot take these messages; trying again changes nothing."""

    code = "invalid_request"
    permanent = True


class ContextLengthExceededError(InvalidRequestError):
    """The messages need more tokens than the model's context has."""

    code = "context_length_exceeded"


class ModelLoadError(EngineError):
    """The model file cannot be loaded."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat to continue. `max_tokens` None means: up to the end of the context.

    `group` is who asks, an organization say: chats of one group begin alike, and groups take turns.
    `answer_by` is in epoch seconds.
    """

    messages: tuple[ChatMessage, ...]
    max_tokens: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    group: str = ""
    priority: Priority = "interactive"
    answer_by: float | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The engine has accepted the request and works on it since `at` (epoch seconds)."""

    at: float


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of the answer: whole characters, never part of a stop string."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is complete. `cached_tokens` of the prompt were still in memory from a chat before;
    `dropped_messages`, the oldest ones behind the system's, did not fit into the context."""

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    dropped_messages: int = 0


Event = Started | Piece | Finished


class Engine(ABC):
    """`slots` requests run at a time; further ones wait in the order of their calls."""

    model: str
    slots: int
    about: Mapping[str, str] = {}
    """How it computes, by what people call it."""
    keeps_prompts = False
    """Whether a prompt that was read before is answered sooner, so that reading ahead is worth something."""

    @property
    def context(self) -> int | None:
        """How many tokens a prompt and its answer may have together, where it is known."""
        return None

    @abstractmethod
    def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Yield one Started, any number of Pieces, one Finished; raise EngineError instead.

        Closing the generator, or cancelling the task that reads it, stops the work.
        """

    async def check(self) -> str | None:
        """Why the engine cannot serve just now, as a short phrase; None when it can."""
        return None

    def numbers(self) -> Mapping[str, float]:
        """What it has done since it started, and has now, by name, for the metrics."""
        return {}

    @abstractmethod
    async def close(self) -> None:
        """Stop all work and free what the engine holds."""
