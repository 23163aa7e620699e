"""What is written down of a deploy while it goes on: its steps, from what infra.deployment.job says."""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from hub_lambdas.sentences import stored


class Step(TypedDict):
    """One step. `note`: what it has in hand, what it did, or why it failed."""

    name: str
    state: Literal["running", "done", "failed"]
    note: str
    seconds: float | None


def take(steps: list[Step], said: Mapping[str, Any]) -> None:
    """Add to `steps` what a line said of one."""
    if name := said.get("began"):
        steps.append(Step(name=str(name), state="running", note="", seconds=None))
    elif "said" in said and steps and steps[-1]["state"] == "running":
        steps[-1]["note"] = str(said["said"])
    elif name := said.get("ended") or said.get("failed"):
        is_done = "ended" in said
        step = Step(
            name=str(name),
            state="done" if is_done else "failed",
            note=str(said.get("note" if is_done else "reason", "")),
            seconds=float(said.get("seconds", 0)),
        )
        if steps and steps[-1]["name"] == name:
            steps[-1] = step
        else:
            steps.append(step)


def interrupt(steps: list[Step]) -> None:
    """What was running when its worker died."""
    for step in steps:
        if step["state"] == "running":
            step["state"], step["note"] = "failed", stored("The worker was stopped in the middle of it.")
