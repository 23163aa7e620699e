"""`python -m llm_api.tune`: find out how this machine computes the model fastest, for the next start."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from llm_api.engine.base import ModelLoadError
from llm_api.engine.lane import ComputeError
from llm_api.settings import ROOT, SettingsError, load_settings
from llm_api.tuning.record import Records, Tuned
from llm_api.tuning.search import tune

BAR_WIDTH = 24


class ProgressBar:
    """One line that is drawn again on a terminal; elsewhere a line for each thing that is begun."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._done = 0.0

    def tell(self, what: str, done: float) -> None:
        self._done = max(self._done, done)
        if not self._is_terminal:
            self._write(f"{self._done:4.0%} {what}\n")
            return
        filled = round(self._done * BAR_WIDTH)
        bar = "█" * filled + "·" * (BAR_WIDTH - filled)
        self._write(f"\r{bar} {self._done:4.0%} {what:<48.48}")

    def end(self) -> None:
        if self._is_terminal:
            self._write(f"\r{' ' * (BAR_WIDTH + 54)}\r")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def main(root: Path = ROOT) -> int:
    """The exit code is 2 where a setting or the model file is at fault."""
    bar, began = ProgressBar(), time.monotonic()
    os.environ.setdefault("HUB_LLM_TOKEN", "none")  # the service needs one, measuring does not
    try:
        settings = load_settings(root)
        model = settings.find_model()
        tuned = tune(Records(root / settings.home, model), model, bar.tell, settings.slots, settings.threads)
    except (SettingsError, ModelLoadError) as error:
        bar.end()
        sys.stderr.write(f"{error}\n")
        return 2
    except ComputeError as error:
        bar.end()
        sys.stderr.write(
            f"The model cannot be computed ({error}): free memory, or set HUB_LLM_MODEL to another.\n"
        )
        return 2
    bar.end()
    sys.stdout.write(report(model.name, tuned, time.monotonic() - began))
    return 0


def report(name: str, tuned: Tuned, seconds: float) -> str:
    before, after = tuned.before, tuned.after
    return (
        f"{name}, measured in {seconds:.0f} s: {tuned}\n"
        f"  tokens read     {before.read:6.0f} a second, now {after.read:6.0f}\n"
        f"  tokens written  {before.written:6.0f} a second, now {after.written:6.0f}\n"
        f"  answers         {tuned.gain:.2f} times as fast\n"
        f"  what it says    {tuned.difference}\n"
        "llm_api uses this from its next start on.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
