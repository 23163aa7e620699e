"""The real model's answers are those that plain `Llama.create_chat_completion` gives at temperature 0: when
many are written side by side, over a shared prefix, from a prefix on disk, or after having been set aside.

Where a text differs, the first differing token must be as good as a tie by the reference's own logits: the
order of floating-point operations may decide it. `pytest -rP` shows how many differ, and their gaps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import llama_cpp
import numpy as np
import pytest

from benchmarks.engine.ablation import burst
from benchmarks.engine.weights import in_format
from llm_api.engine.base import ChatMessage, ChatRequest, Finished, Piece, Role
from llm_api.engine.embedded import EmbeddedEngine
from llm_api.engine.runner import GGML_TYPE_BF16
from llm_api.settings import find_packaged_model
from tests.llm_api.conftest import until
from tests.llm_api.engine.processor import needs_amx

pytestmark = pytest.mark.anyio

MAX_TOKENS = 24
TIE_GAP = 0.7
"""Logits that differ by less swap places when a single token is read alone instead of with others."""
NAMES = ("Bright Smile", "Harbour Bikes", "Café Luna")
FACTS = (
    ("When do you open?", "We open at nine every day except Sunday."),
    ("How much is a first visit?", "A first visit costs 35 euros."),
    ("Where are you?", "You find us in 12 Station Road, next to the bakery."),
    ("Can I pay by card?", "Yes, we take cards, and cash, too."),
)
ROLES: tuple[Role, ...] = ("user", "assistant")
QUESTIONS = (
    "What are your hours on Monday?",
    "Tell me about the weather",
    "price of the first visit",
    "address?",
)


def chat(name: str, question: str) -> ChatRequest:
    examples = [
        ChatMessage(role, text.replace("We", f"{name}: we", 1))
        for fact in FACTS
        for role, text in zip(ROLES, fact, strict=True)
    ]
    system = ChatMessage("system", f"You answer the customers of {name} in one short, friendly sentence.")
    messages = (system, *examples, ChatMessage("user", question))
    return ChatRequest(messages, MAX_TOKENS, group=name)


CHATS = [chat(name, question) for name in NAMES for question in QUESTIONS]


class Reference:
    """Plain llama.cpp, which reads each chat from its beginning."""

    def __init__(self, model: Path | None = None, **settings: Any) -> None:
        path = str(model or find_packaged_model())
        self._llama = llama_cpp.Llama(
            path, n_ctx=1024, n_threads=1, n_threads_batch=2, verbose=False, **settings
        )

    def answer(self, request: ChatRequest) -> str:
        self._llama.reset()  # type: ignore[no-untyped-call]
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        answer = self._llama.create_chat_completion(
            cast(Any, messages), temperature=0.0, max_tokens=request.max_tokens
        )
        return str(cast(Any, answer)["choices"][0]["message"]["content"])

    def gap(self, tokens: list[int], one: int, two: int) -> float:
        """How far apart two continuations of these tokens are, in logits."""
        self._llama.reset()  # type: ignore[no-untyped-call]
        self._llama.eval(tokens)
        logits = np.ctypeslib.as_array(
            llama_cpp.llama_get_logits_ith(self._llama.ctx, -1), (self._llama.n_vocab(),)
        )
        return abs(float(logits[one] - logits[two]))

    def close(self) -> None:
        self._llama.close()


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    reference = Reference()
    yield reference
    reference.close()


@pytest.fixture(scope="module")
def expected(reference: Reference) -> list[str]:
    return [reference.answer(request) for request in CHATS]


@contextmanager
def running(
    spill_folder: Path | None = None, model: Path | None = None, **shape: Any
) -> Iterator[EmbeddedEngine]:
    settings = {"context_tokens": 1024, "slots": 6, "lanes": 2, "threads": 2} | shape
    engine = EmbeddedEngine(model or find_packaged_model(), spill_folder=spill_folder, **settings)
    try:
        yield engine
    finally:
        engine.close_now()


async def answer(engine: EmbeddedEngine, request: ChatRequest) -> tuple[str, Finished]:
    *events, finished = [event async for event in engine.generate(request)]
    assert isinstance(finished, Finished)
    return "".join(event.text for event in events if isinstance(event, Piece)), finished


async def answers(engine: EmbeddedEngine, requests: list[ChatRequest]) -> list[str]:
    return [text for text, _ in await asyncio.gather(*(answer(engine, each) for each in requests))]


def check(
    engine: EmbeddedEngine,
    reference: Reference,
    expected: list[str],
    got: list[str],
    asked: list[ChatRequest] = CHATS,
) -> None:
    gaps = [
        gap_of(engine, reference, request, one, two)
        for request, one, two in zip(asked, expected, got, strict=True)
        if one != two
    ]
    print(f"{len(gaps)} of {len(asked)} answers differ; logit gaps {gaps}")  # noqa: T201  for -rP
    assert all(gap < TIE_GAP for gap in gaps), gaps
    assert len(gaps) <= len(asked) // 4


def gap_of(engine: EmbeddedEngine, reference: Reference, request: ChatRequest, one: str, two: str) -> float:
    model = engine._model
    prompt = model.tokenize(model.render(request.messages))
    [end] = model.tokenize("<|im_end|>")
    first, second = ([*model.tokenize(text), end] for text in (one, two))
    at = next(n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return reference.gap([*prompt, *first[:at]], first[at], second[at])


async def test_side_by_side_over_shared_prefixes(reference: Reference, expected: list[str]) -> None:
    with running() as engine:
        got = await answers(engine, CHATS)
        check(engine, reference, expected, got)
        assert engine.counts.restored_tokens > 100 * (len(CHATS) - len(NAMES))
        assert await answers(engine, CHATS) == got  # now that everything is known


async def test_from_prefixes_on_disk(tmp_path: Path, reference: Reference, expected: list[str]) -> None:
    with running(tmp_path) as engine:
        got = await answers(engine, CHATS)
    with running(tmp_path) as engine:
        assert await answers(engine, CHATS) == got
        check(engine, reference, expected, got)
        assert engine.counts.read_tokens < 40 * len(CHATS)


async def test_another_shape_takes_no_prefixes_from_disk(tmp_path: Path, expected: list[str]) -> None:
    asked = CHATS[: len(QUESTIONS)]
    with running(tmp_path) as engine:
        await answers(engine, asked)
    with running(tmp_path, slots=4) as engine:
        assert await answers(engine, asked) == expected[: len(asked)]
        assert 100 < engine.counts.read_tokens < 260  # once, not by each


async def test_a_damaged_disk_costs_time_and_changes_nothing(tmp_path: Path, expected: list[str]) -> None:
    asked = CHATS[: len(QUESTIONS)]
    with running(tmp_path) as engine:
        await answers(engine, asked)
    for path in tmp_path.glob("*/*"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 255
        path.write_bytes(data)
    with running(tmp_path) as engine:
        assert await answers(engine, asked) == expected[: len(asked)]
        assert engine.counts.read_tokens > 150


async def test_with_guesses_the_answers_are_the_same(reference: Reference) -> None:
    asked = burst(organizations=2, questions=10, examples=3)
    with running(drafts=False) as engine:
        without = await answers(engine, asked)
    with running() as engine:
        assert await answers(engine, asked) == without
        assert engine.counts.accepted_tokens > 50
        check(engine, reference, [reference.answer(request) for request in asked], without, asked)


@pytest.mark.parametrize(
    "form", ["BF16", pytest.param("", marks=needs_amx)], ids=["weights", "flash-attention"]
)
async def test_in_numbers_of_half_size_an_answer_does_not_depend_on_others(tmp_path: Path, form: str) -> None:
    """And is plain llama.cpp's with the same weights and the same kind of memory."""
    path, half = in_format(form, tmp_path)
    plan = replace(half, kv_type="bf16", flash_attention=not form)
    with running(model=path, plan=plan) as engine:
        alone = [(await answer(engine, request))[0] for request in CHATS]
    plain = Reference(path, type_k=GGML_TYPE_BF16, type_v=GGML_TYPE_BF16, flash_attn=plan.flash_attention)
    with running(model=path, plan=plan) as engine:
        assert await answers(engine, CHATS) == alone
        check(engine, plain, [plain.answer(request) for request in CHATS], alone)
    plain.close()


async def test_set_aside_and_taken_up_again(reference: Reference, expected: list[str]) -> None:
    with running(lanes=1, slots=4, context_tokens=256, room_tokens=310) as engine:
        check(engine, reference, expected, await answers(engine, CHATS))
        assert engine.counts.preemptions > 0


async def test_conversations_beside_cancelled_ones(expected: list[str]) -> None:
    with running() as engine:
        asked = [asyncio.create_task(answer(engine, request)) for request in CHATS]
        doomed = [asyncio.create_task(answer(engine, request)) for request in CHATS]
        await until(lambda: engine.counts.written_tokens > 5)
        for task in doomed:
            task.cancel()
        assert [(await task)[0] for task in asked] == expected
        await until(lambda: engine.load.running == engine.load.waiting == 0)
