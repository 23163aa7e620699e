"""llama.cpp computes tokens that are read together with other code than a few of them, and the former is
changed here (scripts/llama_cpp/kernels.patch). Both must come to the same, and the former to the bit,
whatever is read with what.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.engine.weights import in_format
from llm_api.engine.lane import FEW_TOKENS, Portion
from llm_api.engine.model import Model
from llm_api.engine.plan import Plan
from llm_api.engine.runner import LlamaLane
from tests.llm_api.engine.processor import needs_amx

TEXT = (
    "You answer the customers of Bright Smile, a dentist's practice in Harbour Street, in one or two "
    "short and friendly sentences. We open at nine every day except Sunday, and close at six. A first "
    "visit costs 35 euros, a cleaning 60. You find us next to the bakery, five minutes from the "
    "station. We take cards, and cash, too. Whoever cannot come calls us a day before, or pays half. "
    "Children under twelve are welcome on Wednesdays. Where you do not know the answer, say so, and "
    "tell the customer that a member of the practice is going to write soon. When do you open? At nine, "
    "every day but Sunday. Is there a place for my car? You may leave it behind the house, where we have "
    "six places, or in the street, which is free after four. Can I bring my dog? I am sorry, but dogs must "
    "wait outside. Do you speak French? Two of us do: ask for Claire or Paul when you call. And what if a "
    "tooth breaks in the night? Then call the clinic in Bridge Road, which is open all night, and come to "
    "us in the morning, without an appointment. Thank you, that helps a lot. Then see you on Friday at ten!"
)
CONTEXT_TOKENS = 512
MAX_MEAN_KL = 0.01
"""As much as tuning lets pass (nats)."""

Rows = npt.NDArray[np.float32]


@pytest.fixture(scope="module", params=["", "BF16", "Q8_0", "Q4_0"], ids=lambda form: form or "file")
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    path, _ = in_format(request.param, tmp_path_factory.mktemp("weights"))
    model = Model(path)
    yield model
    model.close()


@pytest.fixture(params=["f16", "bf16", pytest.param("bf16 flash", marks=needs_amx)])
def plan(request: pytest.FixtureRequest) -> Plan:
    kv_type, _, flash = request.param.partition(" ")
    return Plan(1, 1, CONTEXT_TOKENS, flash_attention=bool(flash), kv_type=kv_type)


def read(model: Model, plan: Plan, sizes: Sequence[int], threads: int = 1) -> Rows:
    """What may follow each token of the text, read in portions of these sizes and then the rest."""
    tokens = model.tokenize(TEXT)
    lane = LlamaLane(model, slots=1, context_tokens=CONTEXT_TOKENS, plan=plan)
    lane.use_threads(threads)
    rows: list[Rows] = []
    for start, end in pairwise([0, *np.cumsum(sizes).tolist(), len(tokens)]):
        [logits] = lane.compute([Portion(0, start, tokens[start:end], end - start)])
        rows.extend(each.copy() for each in logits)
    lane.close()
    return np.stack(rows)


def test_tokens_read_together_say_what_single_ones_say(model: Model, plan: Plan) -> None:
    together = read(model, plan, [])
    one_by_one = read(model, plan, [1] * (len(together) - 1))

    assert mean_kl(one_by_one, together) <= MAX_MEAN_KL


@needs_amx
def test_flash_attention_says_what_plain_attention_says(model: Model) -> None:
    plain, flash = (
        Plan(1, 1, CONTEXT_TOKENS, flash_attention=is_flash, kv_type="bf16") for is_flash in (False, True)
    )

    assert mean_kl(read(model, plain, []), read(model, flash, [])) <= MAX_MEAN_KL


@pytest.mark.parametrize("sizes", [[FEW_TOKENS], [17], [31, 19, 33], [64, 63], [128, 81]], ids=str)
def test_a_token_is_the_same_to_the_bit_in_whatever_portion(
    model: Model, plan: Plan, sizes: list[int]
) -> None:
    np.testing.assert_array_equal(read(model, plan, sizes), read(model, plan, []))


@pytest.mark.parametrize("threads", [2, 7])
def test_a_token_is_the_same_to_the_bit_with_more_threads(model: Model, plan: Plan, threads: int) -> None:
    np.testing.assert_array_equal(read(model, plan, [], threads), read(model, plan, []))


def mean_kl(wanted: Rows, seen: Rows) -> float:
    chances, others = (np.exp(log) for log in (log_chances(wanted), log_chances(seen)))
    return float(np.sum(chances * (np.log(chances) - np.log(others)), axis=1).mean())


def log_chances(rows: Rows) -> Rows:
    shifted = rows - rows.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # type: ignore[no-any-return]
