"""How a model is computed on a machine: what `python -m llm_api.tune` measures and chooses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from llm_api.engine.lane import BATCH_TOKENS

KvType = Literal["f16", "bf16", "q8_0"]
ALL_LAYERS = -1
KERNELS = 3
"""Another number where scripts/llama_cpp changes what is computed: what was tuned and kept before is void."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`threads` are shared by the `lanes` that are busy, of which each reads with no more than
    `reading_threads`, and writes or reads but a few tokens with no more than `writing_threads`, if these are
    known; `batch_tokens` are computed at once, and the next tokens of several answers, too, unless each
    `writes_alone`. What a context remembers is kept as `kv_type`; q8_0 needs `flash_attention`. `gpu_layers`
    are computed by a GPU where there is one."""

    lanes: int
    threads: int
    batch_tokens: int = BATCH_TOKENS
    flash_attention: bool = False
    kv_type: KvType = "f16"
    writes_alone: bool = False
    gpu_layers: int = ALL_LAYERS
    reading_threads: int | None = None
    writing_threads: int | None = None

    def describe(self) -> dict[str, str]:
        """For people."""
        return {
            "Lanes": str(self.lanes),
            "Threads": str(self.threads),
            "Threads of a lane alone": f"{self.reads_with()} reading, {self.writes_with()} writing",
            "Portions": f"{self.batch_tokens} tokens",
            "Answers written": "one by one" if self.writes_alone else "together",
            "Flash attention": "on" if self.flash_attention else "off",
            "KV cache": self.kv_type,
        }

    def reads_with(self, threads: int | None = None) -> int:
        """With how many threads a lane reads that may have so many, or all."""
        threads = threads or self.threads
        return min(threads, self.reading_threads or threads)

    def writes_with(self, threads: int | None = None) -> int:
        threads = threads or self.threads
        return min(threads, self.writing_threads or threads)

    @property
    def memory(self) -> str:
        """In what form a context remembers: states of one form fit no other."""
        return f"{self.kv_type} flash" if self.flash_attention else self.kv_type


def default_plan(threads: int | None = None) -> Plan:
    """What holds for most machines: a lane for each CPU."""
    threads = threads or os.cpu_count() or 1
    return Plan(threads, threads)
