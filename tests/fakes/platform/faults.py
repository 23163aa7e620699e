"""What goes wrong when the hub calls a platform."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class ApiError(Exception):
    """What an API answers instead of a result, in its own words (`as_json`)."""

    status: int = 400
    headers: Mapping[str, str] = {}

    def as_json(self) -> dict[str, Any]:
        raise NotImplementedError


@dataclass(frozen=True)
class Call:
    """A call of a platform's API. `operation`: its name, by which faults are meant; `token`: what it was
    authorized with; `target`: the object that it was made on. `method` is HTTP's: empty for a call that came
    in the answer to a webhook."""

    operation: str
    token: str
    parameters: Mapping[str, Any]
    target: str = ""
    method: str = "POST"
    path: str = ""


@dataclass(frozen=True)
class Fault:
    """How a call goes wrong: an error of the API, a raw answer (status and body), or silence, after which the
    connection breaks. `after`: the call is carried out first."""

    error: ApiError | None = None
    raw: tuple[int, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    silence_seconds: float = 0.0
    after: bool = False


@dataclass(frozen=True)
class Hit:
    """A fault that met a call, and when (epoch seconds)."""

    fault: Fault
    call: Call
    at: float
