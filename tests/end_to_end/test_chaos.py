"""A short run of `make chaos`, and the proof that such a run can fail."""

from tests.chaos.plan import Trouble, plan
from tests.chaos.run import Options, run

QUICK = Options(handover_after_seconds=30, llm_visibility_seconds=5, patience_seconds=150)


def test_every_promise_is_kept_while_parts_of_the_system_fail() -> None:
    outcome = run(plan(seed=1, messages=60, organizations=4), QUICK, _show)

    assert outcome.count.is_kept, outcome.report
    assert outcome.count.said == 60


def test_a_platform_that_falls_silent_is_sent_to_again_without_its_safeguard_and_the_run_notices() -> None:
    made = plan(seed=1, messages=12, organizations=2, troubles=[Trouble.PLATFORM_SILENT])
    sabotaged = Options(handover_after_seconds=30, patience_seconds=90, without="unknown-stays-unknown")

    broken = run(made, sabotaged, _show).count.broken

    assert broken["duplicate replies"]
    assert not broken["turns without outcome"]


def test_a_redelivered_message_is_answered_again_without_its_safeguard_and_the_run_notices() -> None:
    made = plan(seed=1, messages=12, organizations=2, troubles=[])
    sabotaged = Options(handover_after_seconds=30, patience_seconds=90, without="messages-are-known-again")

    broken = run(made, sabotaged, _show).count.broken

    assert broken["messages not stored exactly once"]
    assert broken["duplicate replies"]


def _show(line: str) -> None:
    """For pytest to show where a test fails."""
    print(line)  # noqa: T201
