"""A fresh machine becomes an LLM box: install.sh of the archive, with a stand-in for AWS, for EC2's metadata
and for the LLM on one port, and with stand-ins for what changes the machine."""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from infra.llm_box.readiness import signal, wait_until

SECRET = {"HUB_LLM_TOKEN": "secret of the box", "HUB_SECRET_KEY": "not for boxes"}
PYTHON = f"""#!/bin/sh
mkdir -p .venv/bin
printf '#!/bin/sh\\nexec {sys.executable} "$@"\\n' >.venv/bin/python
printf '#!/bin/sh\\necho "pip $*" >>"$LOG"\\n' >.venv/bin/pip
chmod +x .venv/bin/*
"""
NOTED = '#!/bin/sh\necho "$(basename "$0") $*" >>"$LOG"\n'
# What it starts fails, which holds up nothing: only the tuning is started so.
SYSTEMCTL = f"{NOTED}[ $1 != start ]\n"
SIGNALLED = '<SignalResourceResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"/>'


class Around(http.server.BaseHTTPRequestHandler):
    """What a box sees around it. `signals`: what CloudFormation was told."""

    signals: list[dict[str, list[str]]]

    def do_PUT(self) -> None:
        self._answer("token")

    def do_GET(self) -> None:
        self._answer("i-17" if self.path.endswith("/instance-id") else "")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        if self.headers.get("x-amz-target") == "secretsmanager.GetSecretValue":
            assert json.loads(body) == {"SecretId": "channels-hub/dev/llm"}
            self._answer(json.dumps({"SecretString": json.dumps(SECRET)}))
        else:
            self.signals.append(parse_qs(body))
            self._answer(SIGNALLED)

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so named above
        """Quiet."""


@pytest.fixture
def around() -> Iterator[int]:
    """The port of all that a box sees."""
    Around.signals = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Around)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def install(box: Path, folder: Path, port: int, gpu: str = "false") -> list[str]:
    """Run the installation as a box's user data does; the commands that it gave, pip's among them."""
    root = Path(shutil.copytree(box, folder / "root"))
    commands, log = folder / "bin", folder / "log"
    commands.mkdir()
    for name in ("apt-get", "useradd", "systemctl", "python3"):
        (commands / name).write_text({"python3": PYTHON, "systemctl": SYSTEMCTL}.get(name, NOTED))
        (commands / name).chmod(0o755)
    (folder / "etc" / "systemd" / "system").mkdir(parents=True)
    url = f"http://127.0.0.1:{port}"
    done = subprocess.run(
        [root / "infra" / "llm_box" / "install.sh"],
        cwd="/",  # as user data is run
        env={
            "PATH": f"{commands}:{os.environ['PATH']}",
            "LOG": str(log),
            "DESTDIR": str(folder),
            "HUB_STAGE": "dev",
            "HUB_QUEUE_PREFIX": "dev-",
            "HUB_LLM_SLOTS": "8",
            "HUB_LLM_HELD": "32",
            "HUB_LLM_SPILL_BYTES": "4294967296",
            "HUB_LLM_GPU": gpu,
            "HUB_LLM_PORT": str(port),
            "HUB_SECRETS": "channels-hub/dev/llm",
            "HUB_SCALING_GROUP": "channels-hub-dev-llm",
            "HUB_STACK": "channels-hub-dev-llm",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": url,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return log.read_text().splitlines()


def test_a_fresh_machine_runs_the_services_and_tells_that_it_is_ready(
    llm_box: Path, tmp_path: Path, around: int
) -> None:
    did = install(llm_box, tmp_path, around)

    assert did[-2:] == [
        "systemctl start channels-hub-tune",
        "systemctl enable --now channels-hub-llm channels-hub-keeper channels-hub-gauges",
    ]
    assert [line for line in did if line.startswith("pip") and "--no-index" not in line] == []
    units = {path.name for path in (tmp_path / "etc" / "systemd" / "system").iterdir()}
    assert units == {f"channels-hub-{name}.service" for name in ("llm", "keeper", "gauges", "tune")}
    [signal] = Around.signals
    assert (signal["Status"], signal["UniqueId"], signal["LogicalResourceId"]) == (
        ["SUCCESS"],
        ["i-17"],
        ["Boxes"],
    )


def test_a_box_with_a_gpu_makes_the_drivers_devices_before_its_llm_starts(
    llm_box: Path, tmp_path: Path, around: int
) -> None:
    did = install(llm_box, tmp_path, around, gpu="true")

    assert "systemctl start channels-hub-tune" not in did
    unit = tmp_path / "etc" / "systemd" / "system" / "channels-hub-llm.service.d" / "gpu.conf"
    assert "nvidia-modprobe" in unit.read_text()
    assert 'HUB_LLM_GPU="true"' in (tmp_path / "etc" / "channels-hub" / "llm.env").read_text()


def test_its_services_settings_are_roots_alone_and_hold_no_other_secret(
    llm_box: Path, tmp_path: Path, around: int
) -> None:
    install(llm_box, tmp_path, around)

    written = tmp_path / "etc" / "channels-hub" / "llm.env"
    assert 'HUB_LLM_SPILL_BYTES="4294967296"' in written.read_text()
    assert written.stat().st_mode & 0o077 == 0
    assert 'HUB_LLM_TOKEN="secret of the box"' in written.read_text()
    assert "not for boxes" not in written.read_text()


def test_an_llm_that_never_becomes_well_ends_the_update(around: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{around}")

    is_ready = wait_until(lambda: False, patience_seconds=0, pause_seconds=0)
    signal("channels-hub-dev-llm", "i-17", is_ready=is_ready)

    assert [each["Status"] for each in Around.signals] == [["FAILURE"]]
