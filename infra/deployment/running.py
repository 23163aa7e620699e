"""A deploy or a rollback of a stage from beginning to end: ground, lock, history, steps. For `make` and for
jobs."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from hub_lambdas.sentences import stored
from infra.deployment import secret
from infra.deployment.bucket import Bucket
from infra.deployment.checkout import expect_checked_out
from infra.deployment.clients import Clients, StageClients
from infra.deployment.deployment import BOXES_STACK, Deployment, Packages
from infra.deployment.errors import Cancelled, DeployError, ReleaseError, StageError
from infra.deployment.functions import Functions
from infra.deployment.ground import Ground
from infra.deployment.lock import holding
from infra.deployment.plan import Report, Step, carry_out
from infra.deployment.releases import CANCELLED, DONE, FAILED, ROLLBACK, Releases
from infra.deployment.settings import MANAGE
from infra.deployment.stacks import Stacks
from infra.deployment.stage import Stage
from infra.deployment.static_files import StaticFiles
from infra.deployment.zappa import Zappa
from infra.local.environment import ROOT
from infra.packages import llm, ops, runtime, static
from infra.packages.build import build, build_static, packed
from infra.packages.checks import COLD_START_AIM_SECONDS, check
from infra.packages.package import PACKAGES

FOLDER = ROOT / "packages"
_ARCHIVE = ".zip"


@dataclass(frozen=True)
class Caller:
    """Who wants it, who is shown how far it is, and whether they still want it."""

    who: str
    report: Report
    is_cancelled: Callable[[], bool]


def deploy(stage: Stage, commit: str, caller: Caller, packages: Packages | None = None) -> None:
    """Put a commit on a stage, built here unless `packages` has it built. Where that fails, what ran before
    runs again, and the reason is raised as DeployError."""
    if stage.emulator is None:
        runtime.expect_same()
        expect_checked_out(commit)
    release = commit[:12]
    place = _place(stage, packages or _Packages(stage, commit, caller.report), caller.report)
    _carry_out(place, "deploy", lambda: release, place.deployment.deploying, caller)


def roll_back(stage: Stage, release: str | None, caller: Caller) -> str:
    """Put a kept release back, the one before where none is named; which it was. Raises DeployError."""
    place = _place(stage, _Packages(stage, "", caller.report), caller.report)
    return _carry_out(
        place, ROLLBACK, lambda: release or place.releases.one_before(), place.deployment.returning, caller
    )


def restart(stage: Stage, caller: Caller) -> str:
    """Give every function what it runs anew, so that it reads its secrets again; the release. Raises
    DeployError."""
    place = _place(stage, _Packages(stage, "", caller.report), caller.report)
    return _carry_out(
        place, "restart", lambda: _current(stage, place.releases), place.deployment.restarting, caller
    )


def manage(stage: Stage, command: str) -> str:
    """Run a command of manage.py on the stage; what it printed. Raises DeployError."""
    releases = releases_of(stage)
    settings = releases.settings(_current(stage, releases))
    return Zappa(StageClients(stage).environment()).manage(settings, MANAGE, command)


def _current(stage: Stage, releases: Releases) -> str:
    if current := releases.current():
        return current
    raise ReleaseError(
        stored("Nothing runs on %(stage)s yet: `make deploy STAGE=%(stage)s`.", stage=stage.name)
    )


def releases_of(stage: Stage) -> Releases:
    """For who wants to look only."""
    return Releases(Bucket(stage.releases_bucket, StageClients(stage)))


@dataclass(frozen=True)
class _Place:
    """A stage with its bucket ready."""

    bucket: Bucket
    releases: Releases
    deployment: Deployment


class _Packages:
    """The files of a release, built from a commit on this machine."""

    def __init__(self, stage: Stage, commit: str, report: Report) -> None:
        self._commit, self._stacks, self._is_on_aws = commit, stage.stacks, stage.emulator is None
        self._report = report
        self._size = str(stage.stacks.get(BOXES_STACK, {}).get("Size", "small"))

    def names(self) -> Sequence[str]:
        of_boxes = [ops.NAME] if "ops" in self._stacks else []
        return [*(f"{name}{_ARCHIVE}" for name in PACKAGES), static.NAME, *of_boxes]

    def archive(self) -> str | None:
        return llm.archive_name(self._commit, self._size) if BOXES_STACK in self._stacks else None

    def build(self, name: str) -> Path:
        self._report.said(name)
        if name == self.archive():
            return llm.build_llm(self._commit, FOLDER, self._size)
        if name == ops.NAME:
            return ops.pack(self._commit, FOLDER)
        if name == static.NAME:
            return build_static(self._commit, FOLDER)
        package = PACKAGES[name.removesuffix(_ARCHIVE)]
        made = packed(package, self._commit, FOLDER)
        return made if made.exists() else build(package, self._commit, FOLDER)

    def check(self, name: str, path: Path) -> str:
        package = PACKAGES.get(name.removesuffix(_ARCHIVE))
        if package is None:
            return ""
        if self._is_on_aws:
            runtime.expect_fit(path)
        return stored(
            "%(package)s starts in %(seconds)s s of CPU, aim %(aim)s",
            package=package.name,
            seconds=f"{check(package, path, rounds=1).slowest_seconds:.2f}",
            aim=COLD_START_AIM_SECONDS,
        )


class _Secret:
    """The stage's secret. An emulated stage has its database from the ground that it stands on."""

    def __init__(self, stage: Stage, clients: Clients) -> None:
        self._stage, self._clients = stage, clients

    def complete(self) -> Sequence[str]:
        known = {}
        if self._stage.emulator:
            known["DATABASE_URL"] = Ground(self._stage, self._stage.emulator).database_url
        return secret.complete(self._stage.secret, self._clients, known)


