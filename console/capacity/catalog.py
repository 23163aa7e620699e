"""The two data files: how fast boxes are, and what things cost."""

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from console.capacity.errors import CapacityError
from console.capacity.speed import Speed
from console.capacity.spread import Spread, lognormal

DATA = Path(__file__).parent / "data"
_GIB = 2**30
ParsedT = TypeVar("ParsedT")


@dataclass(frozen=True)
class BoxKind:
    """A kind of box. `basis`: where its figures are from, in words."""

    name: str
    title: str
    basis: str
    speed: Speed
    kept_prompts: int
    start_seconds: float


@dataclass(frozen=True)
class Speeds:
    """What is known of boxes and of the pipeline around them. Tokens and seconds."""

    kinds: Mapping[str, BoxKind]
    messages_per_turn: float
    requests_per_turn: float
    prompt_tokens: int
    question_tokens: int
    answer_tokens: int
    work: Spread
    front: Spread
    back: Spread
    burst_window_seconds: float
    cold_start_seconds: tuple[float, float]
    keep_seconds: float


@dataclass(frozen=True)
class DatabaseSize:
    """A size of the database, and what it carries at the busiest time."""

    title: str
    turns_per_second: float
    per_hour: float


@dataclass(frozen=True)
class Prices:
    """US dollars."""

    date: str
    source: str
    hours_per_month: float
    boxes_per_hour: Mapping[str, float]
    functions_per_message: float
    functions_per_turn: float
    queues_per_turn: float
    databases: Sequence[DatabaseSize]
    serverless_per_hour: float
    servers_per_hour: float
    hosted_title: str
    hosted_per_input_token: float
    hosted_per_output_token: float
    hosted_seconds: Spread

    def database(self, turns_per_second: float) -> DatabaseSize:
        """The smallest that carries so many; the largest where none does."""
        fitting = (size for size in self.databases if size.turns_per_second >= turns_per_second)
        return next(fitting, self.databases[-1])


def read_speeds(path: Path = DATA / "speeds.toml") -> Speeds:
    """Raises CapacityError where the file is not what it should be."""
    return _read(path, _speeds)


def read_prices(path: Path = DATA / "prices.toml") -> Prices:
    """Raises CapacityError where the file is not what it should be."""
    return _read(path, _prices)


def _read(path: Path, parse: Callable[[Any], ParsedT]) -> ParsedT:
    try:
        return parse(tomllib.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise CapacityError(f"{path} cannot be read: {error}.") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise CapacityError(f"{path} lacks {error}: compare it with {DATA / path.name}.") from error


def _speeds(found: Any) -> Speeds:
    turns, prompts, pipeline = found["turns"], found["prompts"], found["pipeline"]
    cold = pipeline["cold_start"]
    prompt_bytes = prompts["tokens"] * prompts["bytes_per_token"]
    boxes = found["boxes"]
    return Speeds(
        kinds={name: _kind(name, box, boxes, prompt_bytes) for name, box in boxes.items()},
        messages_per_turn=turns["messages_per_turn"],
        requests_per_turn=turns["requests_per_turn"],
        prompt_tokens=prompts["tokens"],
        question_tokens=prompts["question_tokens"],
        answer_tokens=prompts["answer_tokens"],
        work=lognormal(**found["answers"]),
        front=lognormal(**pipeline["front"]),
        back=lognormal(**pipeline["back"]),
        burst_window_seconds=pipeline["burst_window"],
        cold_start_seconds=(cold * pipeline["functions_before"], cold * pipeline["functions_after"]),
        keep_seconds=pipeline["keep"],
    )


def _kind(name: str, box: Any, boxes: Any, prompt_bytes: float) -> BoxKind:
    speed = _like(box, boxes[box["like"]]) if "like" in box else _measured(box)
    kept = int(box["spill_gib"] * _GIB / prompt_bytes)
    return BoxKind(name, box["title"], box["basis"], speed, kept, box["start_seconds"])


def _measured(box: Any) -> Speed:
    answers = {int(count): rate for count, rate in box["answers_per_second"].items()}
    return Speed(box["slots"], answers, box["prompt_tokens_per_second"])


def _like(box: Any, other: Any) -> Speed:
    """Estimated from another kind: as fast as one answer alone allows, up to what all of them get."""
    measured = _measured(other)
    alone, full = measured.at(1) * box["alone_times"], measured.full * box["times"]
    answers = {1: alone, max(1, math.ceil(full / alone)): full, box["slots"]: full}
    return Speed(box["slots"], answers, measured.prompt_tokens_per_second * box["times"])


def _prices(found: Any) -> Prices:
    functions, hosted = found["functions"], found["hosted"]

    def functions_per(what: str) -> float:
        calls = functions[f"calls_per_{what}"] * functions["per_call"]
        return float(calls + functions[f"seconds_per_{what}"] * functions["per_second"])

    return Prices(
        date=found["date"],
        source=found["source"],
        hours_per_month=found["hours_per_month"],
        boxes_per_hour=found["boxes"],
        functions_per_message=functions_per("message") + functions["gateway_per_message"],
        functions_per_turn=functions_per("turn"),
        queues_per_turn=found["queues"]["per_turn"],
        databases=[DatabaseSize(**size) for size in found["database"]["sizes"]],
        serverless_per_hour=found["fixed_per_hour"]["serverless"],
        servers_per_hour=found["fixed_per_hour"]["servers"],
        hosted_title=hosted["title"],
        hosted_per_input_token=hosted["per_million_input_tokens"] / 1e6,
        hosted_per_output_token=hosted["per_million_output_tokens"] / 1e6,
        hosted_seconds=lognormal(hosted["median_seconds"], hosted["p95_seconds"]),
    )
