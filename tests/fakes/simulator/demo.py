"""The demo organizations' accounts, and the files by which `make run` connects them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
NAME = "Simulator"
"""What the channels are called in the console."""


@dataclass(frozen=True)
class Organization:
    """An organization as its demo file describes it. `questions` are what a contact may ask first."""

    slug: str
    name: str
    questions: Sequence[str]


def organizations() -> Iterator[Organization]:
    """Those of the folder demo/."""
    for path in sorted((ROOT / "demo").glob("*.yaml"), reverse=True):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        options = [channel.get("options", {}) for channel in content.get("channels", [])]
        questions: list[str] = next((each["suggestions"] for each in options if "suggestions" in each), [])
        yield Organization(content["slug"], content["name"], questions)


def write_channels(
    folder: Path, organization: Organization, channels: Mapping[str, Mapping[str, str]]
) -> None:
    """Write the file that connects channels (credentials by kind), as an org admin may import it."""
    content: dict[str, Any] = {"slug": organization.slug, "name": organization.name}
    content["channels"] = [
        {"kind": kind, "name": NAME, "credentials": dict(credentials)}
        for kind, credentials in channels.items()
    ]
    note = "# Made by the simulator: what `manage.py import_organization` connects to it.\n"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{organization.slug}.yaml"
    path.write_text(note + yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
