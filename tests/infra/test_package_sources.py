"""What functions import of the hub's own, however late, is packed for them."""

import ast
from collections.abc import Iterator
from pathlib import Path

from hub_lambdas.settings import INSTALLED_APPS
from infra.local.environment import ROOT
from infra.packages.build import git
from infra.packages.package import FUNCTIONS

SETTINGS = "hub_lambdas.settings"


def test_all_that_functions_import_is_packed() -> None:
    packed = set(git("ls-files", "--", *FUNCTIONS.sources).decode().splitlines())
    begun = [*FUNCTIONS.entries, SETTINGS]
    begun += [f"{app}.{name}" for app in INSTALLED_APPS for name in ("apps", "models")]

    reached = {path.relative_to(ROOT).as_posix() for path in reach(begun)}

    assert len(reached) > len(begun)
    assert reached - packed == set()


def reach(modules: list[str]) -> set[Path]:
    """The files of our own modules that these import, the packages that they lie in among them."""
    waiting, found = list(modules), set[Path]()
    while waiting:
        module = waiting.pop()
        path = file_of(module)
        if path and path not in found:
            found.add(path)
            waiting += [module.rpartition(".")[0], *imported(path)]
    return found


def file_of(module: str) -> Path | None:
    """None where it is not ours, or a name within a module."""
    folder = ROOT.joinpath(*module.split("."))
    ours = module.startswith(("console", "hub_lambdas"))
    return next(
        (each for each in (folder / "__init__.py", folder.with_suffix(".py")) if ours and each.exists()), None
    )


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{each.name}" for each in node.names))
