"""What a cold start of an unpacked package costs: a fresh process, with nothing but the package and what AWS
has in its runtime, imports what Lambda would call."""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hub_lambdas.sentences import stored
from infra.packages.errors import PackageError
from infra.packages.package import IN_THE_RUNTIME, Package

_MEASURE = """
import importlib, json, sys, time
sys.path[:0] = sys.argv[2:]
begun = time.process_time()
importlib.import_module(sys.argv[1])
spent = time.process_time() - begun
with open("/proc/self/status") as status:  # getrusage has the peak of whoever started this in it
    [peak] = [line for line in status if line.startswith("VmHWM:")]
print(json.dumps([spent, int(peak.split()[1]) / 1024]))
"""
# Nobody answers there: importing must not ask anybody.
SETTINGS = {
    "HUB_SECRET_KEY": "only-to-measure-a-start-" + "0123456789" * 3,
    "HUB_CREDENTIAL_KEYS": "b25seS10by1tZWFzdXJlLWEtc3RhcnQtMDEyMzQ1Njc=",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True)
class Start:
    """CPU seconds of the import, and the process's memory at its peak."""

    cpu_seconds: float
    peak_mb: float


def make_runtime(folder: Path) -> Path:
    """A folder with what AWS has in its Python runtime, taken from this environment."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in IN_THE_RUNTIME:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            continue
        source = Path(spec.origin)
        source = source.parent if source.name == "__init__.py" else source
        (folder / source.name).symlink_to(source)
    return folder


def measure_start(package: Package, entry: str, unpacked: Path, runtime: Path, rounds: int = 3) -> Start:
    """The median of some cold starts. Raises PackageError where one fails."""
    starts = [_start_once(package, entry, unpacked, runtime) for _ in range(rounds)]
    return Start(statistics.median(each.cpu_seconds for each in starts), max(each.peak_mb for each in starts))


def _start_once(package: Package, entry: str, unpacked: Path, runtime: Path) -> Start:
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-I", "-S", "-c", _MEASURE, entry, str(unpacked), str(runtime)],
        cwd=unpacked,
        env={"PATH": os.environ.get("PATH", ""), **SETTINGS, **package.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PackageError(
            stored(
                "%(entry)s does not start from its package: %(said)s", entry=entry, said=done.stderr.strip()
            )
        )
    return Start(*json.loads(done.stdout.splitlines()[-1]))
