"""What was chosen, kept in HUB_HOME for the model file and the machine that it was measured on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import llama_cpp

from llm_api.engine.model import describe_gpu, has_gpu
from llm_api.engine.plan import KERNELS, Plan
from llm_api.tuning.trial import Speed
from llm_api.tuning.weights import Difference

FOLDER = "tuned"
VERSION = 2


@dataclass(frozen=True, slots=True)
class Tuned:
    """A plan, and the format that the weights were brought into ("" for the file as it is). `before` is the
    speed without all that; `difference` what it changes in what the model says. `at` is in epoch seconds."""

    plan: Plan
    weights: str
    before: Speed
    after: Speed
    difference: Difference
    at: float

    def __str__(self) -> str:
        described = {"weights": self.weights or "as in the file", **self.plan.describe()}
        described |= describe_gpu(self.plan.gpu_layers)
        return ", ".join(f"{name.lower()} {value}" for name, value in described.items())

    @property
    def gain(self) -> float:
        """So many times as fast an answer of usual size is."""
        return self.before.answer_seconds / self.after.answer_seconds


class Records:
    """One file for each model file and machine; and the weights in the format that was chosen."""

    def __init__(self, home: Path, model: Path) -> None:
        """`home` is HUB_HOME. Reads the whole model file, for its name says little."""
        self._model = model
        self._folder = home / "llm" / FOLDER
        self._key = _key(model)

    def load(self) -> Tuned | None:
        """What was chosen; None where nothing was, or it cannot be used any more."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            tuned = Tuned(
                Plan(**content["plan"]),
                content["weights"],
                Speed(**content["before"]),
                Speed(**content["after"]),
                Difference(**content["difference"]),
                content["at"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return tuned if self.weights(tuned.weights).is_file() else None

    def keep(self, tuned: Tuned) -> Path:
        """Write it down, and remove the weights in other formats; returns the file."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(asdict(tuned), indent=2), encoding="utf-8")
        part.replace(self._path)
        for path in self._folder.glob(f"{self._key}/*.gguf"):
            if path != self.weights(tuned.weights):
                path.unlink()
        return self._path

    def forget(self) -> None:
        """Remove all of it."""
        self._path.unlink(missing_ok=True)
        for path in self._folder.glob(f"{self._key}/*.gguf"):
            path.unlink()

    def weights(self, form: str) -> Path:
        """The file with the weights in a format. Its name is what the service calls its model."""
        stem = self._model.name.removesuffix(".gguf")
        return self._folder / self._key / f"{stem}.as-{form}.gguf" if form else self._model

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._key}.json"


def _key(model: Path) -> str:
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "blake2b")
    machine = (VERSION, KERNELS, llama_cpp.__version__, has_gpu(), *_processor())
    digest.update(repr(machine).encode())
    return digest.hexdigest()[:32]


def _processor() -> tuple[str, int]:
    """Its name and how many CPUs there are."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        name = ""
    return name or platform.processor() or platform.machine(), os.cpu_count() or 1
