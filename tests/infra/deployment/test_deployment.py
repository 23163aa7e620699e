"""A stage from nothing to its first release, to the next, and back, on a cloud that is a few dictionaries."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.deployment.deployment import Deployment
from infra.deployment.errors import DeployError, ZappaError
from infra.deployment.functions import Changes, Trigger, compare
from infra.deployment.plan import carry_out
from infra.deployment.settings import Settings, read_functions
from infra.deployment.stacks import TEMPLATES
from infra.deployment.stage import Stage, load_stage
from tests.infra.deployment.test_plan import Watched

STAGE = load_stage("local")
FUNCTIONS = sorted(read_functions())


class Cloud:
    """All that Deployment touches. `code`: the package that each function has; `did`: what happened, in
    order; `breaks`: when to fail, by what is about to happen."""

    def __init__(self, tmp_path: Path) -> None:
        self.code: dict[str, str] = {}
        self.marks: dict[str, str] = {}
        self.found: dict[tuple[str, str], Trigger] = {}
        self.without_address: set[str] = set()
        self.lost_while_unsafe: list[str] = []
        self.stacks: dict[str, str] = {}
        self.boxes_run = ""
        self.archives: dict[str, str] = {}
        self.files: dict[tuple[str, str], bytes] = {}
        self.kept: dict[str, Any] = {}
        self.running: str | None = None
        self.did: list[str] = []
        self.breaks: Callable[[str], bool] = lambda what: False
        self._folder = tmp_path

    def happens(self, what: str) -> None:
        if self.breaks(what):
            raise ZappaError(f"{what} broke")
        self.did.append(what)

    # packages, static files and secret

    def publish(self, release: str) -> int:
        self.happens(f"publish {release}")
        return 3

    def forget(self, release: str) -> None:
        self.happens(f"forget {release}")

    def build(self, name: str) -> Path:
        self.happens(f"build {name}")
        (self._folder / name).write_bytes(b"zip")
        return self._folder / name

    def complete(self) -> Sequence[str]:
        return []

    # stacks

    def apply(self, template: str, archive: str = "", folder: Path = TEMPLATES) -> bool:
        self.stacks[template] = (folder / f"{template}.yaml").read_text()
        self.boxes_run = archive or self.boxes_run
        return True

    def exports(self) -> dict[str, str]:
        return {}

    def resource_id(self, stack: str, resource: str) -> str | None:
        return "api" if stack in self.code and stack not in self.without_address else None

    def delete(self, stack: str) -> None:
        self.happens(f"delete {stack}")

    # releases

    def address(self, release: str, file: str) -> str:
        return f"{release}/{file}"

    def has(self, release: str, file: str) -> bool:
        return (release, file) in self.files

    def keep(self, release: str, path: Path, name: str) -> None:
        self.files[release, name] = path.read_bytes()

    def fetch(self, release: str, name: str, path: Path) -> Path:
        path.write_bytes(self.files[release, name])
        return path

    def keep_archive(self, release: str, name: str) -> None:
        self.archives[release] = name

    def archive(self, release: str) -> str:
        return f"boxes/{self.archives[release]}"

    def keep_settings(self, release: str, settings: Settings) -> None:
        self.kept[release] = settings

    def settings(self, release: str) -> Any:
        return self.kept[release]

    def set_current(self, release: str) -> None:
        self.running = release

    def forget_old(self) -> list[str]:
        return []

    # functions

    def function_names(self) -> set[str]:
        return set(self.code)

    def mark(self, function: str) -> str:
        return self.marks.get(function, "")

    def set_mark(self, function: str, mark: str) -> None:
        self.marks[function] = mark

    def triggers(self) -> list[Trigger]:
        return [*self.found.values()]

    def set_triggers(self, wanted: Sequence[Trigger]) -> Changes:
        changes = compare(wanted, self.triggers())
        self.found = {each.key: each for each in wanted}
        self.happens("triggers")
        return changes

    def expect_schedules(self, settings: Settings) -> int:
        return 1

    def remove(self, name: str) -> None:
        self.happens(f"remove {name}")
        self.without_address.discard(name)
        del self.code[name]

    # zappa

    def deploy(self, settings: Settings, function: str, package: str) -> None:
        assert STAGE.function_name(function) not in self.code, "Zappa deploys nothing twice"
        self._put("deploy", settings, function, package)

    def update(self, settings: Settings, function: str, package: str) -> None:
        self._put("update", settings, function, package)

    def manage(self, settings: Settings, function: str, command: str) -> str:
        self.happens(f"manage {command} with {self.code[STAGE.function_name(function)]}")
        return "Answered in 1.2 s"

    def _put(self, task: str, settings: Settings, function: str, package: str) -> None:
        self.happens(f"{task} {function}")
        self.code[STAGE.function_name(function)] = package
        for event in settings[function].get("events", ()):
            if source := event.get("event_source"):
                queue = source["arn"].rpartition(":")[2]
                known = self.found.get((function, queue))
                made = known or Trigger(function, queue, source["batch_size"], "id", is_safe=False)
                if source["enabled"] and not made.is_safe:
                    self.lost_while_unsafe.append(function)
                self.found[function, queue] = made


class FunctionsOf:
    """The functions of a Cloud, whose `names` are not those of its packages."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cloud, {"names": "function_names"}.get(name, name))


