"""A stage on an emulator of AWS by the real Zappa: its functions run from their zip files, behind its API
Gateway and queues. Each test goes on with the stage as the one before left it."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.deployment.clients import StageClients
from infra.deployment.errors import DeployError
from infra.deployment.functions import REPORTS
from infra.deployment.ground import Ground
from infra.deployment.job import look, put
from infra.deployment.running import releases_of
from infra.deployment.stage import Emulator, Stage, load_stage
from infra.local.environment import ROOT
from infra.packages.build import build_static, head
from tests.emulator import free_port
from tests.fakes.llm import FakeLlm
from tests.fakes.telegram import FakeTelegram
from tests.infra.conftest import wait_until
from tests.infra.deployment.deploy_once import deploy_once

pytestmark = pytest.mark.long

FIRST, SECOND, BROKEN = "first", "second", "broken"
ORGANIZATION = ROOT / "tests" / "end_to_end" / "lakeside-yoga.yaml"
TOKEN = "100:bot-of-the-studio"
CHAT = 501
QUESTION, FACT = "How much is a single class?", "19 €"
FACTS = {QUESTION: "A single class costs 19 €.", "opening hours": "We are open every day from 9:00 to 17:00."}
ANSWER_TIMEOUT_SECONDS = 60.0


def answer(question: str) -> str:
    return next((fact for known, fact in FACTS.items() if known in question), "[STAFF]")


@dataclass(frozen=True)
class Site:
    """The stage, and the platform that it is connected to."""

    folder: Path
    stage: Stage
    telegram: FakeTelegram

    def deploy(self, release: str) -> None:
        deploy_once(self.folder, self.stage.name, release)

    def client(self, service: str) -> Any:
        return StageClients(self.stage).client(service)

    def releases(self) -> dict[str, str]:
        """What each function runs."""
        functions = self.client("lambda").list_functions()["Functions"]
        own = f"{self.stage.project}-"
        return {each["FunctionName"].removeprefix(own): each["Description"].split()[-1] for each in functions}

    def connect(self) -> None:
        """Load the organization with its bot, as `manage.py` does on a machine of the stage."""
        secret = self.client("secretsmanager").get_secret_value(SecretId=self.stage.secret)["SecretString"]
        told = releases_of(self.stage).settings(FIRST)["manage"]["aws_environment_variables"]
        environment = {**StageClients(self.stage).environment(), **told, "LAKESIDE_YOGA_BOT_TOKEN": TOKEN}
        assert "DATABASE_URL" in secret
        command = [sys.executable, "manage.py", "import_organization", str(ORGANIZATION)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)

    def ask(self) -> str:
        """What a person who writes to the bot is answered."""
        before = len(self._replies())
        self.telegram.deliver(TOKEN, CHAT, self.telegram.compose(CHAT, QUESTION))
        self.telegram.wait_until(lambda _: len(self._replies()) > before, ANSWER_TIMEOUT_SECONDS)
        return self._replies()[-1]

    def _replies(self) -> list[str]:
        sent = self.telegram.conversation(self.telegram.bots[TOKEN].id, str(CHAT))
        return [each["text"] for each in sent if each["by"] == "account"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, zip_files: Mapping[str, Path]) -> Path:
    """Three releases: two that are alike but for their names, and one that answers no webhook."""
    folder = tmp_path_factory.mktemp("stages")
    static_zip = build_static(head(), folder)
    for release in (FIRST, SECOND, BROKEN):
        (folder / release).mkdir()
        for name, path in zip_files.items():
            (folder / release / f"{name}.zip").symlink_to(path)
        (folder / release / "static.zip").symlink_to(static_zip)
    broken = folder / BROKEN / "functions.zip"
    broken.unlink()
    _without_webhook(zip_files["functions"], broken)
    return folder


def _without_webhook(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as written:
        for name in whole.namelist():
            if not name.startswith(("hub_lambdas/webhook.", "hub_lambdas/__pycache__/webhook.")):
                written.writestr(name, whole.read(name))


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    with FakeTelegram() as telegram, FakeLlm(answer) as llm:
        telegram.add_bot(TOKEN, username="studio_bot")
        emulator = Emulator(free_port(), free_port())
        _write_stage(folder, emulator, telegram.url)
        stage = load_stage("trial", folder)
        ground = Ground(stage, emulator, {**os.environ, "HUB_LLM_URL": llm.url})
        try:
            ground.start()
            site = Site(folder, stage, telegram)
            site.deploy(FIRST)
            site.connect()
            yield site
        finally:
            ground.stop()


def _write_stage(folder: Path, emulator: Emulator, telegram_url: str) -> None:
    said = yaml.safe_load((ROOT / "infra" / "stages" / "local.yaml").read_text())
    said["emulator"] = {"port": emulator.port, "llm_port": emulator.llm_port}
    said["answer_within_seconds"] = 15  # this machine may be busy
    said["environment"] = {"HUB_TELEGRAM_API_URL": telegram_url}
    (folder / "trial.yaml").write_text(yaml.safe_dump(said, sort_keys=False))


def test_a_message_takes_its_whole_way_through_the_deployed_functions(site: Site) -> None:
    assert FACT in site.ask()
    assert set(site.releases().values()) == {FIRST}
    assert len(site.releases()) == 10


def test_every_trigger_keeps_what_its_function_reports_as_failed(site: Site) -> None:
    triggers = site.client("lambda").list_event_source_mappings()["EventSourceMappings"]

    assert len(triggers) == 13
    assert {(each["State"], *each["FunctionResponseTypes"]) for each in triggers} == {("Enabled", REPORTS)}


def test_a_deploy_that_is_killed_half_way_is_finished_by_the_next(site: Site) -> None:
    command = [sys.executable, "-m", "tests.infra.deployment.deploy_once", str(site.folder), "trial", SECOND]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: [*site.releases().values()].count(SECOND) >= 3, timeout_seconds=240)
        finally:
            process.kill()
    assert set(site.releases().values()) == {FIRST, SECOND}
    assert releases_of(site.stage).history()[0].outcome == "running"
    assert look(site.stage)["history"][0]["outcome"] == "interrupted"

    site.deploy(SECOND)

    assert set(site.releases().values()) == {SECOND}
    assert FACT in site.ask()


def test_a_release_that_does_not_answer_is_taken_back(site: Site) -> None:
    with pytest.raises(DeployError, match="No answer within 15 s"):
        site.deploy(BROKEN)

    assert set(site.releases().values()) == {SECOND}
    assert FACT in site.ask()
    assert [entry.outcome for entry in releases_of(site.stage).history()][:3] == ["failed", "done", "running"]


@pytest.fixture
def interrupts() -> Iterator[None]:
    """A job takes SIGINT for itself."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_rollback_returns_to_the_release_before(
    site: Site, interrupts: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the job that the console's worker follows."""
    assert put("rollback", site.stage, "", "ann (console)", patience_seconds=0) == 0

    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (said[0], said[-1]) == ({"ready": True}, {"outcome": "done", "reason": ""})
    steps = [each["began"] for each in said if "began" in each]
    assert steps == ["ground", f"restore {FIRST}", "triggers", "orphans", "smoke test", "keep"]
    assert set(site.releases().values()) == {FIRST}
    seen = look(site.stage)
    assert (seen["release"], seen["kept"], seen["problem"]) == (FIRST, [FIRST, SECOND], "")
    assert (seen["history"][0]["who"], seen["history"][0]["outcome"]) == ("ann (console)", "done")
    assert FACT in site.ask()
