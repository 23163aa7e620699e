"""What `make run` refuses to start with: one sentence that says what to do."""

import os
import socket
from pathlib import Path

import pytest

from infra.local.checks import check_model, check_ports
from infra.local.environment import home_of, ports_of
from infra.local.errors import ModelError, PortBusyError, SettingError
from tests.emulator import free_port


def test_a_busy_port_names_itself_its_setting_and_the_process() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        with pytest.raises(PortBusyError) as caught:
            check_ports({"HUB_CONSOLE_PORT": free_port(), "HUB_LLM_PORT": port})

    sentence = str(caught.value)
    assert sentence.startswith(f"Port {port} is taken by ")
    assert f"(process {os.getpid()})" in sentence
    assert sentence.endswith("stop what uses it, or set HUB_LLM_PORT to a free port.")


def test_free_ports_pass() -> None:
    check_ports({"HUB_CONSOLE_PORT": free_port()})


@pytest.mark.parametrize("value", ["eighty", "0", "65536", "-1", "80.5", "٨٠"])
def test_a_port_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match=r"HUB_LLM_PORT is .* must be a port number"):
        ports_of({"HUB_LLM_PORT": value})


def test_two_settings_with_one_port_are_refused() -> None:
    with pytest.raises(SettingError, match="HUB_CONSOLE_PORT and HUB_WEBHOOK_PORT are both 8000"):
        ports_of({"HUB_WEBHOOK_PORT": "8000"})


def test_the_ports_of_an_empty_environment() -> None:
    ports = ports_of({})

    assert (ports.console, ports.webhook, ports.llm, ports.aws) == (8000, 8080, 8001, 4566)


def test_a_relative_home_stands_on_the_repository() -> None:
    root = Path(__file__).resolve().parent.parent.parent

    assert home_of({}) == root / ".hub"
    assert home_of({"HUB_HOME": "elsewhere"}) == root / "elsewhere"
    assert home_of({"HUB_HOME": "/somewhere"}) == Path("/somewhere")


def test_the_packaged_model_passes() -> None:
    check_model({})


def test_a_gguf_file_passes(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(2_000_000))

    check_model({"HUB_LLM_MODEL": str(path)})


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read"),
        (b"", "is no whole GGUF file"),
        (b"<html>not found</html>" * 100_000, "is no whole GGUF file"),
        (b"GGUF", "is no whole GGUF file"),
    ],
)
def test_a_missing_or_broken_model_file_is_refused(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ModelError, match=rf"The model file {path} {complaint}.*set HUB_LLM_MODEL"):
        check_model({"HUB_LLM_MODEL": str(path)})


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        check_model({"HUB_LLM_MODEL": str(tmp_path)})


def test_a_server_of_your_own_needs_no_model_file() -> None:
    check_model({"HUB_LLM_URL": "http://127.0.0.1:9000/v1", "HUB_LLM_MODEL": "/nowhere"})


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(SettingError, match=r"HUB_LLM_URL is 'llm\.example'"):
        check_model({"HUB_LLM_URL": "llm.example"})
