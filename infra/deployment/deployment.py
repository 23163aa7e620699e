"""The steps of a deploy and of a rollback. Each may be done again: what is done already is found so and
left."""

import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from hub_lambdas.sentences import stored
from infra.deployment.functions import Functions, wanted_triggers
from infra.deployment.plan import Step
from infra.deployment.releases import BOXES, Releases
from infra.deployment.settings import (
    MANAGE,
    Facts,
    Settings,
    expand,
    fingerprint,
    guard,
    is_http,
    read_functions,
)
from infra.deployment.stacks import TEMPLATES, Stacks
from infra.deployment.stage import Stage
from infra.deployment.static_files import StaticFiles
from infra.deployment.zappa import Zappa

CONSOLE_PACKAGE = ("console", MANAGE)
BOXES_STACK = "llm"
"""The stack of the LLM boxes. Its template is kept with a release, since it says how they run it."""
_BOXES_FILE = f"{BOXES_STACK}.yaml"
AT_A_TIME = 4


class Packages(Protocol):
    """Who builds the files of a release, and what its LLM boxes run."""

    def names(self) -> Sequence[str]: ...

    def archive(self) -> str | None:
        """The file that LLM boxes run, named after its content; None where the stage has no boxes."""

    def build(self, name: str) -> Path: ...

    def check(self, name: str, path: Path) -> str:
        """What is to be said of a file that was built: "" where nothing is. Fails where it cannot run."""


class Secret(Protocol):
    """Who completes the stage's secret."""

    def complete(self) -> Sequence[str]: ...


