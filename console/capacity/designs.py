"""The design that was chosen, and those it is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from console.capacity.arrivals import rates_by_minute
from console.capacity.catalog import BoxKind, Prices, Speeds
from console.capacity.fleet import Boxes
from console.capacity.prefixes import Prefixes
from console.capacity.scaling import Metric, Scaling
from console.capacity.simulation import Pipeline
from console.capacity.spread import Spread
from console.capacity.traffic import Traffic
from hub_lambdas.sentences import stored

USED_SHARE = 0.75
"""How far a box is to be used: beyond that, answers wait long for each other."""
CPU_TARGET = 0.6
MOST_TIMES = 1.5
"""How many times the boxes that the busiest minute needs there may be."""


@dataclass(frozen=True)
class Design:
    """One way to run the hub. `answering`: boxes or a hosted LLM's seconds. `box`: what a box is paid as;
    empty for none. `is_serverless`: whether functions do the rest, or the boxes themselves."""

    key: str
    title: str
    note: str
    answering: Boxes | Spread
    pipeline: Pipeline
    box: str
    is_serverless: bool


@dataclass(frozen=True)
class Plan:
    """What is to be simulated: turns of the LLM in each hour, and the designs."""

    turns_per_hour: Sequence[float]
    messages_per_turn: float
    requests_per_turn: float
    designs: Sequence[Design]

    @property
    def peak_turns_per_second(self) -> float:
        """In the busiest minute."""
        return max(rates_by_minute(self.turns_per_hour))


def plan(traffic: Traffic, speeds: Speeds, prices: Prices, kind: str, metric: Metric) -> Plan:
    """The chosen design with boxes of `kind` that follow `metric`, and three others."""
    messages_per_turn = traffic.messages_per_turn or speeds.messages_per_turn
    turns_per_hour = [messages / messages_per_turn for messages in traffic.per_hour]
    peak = max(rates_by_minute(turns_per_hour))
    requests_per_turn = traffic.requests_per_turn or speeds.requests_per_turn
    work = speeds.work.times(requests_per_turn)
    functions = Pipeline(
        speeds.front, speeds.back, speeds.burst_window_seconds, speeds.cold_start_seconds, speeds.keep_seconds
    )
    servers = replace(functions, cold_start_seconds=None)

    def boxes(name: str, metric: Metric, least: int) -> Boxes:
        found = speeds.kinds[name]
        prefixes = Prefixes(traffic.shares, found.kept_prompts)
        scaling = Scaling(metric, _target(metric, found), least, start_seconds=found.start_seconds)
        there = Boxes(found.speed, scaling, work, speeds.prompt_tokens, prefixes)
        most = max(least + 1, round(there.needed(peak, USED_SHARE) * MOST_TIMES))
        return replace(there, scaling=replace(scaling, most=most))

    always = next(
        (name for name in _BY_SIZE if boxes(name, Metric.CPU, 1).needed(peak, USED_SHARE) == 1), "big"
    )
    always_on = boxes(always, Metric.CPU, 1)
    count = always_on.needed(peak, USED_SHARE)
    return Plan(
        turns_per_hour,
        messages_per_turn,
        requests_per_turn,
        [
            Design(
                "chosen",
                stored("Functions and LLM boxes"),
                stored(
                    "chosen: %(box)s, scaled by %(metric)s",
                    box=speeds.kinds[kind].title,
                    metric=_WORDS[metric],
                ),
                boxes(kind, metric, 1),
                functions,
                kind,
                is_serverless=True,
            ),
            Design(
                "always_on",
                stored("One server, always on")
                if count == 1
                else stored("%(count)s servers, always on", count=count),
                stored("%(box)s, as many as the busiest minute needs", box=speeds.kinds[always].title),
                replace(always_on, scaling=replace(always_on.scaling, least=count, most=count)),
                servers,
                always,
                is_serverless=False,
            ),
            Design(
                "medium",
                stored("Medium servers that scale"),
                stored("%(box)s, two at least, scaled by CPU", box=speeds.kinds["medium"].title),
                boxes("medium", Metric.CPU, 2),
                servers,
                "medium",
                is_serverless=False,
            ),
            Design(
                "hosted",
                stored("Functions and a hosted LLM"),
                prices.hosted_title,
                prices.hosted_seconds,
                functions,
                "",
                is_serverless=True,
            ),
        ],
    )


_BY_SIZE = ("small", "medium", "big")
_WORDS = {
    Metric.BACKLOG: stored("all requests for each box"),
    Metric.WAITING: stored("the requests that no box holds"),
    Metric.CPU: "CPU",
}


def _target(metric: Metric, kind: BoxKind) -> float:
    """Per box. What may wait at the queue: as many requests as a box answers in two seconds."""
    return {
        Metric.BACKLOG: kind.speed.load_at(USED_SHARE),
        Metric.WAITING: 2 * kind.speed.full,
        Metric.CPU: CPU_TARGET,
    }[metric]
