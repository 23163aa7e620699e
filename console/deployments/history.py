"""What ran on the stages: deploys that were asked for here, and those that somebody made elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from console.deployments.models import Deploy, Stage, title

OURS = "(console)"
"""How the stage's own history marks what was asked for here."""
SHOWN = 50


@dataclass(frozen=True)
class Entry:
    """A line of the history. `deploy`: where it was asked for here; `can_return`: the release is kept."""

    stage: str
    task: str
    release: str
    who: str
    at: datetime
    took: datetime | None
    outcome: str
    label: str
    reason: str
    deploy: Deploy | None
    can_return: bool

    @property
    def title(self) -> str:
        return title(self.task, self.release, self.stage)

    @property
    def took_ms(self) -> float | None:
        return (self.took - self.at).total_seconds() * 1000 if self.took else None


def entries(stages: Iterable[Stage], deploys: Iterable[Deploy]) -> Sequence[Entry]:
    """The latest, newest first."""
    by_name = {stage.name: stage for stage in stages}
    own = [_own(deploy, by_name.get(deploy.stage)) for deploy in deploys]
    others = [
        _other(stage, said)
        for stage in by_name.values()
        for said in stage.history
        if not said["who"].endswith(OURS)
    ]
    return sorted([*own, *others], key=lambda entry: entry.at, reverse=True)[:SHOWN]


def _own(deploy: Deploy, stage: Stage | None) -> Entry:
    return Entry(
        stage=deploy.stage,
        task=deploy.task,
        release=deploy.short,
        who=_who(deploy),
        at=deploy.started_at or deploy.asked_at,
        took=deploy.finished_at if deploy.started_at else None,
        outcome=deploy.state,
        label=deploy.get_state_display(),
        reason=deploy.reason,
        deploy=deploy,
        can_return=deploy.state == Deploy.State.DONE and _can_return(stage, deploy.short),
    )


def _other(stage: Stage, said: Mapping[str, Any]) -> Entry:
    outcome = said["outcome"]
    return Entry(
        stage=stage.name,
        task=said["task"],
        release=said["release"],
        who=said["who"],
        at=datetime.fromisoformat(said["started"]),
        took=datetime.fromisoformat(said["finished"]) if said["finished"] else None,
        outcome=outcome,
        label=str(Deploy.State(outcome).label) if outcome in Deploy.State.values else _(outcome.capitalize()),
        reason=said["reason"],
        deploy=None,
        can_return=outcome == Deploy.State.DONE and _can_return(stage, said["release"]),
    )


def _can_return(stage: Stage | None, release: str) -> bool:
    return stage is not None and release in stage.kept and release != stage.release


def _who(deploy: Deploy) -> str:
    asked = deploy.asked_by.email if deploy.asked_by else _("somebody")
    if deploy.decided_by is None:
        return asked
    if deploy.state == Deploy.State.REFUSED:
        said = _("%(who)s, refused by %(other)s")
    else:
        said = _("%(who)s, approved by %(other)s")
    return said % {"who": asked, "other": deploy.decided_by.email}