def _place(stage: Stage, packages: Packages, report: Report) -> _Place:
    with aws_errors():
        clients = StageClients(stage)
        account = clients.client("sts").get_caller_identity()["Account"]
        if account != stage.account:
            raise StageError(
                stored(
                    "The credentials are those of account %(account)s, and infra/stages/%(stage)s.yaml names "
                    "%(other)s: use the right ones, or put your account there.",
                    account=account,
                    stage=stage.name,
                    other=stage.account,
                )
            )
        stacks = Stacks(stage, clients)
        if not stacks.exists("storage"):
            stacks.apply("storage")  # the lock lies in it
        bucket = Bucket(stage.releases_bucket, clients)
    releases = Releases(bucket)
    deployment = Deployment(
        stage,
        stacks,
        Functions(stage, clients),
        releases,
        Zappa(clients.environment(), report.said),
        packages,
        StaticFiles(Bucket(stage.static_bucket, clients), releases),
        _Secret(stage, clients),
    )
    return _Place(bucket, releases, deployment)


def _carry_out(
    place: _Place,
    task: str,
    choose: Callable[[], str],
    steps: Callable[[str], Sequence[Step]],
    caller: Caller,
) -> str:
    """Choose a release and do its steps; which it was. What runs is looked at with the lock in hand."""
    with aws_errors(), holding(place.bucket, caller.who, socket.gethostname(), task) as is_lost:
        release, before = choose(), place.releases.current()
        entry = place.releases.begin(task, release, caller.who)
        try:
            restoring = place.deployment.restoring(before)
            carry_out(steps(release), restoring, caller.report, caller.is_cancelled, is_lost)
        except Exception as error:
            outcome = CANCELLED if isinstance(error, Cancelled) else FAILED
            place.releases.end(entry, outcome, str(error))
            raise
        place.releases.end(entry, DONE)
    return release


@contextmanager
def aws_errors() -> Iterator[None]:
    """What AWS refuses is a reason like another."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise DeployError(stored("AWS refused: %(error)s", error=error)) from error
