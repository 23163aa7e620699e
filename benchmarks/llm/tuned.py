"""Our service as `make tune` leaves it, and llama-server with the weights that it found."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.llm.servers import Kind, ServerFailed
from llm_api.tuning.record import Records

OURS_TUNED = "ours, tuned"
LLAMA_SERVER_TUNED = "llama-server, tuned weights"


def tuned_kinds(
    model: Path, threads: int, untuned: Sequence[Kind], checkout: Path, home: Path
) -> Sequence[Kind]:
    """Tunes into `home`, an empty folder, which takes two minutes. The second is left out where no other
    weights than the model's are worth it."""
    ours, _, llama_server = untuned
    environment = os.environ | {
        "HUB_HOME": str(home),
        "HUB_LLM_MODEL": str(model),
        "HUB_LLM_THREADS": str(threads),
        "PYTHONPATH": str(checkout),
    }
    command = [sys.executable, "-m", "llm_api.tune"]
    if subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode:
        raise ServerFailed("The model could not be tuned: see the message above.")
    records = Records(home, model)
    tuned = records.load()
    if tuned is None:
        raise ServerFailed("The tuned model cannot be read back: see make tune.")
    weights = records.weights(tuned.weights)
    ours = replace(ours, name=OURS_TUNED, weights=weights, home=home)
    if not tuned.weights:
        return [ours]

    def command_with_weights(_: Path, port: int, threads: int) -> Sequence[str]:
        return llama_server.command(weights, port, threads)

    return [
        ours,
        replace(llama_server, name=LLAMA_SERVER_TUNED, command=command_with_weights, weights=weights),
    ]
