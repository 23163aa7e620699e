"""The same weights in another format, and whether they still say the same.

Which format is fast depends on the machine: for some llama.cpp has kernels that read many tokens at once
(Q8_0, F16 on x86; BF16 where the processor multiplies such numbers) or repacks the weights (Q4_0), for
others (Q4_1) it has none. Weights of fewer bits than the file's lose what they know; those of more bits cost
memory, and time where writing waits for memory.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import llama_cpp
import numpy as np
import numpy.typing as npt

from llm_api.engine.drafting import CLEAR_LEAD
from llm_api.engine.lane import ComputeError, Portion
from llm_api.engine.model import Model
from llm_api.engine.plan import KvType, Plan
from llm_api.engine.runner import LlamaLane


@dataclass(frozen=True, slots=True)
class Format:
    """`code` is llama.cpp's. What a context remembers is best kept in numbers that the processor multiplies
    as it does the weights. With half-precision weights llama.cpp rounds a single token differently from
    several, of other answers, too: where each `writes_alone`, none depends on what is written beside it."""

    code: int
    kv_type: KvType = "f16"
    writes_alone: bool = False

    def plan(self, usual: Plan) -> Plan:
        return replace(usual, kv_type=self.kv_type, writes_alone=self.writes_alone)


FORMATS = {
    "Q8_0": Format(llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0),
    "F16": Format(llama_cpp.LLAMA_FTYPE_MOSTLY_F16, writes_alone=True),
    "BF16": Format(llama_cpp.LLAMA_FTYPE_MOSTLY_BF16, "bf16", writes_alone=True),
    "Q4_0": Format(llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0),
}
MAX_FILE_BYTES = 2**30
"""Of larger files no other format is made: that takes minutes, and as many gigabytes."""

MAX_MEAN_KL = 0.01
"""In nats, of the chances of all next tokens. The same weights in F16, which lose nothing, differ by 0.003
from SmolLM2's Q4_1, for their numbers are rounded elsewhere."""
MIN_KEPT = 0.99
"""Of the likeliest tokens that lead by a whole logit."""

TEXT = """\
You are the assistant of Bright Smile Dental, a dental clinic in the old town. Answer in one or two short, \
friendly sentences, and only with what you were told here. If you do not know, say that a colleague will help.
Question: How much is a whitening? Answer: A whitening costs 280 euros and takes about an hour.
Question: Are you open on Sunday? Answer: No, we are closed on Sundays. We are open from Monday to Friday, \
nine to six, and on Saturday until noon.
Question: Do I need an appointment for a check-up? Answer: Yes, please. You can book one here, by telephone \
or on our website, and we usually have a free hour within the week.
Frage: Kann ich mit Karte bezahlen? Antwort: Ja, wir nehmen Karten und auch Bargeld.
Pregunta: ¿Dónde están? Respuesta: Estamos en la calle de la Estación 12, al lado de la panadería.
Question: My tooth hurts, what can I do? Answer: I am sorry to hear that. Please call us at once, we keep \
two hours free for emergencies every day; until then a cold cloth on the cheek may help."""
SKIPPED = 8
"""Of the first tokens: nobody could guess what follows them."""

LogChances = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Difference:
    """How far another way to compute a model is from the usual one, over TEXT."""

    mean_kl: float
    kept: float

    @property
    def is_small(self) -> bool:
        return self.mean_kl <= MAX_MEAN_KL and self.kept >= MIN_KEPT

    def __str__(self) -> str:
        return f"KL {self.mean_kl:.4f}, {self.kept:.1%} of clear leads kept"


def requantize(source: Path, target: Path, form: str) -> None:
    """Write the weights of a file in another format. Raises ComputeError where llama.cpp cannot."""
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FORMATS[form].code
    params.allow_requantize = True
    params.nthread = os.cpu_count() or 1
    part = target.with_suffix(".part")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with _silence():
            code = llama_cpp.llama_model_quantize(
                os.fsencode(source), os.fsencode(part), ctypes.byref(params)
            )
        if code != 0:
            raise ComputeError(f"llama_model_quantize gave {code}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def chances(path: Path, plan: Plan) -> LogChances:
    """Logarithms of the chances of each next token in TEXT, by a model file."""
    model = Model(path, plan.gpu_layers)
    try:
        tokens = model.tokenize(TEXT)
        lane = LlamaLane(model, slots=1, context_tokens=len(tokens) + plan.batch_tokens, plan=plan)
        lane.use_threads(plan.threads)
        try:
            found: list[LogChances] = []
            for start in range(0, len(tokens), plan.batch_tokens):
                portion = tokens[start : start + plan.batch_tokens]
                [logits] = lane.compute([Portion(0, start, portion, len(portion))])
                found += [_log_softmax(each) for each in logits]
            return np.array(found[SKIPPED:])
        finally:
            lane.close()
    finally:
        model.close()


def difference(usual: LogChances, other: LogChances) -> Difference:
    """Of two models' chances for the same tokens."""
    divergence = (np.exp(usual) * (usual - other)).sum(axis=1, dtype=np.float64)
    two_best = np.partition(usual, -2, axis=1)[:, -2:]
    clear = two_best[:, 1] - two_best[:, 0] >= CLEAR_LEAD
    same = usual.argmax(axis=1) == other.argmax(axis=1)
    return Difference(float(divergence.mean()), float(same[clear].mean()) if clear.any() else 1.0)


def _log_softmax(logits: npt.NDArray[np.float32]) -> LogChances:
    shifted = logits - logits.max()
    result: LogChances = shifted - np.log(np.exp(shifted).sum())
    return result


@contextmanager
def _silence() -> Iterator[None]:
    """llama.cpp writes a line for each tensor past its logger."""
    kept = os.dup(2), os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        os.dup2(null, 1)
        yield
    finally:
        os.dup2(kept[0], 2)
        os.dup2(kept[1], 1)
        for each in (*kept, null):
            os.close(each)
