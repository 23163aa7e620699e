"""docs/settings.md names exactly the settings that the code reads."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = r"(?:HUB_[A-Z_]+[A-Z]|DATABASE_URL|AWS_ENDPOINT_URL|AWS_DEFAULT_REGION)"
PACKAGES = ("console", "hub_lambdas", "llm_api", "infra")


def read_by_the_code() -> set[str]:
    sources = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {name for path in sources for name in re.findall(rf'"({NAME})"', path.read_text())}


def documented() -> list[str]:
    return re.findall(rf"^\| `({NAME})` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)


def test_every_setting_is_documented_once() -> None:
    assert sorted(documented()) == sorted(read_by_the_code())