class Deployment:
    """Puts a release on a stage, as seen from one machine. What it touches is handed in."""

    def __init__(
        self,
        stage: Stage,
        stacks: Stacks,
        functions: Functions,
        releases: Releases,
        zappa: Zappa,
        packages: Packages,
        static_files: StaticFiles,
        secret: Secret,
    ) -> None:
        self._stage, self._stacks, self._functions = stage, stacks, functions
        self._releases, self._zappa, self._packages = releases, zappa, packages
        self._static_files, self._secret = static_files, secret
        self._built: dict[tuple[str, str], Path] = {}

    def deploying(self, release: str) -> list[Step]:
        """The steps that put a new release on the stage, and keep it once it answers."""
        return [
            Step(stored("build"), lambda: self._build(release)),
            Step(stored("check"), self._check),
            Step(stored("upload"), lambda: self._upload(release)),
            Step(stored("infra"), lambda: self._apply_stacks(release), alters=True),
            Step(stored("static files"), lambda: self._publish(release)),
            Step(stored("addresses"), lambda: self._make_addresses(release)),
            Step(stored("migrate"), lambda: self._migrate(release)),
            Step(stored("update"), lambda: self._update(release)),
            *self._finishing(release),
        ]

    def returning(self, release: str) -> list[Step]:
        """The steps that put a kept release back. The database stays as it is: migrations fit the release
        before."""
        return [*self.restoring(release), *self._testing(release)]

    def restarting(self, release: str) -> list[Step]:
        """The steps that give every function its release anew, so that it reads its secrets again."""
        return [Step(stored("forget"), self._forget_marks), *self.returning(release)]

    def restoring(self, release: str | None) -> list[Step]:
        """The steps that undo a deploy that failed, where a release ran before it."""
        if release is None:
            return []
        return [
            Step(stored("restore %(release)s", release=release), lambda: self._restore(release), alters=True),
            Step(stored("triggers"), lambda: self._set_triggers(release)),
            Step(stored("orphans"), lambda: self._remove_orphans(release)),
        ]

    def _finishing(self, release: str) -> list[Step]:
        return [
            Step(stored("triggers"), lambda: self._set_triggers(release)),
            Step(stored("orphans"), lambda: self._remove_orphans(release)),
            *self._testing(release),
        ]

    def _testing(self, release: str) -> list[Step]:
        return [
            Step(stored("smoke test"), lambda: self._test(release)),
            Step(stored("keep"), lambda: self._keep(release)),
        ]

    # --- the steps; each says in a few words what it did ---

    def _build(self, release: str) -> str:
        wanted = [(release, name) for name in self._packages.names()]
        if archive := self._packages.archive():
            wanted.append((BOXES, archive))
        missing = [file for file in wanted if not self._releases.has(*file)]
        self._built = {file: self._packages.build(file[1]) for file in missing}
        sizes = [
            f"{name} {path.stat().st_size / 1024 / 1024:.1f} MB" for (_, name), path in self._built.items()
        ]
        return ", ".join(sizes) or stored("kept from before")

    def _check(self) -> str:
        remarks = [self._packages.check(name, path) for (_, name), path in self._built.items()]
        return "; ".join(remark for remark in remarks if remark)

    def _upload(self, release: str) -> str:
        for (folder, name), path in self._built.items():
            self._releases.keep(folder, path, name)
        if archive := self._packages.archive():
            self._releases.keep(release, TEMPLATES / _BOXES_FILE, _BOXES_FILE)
            self._releases.keep_archive(release, archive)
        return _count(len(self._built), stored("1 file"), stored("%(count)s files"))

    def _apply_stacks(self, release: str) -> str:
        changed = [
            template
            for template in self._stage.stacks
            if self._stacks.apply(
                template, self._releases.archive(release) if template == BOXES_STACK else ""
            )
        ]
        made = self._secret.complete()
        changes = stored("%(templates)s changed", templates=", ".join(changed) or stored("nothing"))
        if not made:
            return changes
        return stored("%(changes)s; made %(secrets)s", changes=changes, secrets=", ".join(made))

    def _publish(self, release: str) -> str:
        return stored("%(count)s put", count=self._static_files.publish(release))

    def _make_addresses(self, release: str) -> str:
        """An address belongs to a function, and the functions are told their addresses: so those that have
        one are made first."""
        settings = self._settings(release)
        missing = [
            name
            for name, values in settings.items()
            if is_http(values) and name not in self._addresses(settings)
        ]
        self._put(settings, release, missing)
        self._releases.keep_settings(release, self._settings(release))
        return " ".join(self._addresses(settings).values())

    def _migrate(self, release: str) -> str:
        settings = self._releases.settings(release)
        self._put(settings, release, [MANAGE])
        self._zappa.manage(settings, MANAGE, "migrate --no-input")
        return ""

    def _update(self, release: str) -> str:
        settings = self._releases.settings(release)
        put = self._put(settings, release, settings)
        return _count(len(put), stored("1 function"), stored("%(count)s functions"))

    def _forget_marks(self) -> str:
        for name in read_functions():
            self._functions.set_mark(name, "")
        return ""

    def _restore(self, release: str) -> str:
        if BOXES_STACK in self._stage.stacks:
            with tempfile.TemporaryDirectory() as folder:
                self._releases.fetch(release, _BOXES_FILE, Path(folder, _BOXES_FILE))
                self._stacks.apply(BOXES_STACK, self._releases.archive(release), Path(folder))
        return self._update(release)

    def _set_triggers(self, release: str) -> str:
        settings = self._releases.settings(release)
        wanted = wanted_triggers(settings)
        changes = self._functions.set_triggers(wanted)
        schedules = self._functions.expect_schedules(settings)
        return stored(
            "%(queues)s queues and %(schedules)s verified, %(mended)s mended",
            queues=len(wanted),
            schedules=_count(schedules, stored("1 schedule"), stored("%(count)s schedules")),
            mended=len(changes.made) + len(changes.mended),
        )

    def _remove_orphans(self, release: str) -> str:
        own = {self._stage.function_name(name) for name in self._releases.settings(release)}
        orphans = sorted(self._functions.names() - own)
        for name in orphans:
            self._functions.remove(name)
            self._stacks.delete(name)
        return ", ".join(orphans) or stored("none")

    def _test(self, release: str) -> str:
        said = self._zappa.manage(
            self._releases.settings(release),
            MANAGE,
            f"smoke_test --within-seconds {self._stage.answer_within_seconds:g}",
        )
        return next((line for line in said.splitlines() if "nswered" in line), "")

    def _keep(self, release: str) -> str:
        self._releases.set_current(release)
        old = self._releases.forget_old()
        for each in old:
            self._static_files.forget(each)
        return _count(len(old), stored("1 old release removed"), stored("%(count)s old releases removed"))

    # --- how they do it ---

    def _settings(self, release: str) -> dict[str, dict[str, Any]]:
        functions = read_functions()
        facts = Facts(self._stacks.exports(), self._addresses(functions))
        return expand(functions, self._stage, facts, release)

    def _addresses(self, settings: Settings) -> dict[str, str]:
        found = {}
        for name, values in settings.items():
            stack = self._stage.function_name(name)
            if is_http(values) and (api := self._stacks.resource_id(stack, "ApiV2")):
                found[name] = self._stage.api_url(api, name)
        return found

    def _put(self, settings: Settings, release: str, names: Collection[str]) -> list[str]:
        """Give these functions a release, a few at a time; those that do not have it yet, and say which."""
        self._remove_half_made(settings, names)
        existing = self._functions.names()
        safe = {trigger.key for trigger in self._functions.triggers() if trigger.is_safe}
        guarded = guard(settings, safe)
        stale = [name for name in names if not self._is_current(name, settings, existing)]

        def put(name: str) -> None:
            package = "console.zip" if name in CONSOLE_PACKAGE else "functions.zip"
            address = self._releases.address(release, package)
            if self._stage.function_name(name) in existing:
                self._functions.set_mark(name, "")  # what is interrupted from here on counts as not done
                self._zappa.update(guarded, name, address)
            else:
                self._zappa.deploy(guarded, name, address)
            self._functions.set_mark(name, fingerprint(settings[name]))

        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for _ in pool.map(put, stale):
                pass
        return stale

    def _remove_half_made(self, settings: Settings, names: Collection[str]) -> None:
        """A function that was to answer HTTP and has no address is what an interrupted `zappa deploy` left:
        Zappa neither deploys it again nor updates it into one."""
        without = {name for name in names if is_http(settings[name])} - set(self._addresses(settings))
        for name in {self._stage.function_name(name) for name in without} & self._functions.names():
            self._functions.remove(name)

    def _is_current(self, name: str, settings: Settings, existing: Collection[str]) -> bool:
        is_there = self._stage.function_name(name) in existing
        return is_there and self._functions.mark(name) == fingerprint(settings[name])


def _count(number: int, one: str, many: str) -> str:
    return one if number == 1 else many % {"count": number}
