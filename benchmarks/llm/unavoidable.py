"""The time that the tokens of a load need on this machine, whoever serves it: each distinct prompt token is
computed once and each token of the answers once, at the speeds of a plain loop in the manner of llama-bench,
with the attention that is the fastest here.

`python -m benchmarks.llm.unavoidable --model M --threads N` prints these speeds as JSON.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from benchmarks.llm.load import Request
from llm_api.engine.runner import GGML_TYPE_BF16

READ_TOKENS = 512
READ_REPEATS = 3
WRITE_BATCHES = (1, 8, 32)
WRITE_TOKENS = 96
"""Of all sequences of a batch together, for each kind of batch."""


@dataclass(frozen=True)
class Speeds:
    """Tokens a second: of a prompt, and of answers at the number of answers at a time that is the fastest."""

    read: float
    write: float

    def seconds(self, prompt_tokens: float, written_tokens: float) -> float:
        """How long so many tokens take at least."""
        return prompt_tokens / self.read + written_tokens / self.write


def measure_speeds(model: Path, threads: int) -> Speeds:
    """In a process of its own, whose memory and threads end with it."""
    command = [sys.executable, "-m", __name__, "--model", str(model), "--threads", str(threads)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Speeds(**json.loads(output))


def distinct_tokens(prompts: Iterable[Sequence[int]]) -> int:
    """How many tokens must be computed where a common beginning is computed once: the nodes of their trie."""
    ordered = sorted(map(tuple, prompts))
    shared = sum(_common(one, other) for one, other in itertools.pairwise(ordered))
    return sum(map(len, ordered)) - shared


def tokenize(model: Path, requests: Sequence[Request]) -> Sequence[Sequence[int]]:
    """The prompts of requests as token ids, by the chat template of the model file."""
    import llama_cpp
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    _be_silent()
    llama = llama_cpp.Llama(str(model), vocab_only=True, verbose=False)
    template = llama.metadata["tokenizer.chat_template"]
    formatter = Jinja2ChatFormatter(template, eos_token="", bos_token="")
    prompts = []
    for request in requests:
        text = formatter(messages=list(request.messages)).prompt  # type: ignore[arg-type]
        prompts.append(llama.tokenize(text.encode(), add_bos=False, special=True))
    llama.close()
    return prompts


@cache
def _be_silent() -> object:
    """llama.cpp writes no log. The cache keeps the callback, which ctypes does not."""
    import llama_cpp

    silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silent, None)
    return silent


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


class _Loop:
    """A model whose sequences are filled with one token and extended; what they say does not matter.

    Attention is llama.cpp's choice over a KV cache of F16, or flash attention over one of BF16, for which
    there are other kernels (scripts/llama_cpp/amx_attention.h): whichever is faster.
    """

    def __init__(self, model: Path, threads: int) -> None:
        import llama_cpp

        self._lib = llama_cpp
        self._threads = threads
        _be_silent()
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(
            str(model).encode(), llama_cpp.llama_model_default_params()
        )
        self._batch = llama_cpp.llama_batch_init(READ_TOKENS, 0, 1)

    def speeds(self) -> Speeds:
        plain, flash = self._speeds(is_bf16=False), self._speeds(is_bf16=True)
        return Speeds(max(plain.read, flash.read), max(plain.write, flash.write))

    def _speeds(self, *, is_bf16: bool) -> Speeds:
        llama_cpp = self._lib
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = READ_TOKENS * max(WRITE_BATCHES)  # each sequence has its own part of it
        params.n_batch = params.n_ubatch = READ_TOKENS
        params.n_seq_max = max(WRITE_BATCHES)
        params.n_threads = params.n_threads_batch = self._threads
        if is_bf16:
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
            params.type_k = params.type_v = GGML_TYPE_BF16
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        speeds = Speeds(self._read_speed(), max(map(self._write_speed, WRITE_BATCHES)))
        llama_cpp.llama_free(self._context)
        return speeds

    def _read_speed(self) -> float:
        """Prompt tokens a second, in the fastest of some runs."""
        self._timed_read()  # a first decode: maps the weights
        return READ_TOKENS / min(self._timed_read() for _ in range(READ_REPEATS))

    def _write_speed(self, sequences: int) -> float:
        """Answer tokens a second of so many answers at a time."""
        steps = max(1, WRITE_TOKENS // sequences)
        self._clear()
        self._decode([(sequence, 0, True) for sequence in range(sequences)])
        started_at = time.perf_counter()
        for step in range(steps):
            self._decode([(sequence, step + 1, True) for sequence in range(sequences)])
        return steps * sequences / (time.perf_counter() - started_at)

    def _timed_read(self) -> float:
        self._clear()
        started_at = time.perf_counter()
        self._decode([(0, position, position == READ_TOKENS - 1) for position in range(READ_TOKENS)])
        return time.perf_counter() - started_at

    def _clear(self) -> None:
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)

    def _decode(self, tokens: Sequence[tuple[int, int, bool]]) -> None:
        batch = self._batch
        batch.n_tokens = len(tokens)
        for place, (sequence, position, is_output) in enumerate(tokens):
            batch.token[place] = 100 + (position * 7 + sequence) % 1000
            batch.pos[place] = position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = sequence
            batch.logits[place] = is_output
        if self._lib.llama_decode(self._context, batch) != 0:
            raise RuntimeError("llama.cpp cannot decode the benchmark's batch: is the model file whole?")
        self._lib.llama_synchronize(self._context)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    print(json.dumps(asdict(_Loop(arguments.model, arguments.threads).speeds())))


if __name__ == "__main__":
    main()
