"""A study: what each design does with a day's traffic, and what it costs. Plain numbers, to keep and show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from console.capacity.catalog import Prices, Speeds
from console.capacity.costs import DAYS_PER_MONTH, per_month
from console.capacity.designs import Design, Plan, plan
from console.capacity.fleet import Boxes
from console.capacity.outcome import Outcome
from console.capacity.scaling import Metric
from console.capacity.simulation import simulate
from console.capacity.traffic import Traffic

Progress = Callable[[float, str], None]
"""Told what share of a study is done, and what is being simulated."""


@dataclass(frozen=True)
class HourFigures:
    """Of an hour of the day, UTC. `boxes`: at most; percentiles in seconds, None without answers."""

    boxes: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class Result:
    """What a design does. Shares are of all turns; costs in US dollars a month, by what for."""

    key: str
    title: str
    note: str
    hours: Sequence[HourFigures]
    p50: float | None
    p95: float | None
    in_time_share: float
    holding_share: float
    handed_over_share: float
    box_hours_per_day: float
    boxes_at_most: int
    costs: Mapping[str, float]
    per_thousand_answers: float

    @property
    def per_month(self) -> float:
        """US dollars."""
        return sum(self.costs.values())


@dataclass(frozen=True)
class Study:
    """The question and its answer. `known_prompts_share`: how often a box of the chosen design has read the
    organization's prompt already; `target`: what its scaling keeps near, per box."""

    made_at: str
    source: str
    organizations: int
    messages_per_hour: Sequence[float]
    turns_per_day: float
    basis: str
    known_prompts_share: float
    answers_per_second: float
    target: float
    prices_date: str
    prices_source: str
    results: Sequence[Result]

    @property
    def known_prompts_percent(self) -> float:
        """The same as a percentage."""
        return 100 * self.known_prompts_share

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> "Study":
        """From what `as_json` made."""
        results = [
            Result(**{**each, "hours": [HourFigures(**hour) for hour in each["hours"]]})
            for each in kept["results"]
        ]
        return cls(**{**kept, "results": results})


@dataclass(frozen=True)
class Question:
    """What is asked of a study beside the traffic."""

    kind: str = "small"
    metric: Metric = Metric.BACKLOG
    seed: int = 1


def study(
    traffic: Traffic,
    speeds: Speeds,
    prices: Prices,
    question: Question,
    made_at: datetime,
    progress: Progress = lambda share, title: None,
) -> Study:
    """Simulate a day of each design."""
    planned = plan(traffic, speeds, prices, question.kind, question.metric)
    results = []
    for place, design in enumerate(planned.designs):

        def tell(share: float, place: int = place, title: str = design.title) -> None:
            progress((place + share) / len(planned.designs), title)

        tell(0.0)
        outcome = simulate(
            planned.turns_per_hour, design.answering, design.pipeline, question.seed, progress=tell
        )
        results.append(_result(design, outcome, planned, speeds, prices))
    chosen = planned.designs[0].answering
    assert isinstance(chosen, Boxes)
    return Study(
        made_at=made_at.isoformat(timespec="minutes"),
        source=traffic.source,
        organizations=len(traffic.shares),
        messages_per_hour=traffic.per_hour,
        turns_per_day=sum(planned.turns_per_hour),
        basis=speeds.kinds[question.kind].basis,
        known_prompts_share=chosen.prefixes.lasting_share,
        answers_per_second=chosen.lasting_answers_per_second,
        target=chosen.scaling.target,
        prices_date=prices.date,
        prices_source=prices.source,
        results=results,
    )


def _result(design: Design, outcome: Outcome, planned: Plan, speeds: Speeds, prices: Prices) -> Result:
    costs = per_month(design, outcome, planned, speeds, prices)
    answers = outcome.answered * DAYS_PER_MONTH
    return Result(
        key=design.key,
        title=design.title,
        note=design.note,
        hours=[
            HourFigures(
                max(hour.boxes, default=0), outcome.percentile(0.5, number), outcome.percentile(0.95, number)
            )
            for number, hour in enumerate(outcome.hours)
        ],
        p50=outcome.percentile(0.5),
        p95=outcome.percentile(0.95),
        in_time_share=outcome.in_time_share,
        holding_share=outcome.holding_share,
        handed_over_share=outcome.handed_over / outcome.turns if outcome.turns else 0.0,
        box_hours_per_day=outcome.box_hours,
        boxes_at_most=outcome.most_boxes,
        costs=costs,
        per_thousand_answers=1000 * sum(costs.values()) / answers if answers else 0.0,
    )
