"""The engine inside this process: llama.cpp over a GGUF file. This is its asyncio face."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from llm_api.engine.base import (
    ChatRequest,
    Engine,
    EngineError,
    EngineUnavailableError,
    Event,
    Finished,
    ModelLoadError,
)
from llm_api.engine.core import CLOSED, Core, Load, Shape
from llm_api.engine.drafting import guess_answer
from llm_api.engine.lane import ComputeError
from llm_api.engine.model import Model, describe_gpu
from llm_api.engine.plan import Plan, default_plan
from llm_api.engine.prefix_store import PrefixStore, StoreCounts
from llm_api.engine.prompt import read_prompt
from llm_api.engine.runner import LlamaLane
from llm_api.engine.sampling import Sampler
from llm_api.engine.sequence import Sequence
from llm_api.engine.spill import DiskSpill, fingerprint
from llm_api.engine.text import TextStream
from llm_api.engine.worker import Counts, Job
from llm_api.logs import request_id

SLOTS = 8
TOKENIZERS = 4
"""Chats that are made tokens at a time, in milliseconds each."""
PREFIX_BYTES = 2**30
SPILL_BYTES = 2**32


class EmbeddedEngine(Engine):
    """Serves the chat template of the model file, `slots` requests at a time; more wait for their turn."""

    keeps_prompts = True

    def __init__(
        self,
        path: Path,
        *,
        context_tokens: int,
        threads: int | None = None,
        slots: int = SLOTS,
        lanes: int | None = None,
        prefix_bytes: int = PREFIX_BYTES,
        spill_folder: Path | None = None,
        spill_bytes: int = SPILL_BYTES,
        room_tokens: int | None = None,
        drafts: bool = True,
        plan: Plan | None = None,
    ) -> None:
        """Load the model file, which blocks. Raises ModelLoadError with a sentence for the reader.

        Every request has `context_tokens` for prompt and answer: memory is taken for `slots` times as many.
        States of prefixes take up to `prefix_bytes` of memory, and `spill_bytes` of `spill_folder`.
        `threads` and `lanes` count for more than the plan's.
        """
        self.model = path.name.removesuffix(".gguf")
        plan = plan or default_plan(threads)
        threads = threads or plan.threads
        lanes = min(lanes or min(plan.lanes, threads), slots)
        self.plan = replace(plan, lanes=lanes, threads=threads)
        if self.plan != plan:  # how one lane of other ones computes best is not known
            self.plan = replace(self.plan, reading_threads=None, writing_threads=None)
        self._model = Model(path, plan.gpu_layers)
        self.context_tokens = context_tokens
        self._drafts = drafts and self._model.can_forget
        shape = Shape(lanes, -(-slots // lanes), threads, plan.batch_tokens, plan.writes_alone)
        self._spill = None
        if spill_folder:
            self._spill = DiskSpill(spill_folder, fingerprint(path, shape.slots, plan.memory), spill_bytes)
        self._tokenizers = ThreadPoolExecutor(TOKENIZERS, thread_name_prefix="tokenizer")
        self._store = PrefixStore(prefix_bytes if self._model.can_forget else 0, self._spill)
        self.slots = shape.lanes * shape.slots
        self.about = {**self.plan.describe(), **describe_gpu(plan.gpu_layers)}
        try:
            self._core = Core(
                self._model,
                partial(
                    LlamaLane, self._model, slots=shape.slots, context_tokens=context_tokens, plan=self.plan
                ),
                shape,
                self._store,
                context_tokens=context_tokens,
                room_tokens=room_tokens,
            )
        except ComputeError as error:
            raise ModelLoadError(
                f"The model {path} cannot compute, perhaps for want of memory for {self.slots} slots of "
                f"{context_tokens} tokens: lower HUB_LLM_SLOTS or HUB_LLM_CONTEXT_TOKENS."
            ) from error

    @property
    def context(self) -> int:
        return self.context_tokens

    @property
    def counts(self) -> Counts:
        return self._core.counts

    @property
    def prefixes(self) -> StoreCounts:
        return self._store.counts

    @property
    def load(self) -> Load:
        return self._core.load

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event | EngineError] = asyncio.Queue()

        def publish(event: Event | EngineError) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(events.put_nowait, event)

        job = Job(
            await self._tokenize(request),
            Sampler(request.temperature, request.top_p, request.seed),
            TextStream(request.stop),
            publish,
            request_id.get(),
        )
        self._core.submit(job)
        try:
            while True:
                event = await events.get()
                if isinstance(event, EngineError):
                    raise event
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            self._core.cancel(job)

    async def _tokenize(self, request: ChatRequest) -> Sequence:
        """In a thread of its own, to whose end `close` waits whoever has gone meanwhile."""
        try:
            reading = self._tokenizers.submit(self._sequence, request)
        except RuntimeError as error:  # they are shut down
            raise EngineUnavailableError(CLOSED) from error
        return await asyncio.wrap_future(reading)

    def numbers(self) -> Mapping[str, float]:
        counted = {**asdict(self.counts), **{f"prefix_{k}": n for k, n in asdict(self.prefixes).items()}}
        now = {**asdict(self.load), **asdict(self._core.kept)}
        return {**{f"{name}_total": number for name, number in counted.items()}, **now}

    async def check(self) -> str | None:
        return self._core.problem

    async def close(self) -> None:
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """As `close`, where there is no event loop."""
        self._core.close()
        self._tokenizers.shutdown()
        if self._spill:
            self._spill.close()
        self._model.close()

    def _sequence(self, request: ChatRequest) -> Sequence:
        prompt = read_prompt(
            self._model, request.messages, context_tokens=self.context_tokens, max_tokens=request.max_tokens
        )
        room = self.context_tokens - len(prompt.tokens)
        return Sequence(
            prompt,
            min(request.max_tokens or room, room),
            group=request.group,
            priority=request.priority,
            answer_by=request.answer_by,
            guess=self._guess(request),
        )

    def _guess(self, request: ChatRequest) -> tuple[int, ...]:
        """For greedy answers only: a drawn token is not there to be guessed."""
        if not self._drafts or request.temperature > 0:
            return ()
        return tuple(self._model.tokenize(guess_answer(request.messages)))
