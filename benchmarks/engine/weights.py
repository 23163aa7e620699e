"""The packaged model as it may be computed: with its weights in a format that `make tune` may choose, or as
that has found it fastest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from llm_api.engine.plan import Plan, default_plan
from llm_api.settings import ROOT, find_packaged_model, load_settings
from llm_api.tuning.record import Records
from llm_api.tuning.weights import FORMATS, requantize

TUNED = "tuned"


def in_format(form: str, folder: Path) -> tuple[Path, Plan]:
    """The model file, made in `folder` unless it lies there, and its plan; "" is the file as it is, and TUNED
    what `tuned` gives."""
    if form == TUNED:
        return tuned()
    model = find_packaged_model()
    if not form:
        return model, default_plan()
    path = folder / f"{form}.gguf"
    if not path.exists():
        requantize(model, path, form)
    return path, FORMATS[form].plan(default_plan())


def tuned() -> tuple[Path, Plan]:
    """The model of the settings as `make tune` has left it here. Ends the program where it has not."""
    os.environ.setdefault("HUB_LLM_TOKEN", "none")  # the service needs one, measuring does not
    settings = load_settings(ROOT)
    records = Records(ROOT / settings.home, settings.find_model())
    found = records.load()
    if found is None:
        sys.exit("What is fastest here is not known: run make tune first.")
    return records.weights(found.weights), found.plan