class PackagesOf:
    def __init__(self, cloud: Cloud, archive: str | None) -> None:
        self.build, self._cloud, self._archive = cloud.build, cloud, archive

    def names(self) -> Sequence[str]:
        return ["functions.zip", "console.zip"]

    def archive(self) -> str | None:
        return self._archive

    def check(self, name: str, path: Path) -> str:
        self._cloud.happens(f"check {name}")
        return f"{name} starts in 0.3 s"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path)
    yield cloud
    assert cloud.lost_while_unsafe == [], "a trigger fed a function whose failures it deletes"


def deployment(cloud: Any, stage: Stage = STAGE, archive: str | None = None) -> Deployment:
    packages = PackagesOf(cloud, archive)
    return Deployment(stage, cloud, FunctionsOf(cloud), cloud, cloud, packages, cloud, cloud)  # type: ignore[arg-type]


def deploy(cloud: Cloud, release: str, is_cancelled: Callable[[], bool] = lambda: False) -> list[str]:
    """What the report was told."""
    report, made = Watched(), deployment(cloud)
    before = cloud.running
    carry_out(made.deploying(release), made.restoring(before), report, is_cancelled)
    return report.lines


def releases_of(cloud: Cloud) -> set[str]:
    return {package.split("/")[0] for package in cloud.code.values()}


def test_the_first_deploy_makes_every_function_migrates_and_keeps_it(cloud: Cloud) -> None:
    deploy(cloud, "first")

    assert set(cloud.code) == {STAGE.function_name(name) for name in FUNCTIONS}
    assert cloud.code[STAGE.function_name("console")] == "first/console.zip"
    assert cloud.code[STAGE.function_name("inbound")] == "first/functions.zip"
    assert all(trigger.is_safe for trigger in cloud.found.values())
    assert cloud.running == "first"


def test_the_database_is_migrated_by_the_new_release_before_any_function_gets_it(cloud: Cloud) -> None:
    deploy(cloud, "first")
    cloud.did.clear()

    deploy(cloud, "second")

    migrated = cloud.did.index("manage migrate --no-input with second/console.zip")
    given = [what for what in cloud.did[:migrated] if what.startswith(("update", "deploy"))]
    assert given == ["update manage"]


def test_functions_are_told_addresses_that_are_there_only_after_the_first_of_them(cloud: Cloud) -> None:
    deploy(cloud, "first")

    told = cloud.kept["first"]["outbound"]["aws_environment_variables"]["HUB_WEBHOOK_URL"]
    assert told == STAGE.api_url("api", "webhook")


def test_a_second_deploy_of_the_same_release_touches_no_function(cloud: Cloud) -> None:
    deploy(cloud, "first")
    cloud.did.clear()

    lines = deploy(cloud, "first")

    assert [what for what in cloud.did if what.startswith(("build", "update", "deploy"))] == []
    assert "update: 0 functions" in lines


def test_a_release_that_does_not_answer_is_taken_back_everywhere(cloud: Cloud) -> None:
    deploy(cloud, "first")
    cloud.breaks = lambda what: what.startswith("manage smoke_test") and "second" in what

    with pytest.raises(ZappaError, match="smoke_test"):
        deploy(cloud, "second")

    assert releases_of(cloud) == {"first"}
    assert cloud.running == "first"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_wherever_an_update_fails_what_ran_before_runs_again(cloud: Cloud, function: str) -> None:
    deploy(cloud, "first")
    failures = iter([True])
    cloud.breaks = lambda what: what == f"update {function}" and next(failures, False)

    with pytest.raises(ZappaError):
        deploy(cloud, "second")

    assert releases_of(cloud) == {"first"}


def test_a_first_deploy_that_fails_has_nothing_to_restore(cloud: Cloud) -> None:
    cloud.breaks = lambda what: what == "triggers"

    with pytest.raises(DeployError):
        deploy(cloud, "first")

    assert cloud.running is None


