"""The engine inside this process: llama.cpp over a GGUF file, one request at a time.

The only file that calls llama_cpp. All calls run on one worker thread, so asyncio stays free and
waiting requests keep their order.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import llama_cpp
from jinja2 import TemplateError
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from llm_api.engine.base import (
    ChatRequest,
    ContextLengthExceededError,
    Engine,
    EngineError,
    Event,
    Finished,
    FinishReason,
    InvalidRequestError,
    ModelLoadError,
    Piece,
    Started,
)
from llm_api.engine.text import TextStream, clean_text

BATCH_TOKENS = 128  # as fast as larger ones on a CPU, and a cancel is heard after each
SEEDS = 2**32 - 1  # llama.cpp reads the largest 32-bit seed as "choose one"


class EmbeddedEngine(Engine):
    """Serves the chat template of the model file; the longest common prefix stays in the KV cache."""

    slots = 1

    def __init__(self, path: Path, *, context_tokens: int, threads: int | None = None) -> None:
        """Load the model file, which blocks. Raises ModelLoadError with a sentence for the reader."""
        self.model = path.name.removesuffix(".gguf")
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="llama")
        try:
            self._llama = _load(path, context_tokens, threads or os.cpu_count() or 1)
            self.context_tokens = self._llama.n_ctx()  # llama.cpp rounds up
            self._vocab = llama_cpp.llama_model_get_vocab(self._llama.model)
            self._formatter = _chat_formatter(self._llama, path)
            self._control_tokens = _control_token_pattern(self._llama, self._vocab)
            next(self._llama.generate([0]))  # a first decode: maps the weights, finds a broken model
        except (ValueError, RuntimeError, OSError, TemplateError) as error:
            raise ModelLoadError(
                f"The model file {path} cannot be loaded: it is broken, incomplete or of an unknown kind."
            ) from error

    async def generate(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event | EngineError] = asyncio.Queue()
        cancelled = threading.Event()

        def publish(event: Event | EngineError) -> None:
            if not cancelled.is_set():
                loop.call_soon_threadsafe(events.put_nowait, event)

        job = self._worker.submit(self._work, request, publish, cancelled)
        try:
            while True:
                event = await events.get()
                if isinstance(event, EngineError):
                    raise event
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            cancelled.set()
            job.cancel()

    async def close(self) -> None:
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)
        self._llama.close()

    def _work(
        self, request: ChatRequest, publish: Callable[[Event | EngineError], None], cancelled: threading.Event
    ) -> None:
        try:
            for event in self._run(request, cancelled):
                publish(event)
        except EngineError as error:
            publish(error)
        except Exception as error:  # the worker must live on, and its caller must hear
            # The text of the error may quote the prompt: only its kind leaves this function.
            self._llama.reset()  # type: ignore[no-untyped-call]
            publish(EngineError(f"The model failed with {type(error).__name__}: try again."))

    def _run(self, request: ChatRequest, cancelled: threading.Event) -> Iterator[Event]:
        started_at = time.time()
        prompt = self._tokenize(request)
        room = self.context_tokens - len(prompt)
        if room <= 0:
            raise ContextLengthExceededError(
                f"The model's context is {self.context_tokens} tokens and the messages have {len(prompt)}: "
                "shorten them or raise HUB_LLM_CONTEXT_TOKENS."
            )
        cached = min(llama_cpp.Llama.longest_token_prefix(self._llama.eval_tokens, prompt), len(prompt) - 1)
        yield Started(started_at)
        limit = min(request.max_tokens or room, room)
        stream = TextStream(request.stop)
        reason: FinishReason = "length"
        count = 0
        for token in self._decode(prompt, cached, request, cancelled):
            if llama_cpp.llama_vocab_is_eog(self._vocab, token):
                reason = "stop"
                break
            count += 1
            if text := stream.feed(self._llama.detokenize([token])):
                yield Piece(text)
            if stream.stopped:
                reason = "stop"
            if stream.stopped or count == limit:
                break
        if text := stream.finish():
            yield Piece(text)
        yield Finished(reason, len(prompt), count, cached)

    def _decode(
        self, prompt: list[int], cached: int, request: ChatRequest, cancelled: threading.Event
    ) -> Iterator[int]:
        """Yield the tokens that the model writes; ends early, silently, when cancelled."""
        seed = secrets.randbelow(SEEDS) if request.seed is None else request.seed % SEEDS
        self._llama.set_seed(seed)
        # Feed what is not cached batch by batch (each call continues on the prefix before it), so that
        # a cancel is heard between batches and not only after the whole prompt.
        for end in range(cached + BATCH_TOKENS, len(prompt), BATCH_TOKENS):
            if cancelled.is_set():
                return
            next(self._llama.generate(prompt[:end], temp=0.0))
        # Of a prompt that is all in memory llama.cpp would read one token again, along a path that rounds
        # differently from the one for several: two keep the answer the same, however often it is asked.
        self._llama.n_tokens = min(self._llama.n_tokens, max(len(prompt) - 2, 0))
        for token in self._llama.generate(prompt, temp=request.temperature, top_p=request.top_p):
            if cancelled.is_set():
                return
            yield token

    def _tokenize(self, request: ChatRequest) -> list[int]:
        messages: Any = [{"role": m.role, "content": self._disarm(m.content)} for m in request.messages]
        try:
            rendered = self._formatter(messages=messages)
        except TemplateError:
            raise InvalidRequestError("The model's chat template refuses this order of roles.") from None
        return self._llama.tokenize(
            rendered.prompt.encode("utf-8"), add_bos=not rendered.added_special, special=True
        )

    def _disarm(self, text: str) -> str:
        """Clean the text and break up control tokens in it, which would let a contact write as the system."""
        return self._control_tokens.sub(lambda found: found[0][0] + " " + found[0][1:], clean_text(text))


def _load(path: Path, context_tokens: int, threads: int) -> llama_cpp.Llama:
    return llama_cpp.Llama(
        str(path),
        n_ctx=context_tokens,
        n_batch=BATCH_TOKENS,
        n_threads=threads,
        n_threads_batch=threads,
        verbose=False,
    )


def _chat_formatter(llama: llama_cpp.Llama, path: Path) -> Jinja2ChatFormatter:
    template = llama.metadata.get("tokenizer.chat_template")
    if template is None:
        raise ModelLoadError(f"The model file {path} has no chat template: choose an instruct model.")
    vocab = llama_cpp.llama_model_get_vocab(llama.model)

    def text_of(token: int) -> str:
        return llama_cpp.llama_vocab_get_text(vocab, token).decode("utf-8") if token >= 0 else ""

    return Jinja2ChatFormatter(
        template, eos_token=text_of(llama.token_eos()), bos_token=text_of(llama.token_bos())
    )


def _control_token_pattern(llama: llama_cpp.Llama, vocab: llama_cpp.llama_vocab_p) -> re.Pattern[str]:
    """Matches every text that the tokenizer would read as a control token of this model."""
    special = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
    texts = [
        llama_cpp.llama_vocab_get_text(vocab, token).decode("utf-8", "replace")
        for token in range(llama.n_vocab())
        if llama_cpp.llama_vocab_get_attr(vocab, token) & special
    ]
    longest_first = sorted((text for text in texts if len(text) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
