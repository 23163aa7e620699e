"""A deploy from beginning to end, as far as it goes while somebody else is at it."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from infra.deployment.bucket import Bucket
from infra.deployment.clients import StageClients
from infra.deployment.errors import Locked, ReleaseError
from infra.deployment.lock import KEY, Holder
from infra.deployment.running import Caller, restart, roll_back
from infra.deployment.stage import Emulator, Stage, load_stage
from tests.infra.deployment.test_plan import Watched

CALLER = Caller("bob", Watched(), lambda: False)


@pytest.fixture
def stage(aws: str) -> Stage:
    return replace(load_stage("local"), emulator=Emulator(urlsplit(aws).port or 0, 0))


def test_what_runs_is_looked_at_only_by_who_holds_the_lock(stage: Stage) -> None:
    """Somebody else's deploy may change what a rollback leads to and what is put back after a failure."""
    with pytest.raises(ReleaseError, match="No other release ran"):
        roll_back(stage, None, CALLER)
    now = datetime.now(UTC).isoformat()
    bucket = Bucket(stage.releases_bucket, StageClients(stage))
    bucket.write(KEY, asdict(Holder("ann", "elsewhere", 1, "deploy", now, now)))

    with pytest.raises(Locked):
        roll_back(stage, None, CALLER)
    with pytest.raises(Locked):
        restart(stage, CALLER)
