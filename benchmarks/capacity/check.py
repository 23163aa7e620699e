"""Whether the simulation predicts how long contacts wait: `python -m benchmarks.capacity.check`.

The whole system as `make run` starts it, with a fake platform and an LLM of a known rate, is written to at
some loads, at random times. For each load the simulation is given when the requests reached the LLM, and
what the pipeline took before and after it in the same phase: so it does not matter how busy this machine is.
What it has to predict is how turns wait for each other. Ends with 1 where a p95 is further off than the aim.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from benchmarks.overload import Bench
from benchmarks.overload_report import Phase, is_answer, line, say
from console.capacity.fleet import Boxes
from console.capacity.outcome import Outcome
from console.capacity.prefixes import Prefixes
from console.capacity.scaling import Metric, Scaling
from console.capacity.simulation import Pipeline, simulate_parcels
from console.capacity.speed import Speed
from console.capacity.spread import Spread, fixed
from infra.local.postgres import socket_folder, url_of
from tests.chaos import codes
from tests.chaos.table import percentile
from tests.fakes.llm import FakeLlm
from tests.fakes.telegram import FakeTelegram
from tests.running_stack import RunningStack

SLOTS = 4
BURST_WINDOW_SECONDS = 1.0
AIM = 0.25
WARMING_LOAD = 0.3
_REQUESTS = """
SELECT contact.platform_id, extract(epoch FROM request.received_at)::float,
       extract(epoch FROM request.finished_at)::float
FROM conversations_llmrequest request
JOIN conversations_turn turn ON turn.id = request.turn_id
JOIN conversations_conversation conversation ON conversation.id = turn.conversation_id
JOIN conversations_contact contact ON contact.id = conversation.contact_id
WHERE request.state = 'completed'
"""


@dataclass(frozen=True)
class Journey:
    """A turn, in epoch seconds: written, at the LLM, answered by the LLM, at the contact."""

    written_at: float
    asked_at: float
    finished_at: float
    got_at: float

    @property
    def seconds(self) -> float:
        """That the contact waited."""
        return self.got_at - self.written_at


def journeys(stack: RunningStack, phase: Phase) -> list[Journey]:
    """Of the turns of a phase that were answered."""
    with psycopg.connect(url_of(socket_folder(stack.home)), connect_timeout=3) as connection:
        rows = connection.execute(_REQUESTS).fetchall()
    asked: dict[str, tuple[float, float]] = {contact: (at, finished_at) for contact, at, finished_at in rows}
    waits = zip(phase.said, phase.waits(is_answer), strict=True)
    return [
        Journey(said.at, *asked[said.contact], said.at + wait) for said, wait in waits if wait is not None
    ]


def predict(found: Sequence[Journey], service_seconds: float) -> Outcome:
    """The same turns, simulated."""
    began = min(each.asked_at for each in found)
    front = [max(0.0, each.asked_at - each.written_at - BURST_WINDOW_SECONDS) for each in found]
    back = [max(0.0, each.got_at - each.finished_at) for each in found]
    pipeline = Pipeline(Spread(front), Spread(back), BURST_WINDOW_SECONDS)
    first_at = BURST_WINDOW_SECONDS + max(front)  # what is written before midnight does not count
    parcels = sorted((each.asked_at - began + first_at, 1) for each in found)
    speed = Speed(SLOTS, {SLOTS: SLOTS / service_seconds}, prompt_tokens_per_second=1e9)
    one_box = Scaling(Metric.BACKLOG, target=SLOTS, most=1)
    box = Boxes(speed, one_box, fixed(1.0), prompt_tokens=0, prefixes=Prefixes([1.0], kept=1))
    return simulate_parcels(parcels, 0.0, box, pipeline)


def compare(waited: Sequence[float], predicted: Outcome, share: float) -> float:
    """Print a percentile of both; how far off the prediction is, as a part of what was measured."""
    was, said = percentile(waited, share), predicted.percentile(share)
    assert was is not None
    assert said is not None
    off = said / was - 1
    line(f"p{share * 100:.0f}: measured, predicted, off", f"{was:.2f} s, {said:.2f} s, {off:+.0%}")
    return off


def report(load: float, phase: Phase, found: Sequence[Journey], predicted: Outcome) -> bool:
    """Print both; whether the p95 is as near as it should be."""
    say(f"\nLoad {load:.0%}: {len(found)} of {len(phase.said)} turns answered")
    waited = sorted(each.seconds for each in found)
    own = sorted(each.seconds - (each.finished_at - each.asked_at) for each in found)
    line("p50 of the pipeline itself, with the burst window", f"{percentile(own, 0.5):.2f} s")
    compare(waited, predicted, 0.5)
    is_near = abs(compare(waited, predicted, 0.95)) <= AIM
    line(f"aim: p95 within {AIM:.0%}", "met" if is_near else "missed")
    return is_near


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--service", type=float, default=4.0, help="seconds that the LLM takes for an answer")
    parser.add_argument("--loads", type=float, nargs="+", default=[0.5, 0.75, 0.9], help="of what it can do")
    parser.add_argument("--seconds", type=float, default=45, help="how long each load lasts")
    parser.add_argument("--seed", type=int, default=1, help="of the times at which contacts write")
    arguments = parser.parse_args()
    with (
        FakeTelegram() as telegram,
        FakeLlm(codes.answer, SLOTS, arguments.service) as llm,
        RunningStack(
            HUB_TELEGRAM_API_URL=telegram.url, HUB_LLM_URL=llm.url, HUB_LLM_SLOTS=str(SLOTS)
        ) as stack,
    ):
        bench = Bench(stack, telegram, arguments.seed)

        def play(name: str, load: float, lasting: float) -> Phase:
            times = bench.times(load * llm.rate_per_second, lasting)
            return bench.play(name, bench.turns(times, range(5)))

        play("warming up", WARMING_LOAD, 10.0)
        met = []
        for load in arguments.loads:
            phase = play(f"load {load:.0%}", load, arguments.seconds)
            found = journeys(stack, phase)
            met.append(report(load, phase, found, predict(found, llm.service_seconds)))
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
