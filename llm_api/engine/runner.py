"""A lane: one llama.cpp context with a KV stream for each slot. The only file that computes with llama.cpp.

Streams of their own (`kv_unified` off), because on a CPU attention walks all cells of its stream: in a shared
one every sequence would pay for all others.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence

import llama_cpp
import numpy as np

from llm_api.engine.lane import FEW_TOKENS, ComputeError, Lane, Portion
from llm_api.engine.model import Model
from llm_api.engine.plan import Plan, default_plan
from llm_api.engine.sampling import Logits
from llm_api.engine.sequence import State

GGML_TYPE_BF16 = 30  # llama_cpp does not name it
_KV_TYPES = {
    "f16": llama_cpp.GGML_TYPE_F16,
    "bf16": GGML_TYPE_BF16,
    "q8_0": llama_cpp.GGML_TYPE_Q8_0,
}


class LlamaLane(Lane):
    """A context with a KV stream for each slot."""

    def __init__(self, model: Model, *, slots: int, context_tokens: int, plan: Plan | None = None) -> None:
        """Raises ComputeError where memory is short."""
        self._model = model
        plan = self._plan = plan or default_plan()
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = slots * context_tokens
        params.n_seq_max = slots
        params.n_batch = params.n_ubatch = max(plan.batch_tokens, slots)
        params.kv_unified = False
        # Off by default, and not for speed: without it a token's numbers do not depend on the batch that it
        # was computed in, so that reading in portions, restoring and writing side by side change no answer.
        params.flash_attn_type = (
            llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
            if plan.flash_attention
            else llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
        params.type_k = params.type_v = _KV_TYPES[plan.kv_type]
        params.no_perf = True
        context = llama_cpp.llama_init_from_model(model.pointer, params)
        if not context:
            raise ComputeError("no context")
        self._context = context
        self._threads = 1  # so that who opens it, and goes on living, gets no helpers (see Model)
        self._memory = llama_cpp.llama_get_memory(context)
        self._batch = llama_cpp.llama_batch_init(params.n_batch, 0, 1)
        try:
            self.compute([Portion(0, 0, [0])])  # maps the weights, finds a broken model
        except ComputeError:
            self.close()
            raise
        self.clear(0)

    def close(self) -> None:
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)

    def use_threads(self, threads: int) -> None:
        self._threads = threads

    def compute(self, portions: Sequence[Portion]) -> list[list[Logits]]:
        batch = self._batch
        count = 0
        for portion in portions:
            for position, token in enumerate(portion.tokens, portion.position):
                batch.token[count] = token
                batch.pos[count] = position
                batch.n_seq_id[count] = 1
                batch.seq_id[count][0] = portion.slot
                batch.logits[count] = position >= portion.position + len(portion.tokens) - portion.outputs
                count += 1
        batch.n_tokens = count
        plan, most = self._plan, self._threads
        threads = plan.writes_with(most) if count < FEW_TOKENS else plan.reads_with(most)
        llama_cpp.llama_set_n_threads(self._context, threads, threads)
        code = llama_cpp.llama_decode(self._context, batch)
        if code != 0:
            raise ComputeError(f"llama_decode gave {code}")
        ends = itertools.accumulate(len(portion.tokens) for portion in portions)
        return [
            [self._logits(index) for index in range(end - portion.outputs, end)]
            for portion, end in zip(portions, ends, strict=True)
        ]

    def save(self, slot: int) -> State:
        size = llama_cpp.llama_state_seq_get_size(self._context, slot)
        # Numpy would ask for huge pages, which took three times as long to come by.
        state = np.frombuffer(bytearray(size), np.uint8)
        if llama_cpp.llama_state_seq_get_data(self._context, _pointer(state), size, slot) != size:
            raise ComputeError("the state cannot be saved")
        return state

    def restore(self, slot: int, state: State, length: int) -> int:
        self.clear(slot)
        taken = llama_cpp.llama_state_seq_set_data(self._context, _pointer(state), len(state), slot)
        if taken == len(state) and self._keep(slot, length):
            return length
        self.clear(slot)
        return 0

    def cut(self, slot: int, length: int) -> None:
        if not self._keep(slot, length):
            raise ComputeError("this kind of model cannot forget tokens")

    def clear(self, slot: int) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, slot, -1, -1)

    def _keep(self, slot: int, length: int) -> bool:
        removed = llama_cpp.llama_memory_seq_rm(self._memory, slot, length, -1)
        return bool(removed) and llama_cpp.llama_memory_seq_pos_max(self._memory, slot) == length - 1

    def _logits(self, index: int) -> Logits:
        pointer = llama_cpp.llama_get_logits_ith(self._context, index)
        return np.ctypeslib.as_array(pointer, (self._model.vocabulary_size,))


def _pointer(state: State) -> ctypes._Pointer[ctypes.c_uint8]:
    return state.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
