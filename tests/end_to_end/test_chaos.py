"""A short run of `make chaos`, and the proof that such a run can fail."""

import pytest

from tests.chaos.plan import CONTACTS, KILLS, Trouble, plan
from tests.chaos.run import Options, run

pytestmark = pytest.mark.long

SEED = 7
"""In its plan the runner is killed early: the message that was leaving then comes back after a minute."""


def test_every_promise_is_kept_while_parts_of_the_system_fail() -> None:
    made = plan(SEED, messages=60, organizations=4)

    outcome = run(made, Options(llm_visibility_seconds=5), _show)

    assert outcome.count.is_kept, outcome.report
    assert outcome.count.said == 60
    assert {trouble for trouble in KILLS if f"{trouble}  " in outcome.report} == set(KILLS)


def test_answers_of_unknown_fate_are_sent_twice_without_their_safeguards_and_the_run_notices() -> None:
    made = plan(SEED, messages=12, organizations=2, troubles=[Trouble.PLATFORM_SILENT], seconds=8)
    sabotaged = Options(patience_seconds=25, without="unknown-stays-unknown,reports-are-read")

    outcome = run(made, sabotaged, _show)

    for platform in CONTACTS:
        assert outcome.counts[platform].broken["duplicate replies"], outcome.report
    assert not outcome.count.is_kept
    assert "Promises were broken." in outcome.report


def _show(line: str) -> None:
    """For pytest to show where a test fails."""
    print(line)  # noqa: T201