@pytest.mark.parametrize("point", range(0, 40, 3))
def test_wherever_it_is_killed_the_next_one_does_the_rest(cloud: Cloud, point: int) -> None:
    deploy(cloud, "first")
    happened = iter(range(1000))

    class Killed(BaseException):
        """Nobody cleans up."""

    def kill(what: str) -> bool:
        if next(happened) == point:
            raise Killed
        return False

    cloud.breaks = kill
    try:
        deploy(cloud, "second")
    except Killed:
        cloud.breaks = lambda what: False
        deploy(cloud, "second")

    assert releases_of(cloud) == {"second"}
    assert all(trigger.is_safe and trigger.is_enabled for trigger in cloud.found.values())


def test_a_rollback_puts_a_kept_release_back_and_tests_it_without_building_or_migrating(cloud: Cloud) -> None:
    deploy(cloud, "first")
    deploy(cloud, "second")
    cloud.did.clear()
    made = deployment(cloud)

    carry_out(made.returning("first"), made.restoring("second"), Watched(), lambda: False)

    assert releases_of(cloud) == {"first"}
    assert cloud.running == "first"
    assert not [what for what in cloud.did if what.startswith("build") or "migrate" in what]
    assert "manage smoke_test --within-seconds 5 with first/console.zip" in cloud.did


def test_a_restart_gives_every_function_the_same_release_anew(cloud: Cloud) -> None:
    deploy(cloud, "first")
    cloud.did.clear()
    made = deployment(cloud)

    carry_out(made.restarting("first"), made.restoring("first"), Watched(), lambda: False)

    assert {what for what in cloud.did if what.startswith("update")} == {
        f"update {name}" for name in FUNCTIONS
    }
    assert releases_of(cloud) == {"first"}


def test_a_function_that_no_release_has_any_more_is_removed(cloud: Cloud) -> None:
    deploy(cloud, "first")
    orphan = f"{STAGE.project}-retired"
    cloud.code[orphan] = "first/functions.zip"

    lines = deploy(cloud, "second")

    assert f"orphans: {orphan}" in lines
    assert orphan not in cloud.code


def test_a_function_that_only_the_failed_release_has_is_removed_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(cloud, "first")
    more = {**read_functions(), "novel": {**read_functions()["sweep"]}}
    monkeypatch.setattr("infra.deployment.deployment.read_functions", lambda: more)
    cloud.breaks = lambda what: what.startswith("manage smoke_test") and "second" in what

    with pytest.raises(ZappaError, match="smoke_test"):
        deploy(cloud, "second")

    assert f"remove {STAGE.project}-novel" in cloud.did
    assert set(cloud.code) == {STAGE.function_name(name) for name in FUNCTIONS}


def test_a_package_that_does_not_start_is_not_even_uploaded(cloud: Cloud) -> None:
    cloud.breaks = lambda what: what == "check console.zip"

    with pytest.raises(ZappaError):
        deploy(cloud, "first")

    assert cloud.files == {}


WITH_BOXES = replace(STAGE, stacks={**STAGE.stacks, "llm": {}})


def deploy_boxes(cloud: Cloud, release: str, archive: str) -> None:
    made = deployment(cloud, WITH_BOXES, archive)
    carry_out(made.deploying(release), made.restoring(cloud.running), Watched(), lambda: False)


def test_the_boxes_go_back_to_the_template_and_the_archive_of_their_release(cloud: Cloud) -> None:
    deploy_boxes(cloud, "first", "llm-1.tar.gz")
    cloud.files["first", "llm.yaml"] = b"as it was"

    deploy_boxes(cloud, "second", "llm-2.tar.gz")
    assert cloud.stacks["llm"] == (TEMPLATES / "llm.yaml").read_text()
    assert cloud.boxes_run == "boxes/llm-2.tar.gz"
    made = deployment(cloud, WITH_BOXES)
    carry_out(made.returning("first"), [], Watched(), lambda: False)

    assert (cloud.stacks["llm"], cloud.boxes_run) == ("as it was", "boxes/llm-1.tar.gz")


def test_a_release_with_the_same_llm_api_builds_and_changes_nothing_for_the_boxes(cloud: Cloud) -> None:
    deploy_boxes(cloud, "first", "llm-1.tar.gz")
    cloud.did.clear()

    deploy_boxes(cloud, "second", "llm-1.tar.gz")

    assert [what for what in cloud.did if what.startswith("build")] == [
        "build functions.zip",
        "build console.zip",
    ]
    assert cloud.boxes_run == "boxes/llm-1.tar.gz"


def test_a_function_that_got_no_address_is_made_anew(cloud: Cloud) -> None:
    """Zappa was killed between the function and its API."""
    webhook = STAGE.function_name("webhook")
    cloud.code[webhook] = "first/functions.zip"
    cloud.without_address.add(webhook)

    deploy(cloud, "first")

    assert cloud.did.index(f"remove {webhook}") < cloud.did.index("deploy webhook")
