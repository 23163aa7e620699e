"""The packaged model with its weights in a format that `make tune` may choose, and how it is computed so."""

from __future__ import annotations

from pathlib import Path

from llm_api.engine.plan import Plan, default_plan
from llm_api.settings import find_packaged_model
from llm_api.tuning.weights import FORMATS, requantize


def in_format(form: str, folder: Path) -> tuple[Path, Plan]:
    """The model file, made in `folder` unless it lies there, and its plan; "" is the file as it is."""
    model = find_packaged_model()
    if not form:
        return model, default_plan()
    path = folder / f"{form}.gguf"
    if not path.exists():
        requantize(model, path, form)
    return path, FORMATS[form].plan(default_plan())
