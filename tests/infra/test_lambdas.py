"""The runner against a real emulator: what AWS does with a batch, seen on the queue."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from infra.local.errors import SettingError
from infra.local.lambdas import concurrency
from tests.infra.conftest import Queue, wait_until

MakeQueue = Callable[..., Queue]


class Run:
    """A runner that feeds one handler, and what the handler saw."""

    def __init__(self, start: Callable[..., "subprocess.Popen[str]"], record: Path) -> None:
        self._start = start
        self._record = record

    def begin(self, handler: str, source: str, timeout_seconds: float = 10, workers: int = 1) -> None:
        arguments = (handler, source, str(timeout_seconds), str(workers))
        self.process = self._start("-m", "tests.infra.run_handler", *arguments, RECORD=str(self._record))

    def seen(self) -> list[str]:
        return self._record.read_text().splitlines() if self._record.exists() else []

    def stop(self) -> str:
        """Stop it; what it logged."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=20)
        return output


@pytest.fixture
def run(start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path) -> Run:
    return Run(start, tmp_path / "record")


def test_a_batch_without_failures_is_deleted(run: Run, make_queue: MakeQueue) -> None:
    queue = make_queue("all-good")
    queue.send("one", "two")

    run.begin("succeed", queue.arn)

    wait_until(lambda: sorted(run.seen()) == ["one", "two"])
    wait_until(lambda: queue.count() == 0)


def test_only_the_reported_messages_come_back(run: Run, make_queue: MakeQueue) -> None:
    queue = make_queue("partial", visibility_seconds=1, receives=2)
    queue.send("good", "bad")

    run.begin("fail_marked", queue.arn)

    wait_until(lambda: queue.dead_bodies() == ["bad"])
    assert sorted(run.seen()) == ["bad", "bad", "good"]


@pytest.mark.parametrize("handler", ["throw", "answer_nonsense"])
def test_an_invocation_that_fails_fails_its_whole_batch(
    run: Run, make_queue: MakeQueue, handler: str
) -> None:
    queue = make_queue(f"whole-{handler}", visibility_seconds=1, receives=2)
    queue.send("one", "two")

    run.begin(handler, queue.arn)

    buried: list[str] = []

    def both_are_buried() -> bool:
        buried.extend(queue.dead_bodies())
        return sorted(buried) == ["one", "two"]

    wait_until(both_are_buried)
    assert sorted(run.seen()) == ["one", "one", "two", "two"]


def test_a_message_is_buried_after_its_last_receive(run: Run, make_queue: MakeQueue) -> None:
    queue = make_queue("poison", visibility_seconds=1, receives=5)
    queue.send("bad")

    run.begin("fail_marked", queue.arn, workers=2)

    wait_until(lambda: queue.dead_bodies() == ["bad"])
    assert run.seen() == ["bad"] * 5


def test_a_group_of_a_fifo_queue_keeps_its_order_over_a_failure(run: Run, make_queue: MakeQueue) -> None:
    queue = make_queue("ordered.fifo", visibility_seconds=2)
    queue.send("1", "bad 2", "3", "4")

    run.begin("fail_from_first", queue.arn, workers=2)

    wait_until(lambda: queue.count() == 0)
    seen = run.seen()
    assert seen[0] == "1"
    assert seen[-3:] == ["bad 2", "3", "4"]
    assert seen.count("1") == 1


def test_another_group_does_not_wait_for_a_failed_one(run: Run, make_queue: MakeQueue) -> None:
    queue = make_queue("groups.fifo", visibility_seconds=60)
    queue.send("bad", group="a")
    run.begin("fail_marked", queue.arn)
    wait_until(lambda: run.seen() == ["bad"])

    queue.send("good", group="b")

    wait_until(lambda: run.seen() == ["bad", "good"])
    wait_until(lambda: queue.count() == 1)


def test_an_invocation_over_its_time_out_is_killed_and_its_message_comes_back(
    run: Run, make_queue: MakeQueue
) -> None:
    queue = make_queue("slow", visibility_seconds=2, receives=2)
    queue.send("hang")

    run.begin("hang_when_told", queue.arn, timeout_seconds=0.5)

    wait_until(lambda: run.seen() == ["hang", "hang"])
    queue.send("next")
    wait_until(lambda: run.seen()[-1] == "next")
    wait_until(lambda: queue.dead_bodies() == ["hang"])
    assert "subject: timed out after 0.5 s and was killed" in run.stop()


def test_a_worker_that_dies_is_replaced(run: Run, make_queue: MakeQueue) -> None:
    queue = make_queue("mortal", visibility_seconds=60)
    queue.send("exit")
    run.begin("exit_when_told", queue.arn)
    wait_until(lambda: run.seen() == ["exit"])

    queue.send("next")

    wait_until(lambda: run.seen() == ["exit", "next"])
    assert "subject: worker died (exit code 1), next one in 1 s" in run.stop()


def test_a_running_invocation_is_finished_before_the_runner_ends(run: Run, make_queue: MakeQueue) -> None:
    queue = make_queue("finished")
    queue.send("begun")
    run.begin("take_a_moment", queue.arn)
    wait_until(lambda: run.seen() == ["begun"])

    run.stop()

    assert run.process.returncode == 0
    assert run.seen() == ["begun", "done"]
    assert queue.count() == 0


def test_no_worker_outlives_a_killed_runner(run: Run, make_queue: MakeQueue) -> None:
    queue = make_queue("orphans")
    run.begin("succeed", queue.arn, workers=2)
    queue.send("one")
    wait_until(run.seen)
    workers = psutil.Process(run.process.pid).children()

    run.process.kill()

    assert len(workers) == 2
    wait_until(lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers))


def test_a_schedule_ticks_at_once_and_goes_on(run: Run) -> None:
    run.begin("tick", "0.2")

    wait_until(lambda: len(run.seen()) >= 3)
    assert run.seen()[0] == "Scheduled Event hub-subject"


def test_an_outage_of_the_queues_is_told_once_and_outlived(run: Run, make_queue: MakeQueue) -> None:
    missing = "arn:aws:sqs:us-east-1:000000000000:comes-later"
    run.begin("succeed", missing)
    log = ""
    while "cannot read comes-later" not in log:
        assert run.process.stdout
        log += run.process.stdout.readline()

    queue = make_queue("comes-later")
    queue.send("one")

    wait_until(lambda: run.seen() == ["one"])
    rest = run.stop()
    assert "cannot read" not in rest
    assert "reads comes-later again" in rest


@pytest.mark.parametrize("value", ["0", "two", "-1", "1.5"])
def test_a_wrong_number_of_workers_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HUB_LAMBDA_CONCURRENCY", value)

    with pytest.raises(SettingError, match="HUB_LAMBDA_CONCURRENCY"):
        concurrency()
