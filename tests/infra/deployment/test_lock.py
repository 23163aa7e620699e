"""One deploy of a stage at a time, in a real bucket."""

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest
from boto3.session import Session
from botocore.exceptions import EndpointConnectionError

from infra.deployment import lock
from infra.deployment.bucket import Bucket, Taken
from infra.deployment.errors import Locked
from infra.deployment.lock import KEY, STALE_AFTER, Holder, Pulse, holding
from tests.infra.conftest import wait_until

NOW = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)
NO_PROCESS = 2**22 + 1  # above Linux's largest process id


@pytest.fixture
def bucket(aws: str) -> Bucket:
    bucket = Bucket("lock", Session())
    bucket.client.create_bucket(Bucket=bucket.name)
    bucket.delete(KEY)
    return bucket


def held(bucket: Bucket, host: str = "elsewhere", process_id: int = 1, age: timedelta = timedelta()) -> None:
    at = (NOW - age).isoformat()
    bucket.write(KEY, asdict(Holder("ann", host, process_id, "deploy", at, at)))


def hold(bucket: Bucket) -> "Callable[[], bool]":
    with holding(bucket, "bob", "here", "rollback", lambda: NOW) as is_lost:
        return is_lost


def test_it_is_given_back(bucket: Bucket) -> None:
    with holding(bucket, "bob", "here", "deploy", lambda: NOW):
        found = bucket.read(KEY)
        assert found is not None
        assert (found[0]["who"], found[0]["process_id"]) == ("bob", os.getpid())

    assert bucket.read(KEY) is None


def test_it_is_given_back_by_who_fails(bucket: Bucket) -> None:
    with pytest.raises(ZeroDivisionError), holding(bucket, "bob", "here", "deploy", lambda: NOW):
        raise ZeroDivisionError

    assert bucket.read(KEY) is None


def test_who_comes_second_is_told_who_holds_it_and_since_when(bucket: Bucket) -> None:
    held(bucket)

    with pytest.raises(Locked, match=r"ann \(elsewhere\) is at “deploy” .* since 2026-11-30T04:00"):
        hold(bucket)


@pytest.mark.parametrize(
    "dead",
    [{"age": timedelta(seconds=91)}, {"host": "here", "process_id": NO_PROCESS}],
    ids=["silent", "killed here"],
)
def test_it_is_taken_from_the_dead(bucket: Bucket, dead: dict[str, object]) -> None:
    held(bucket, **dead)  # type: ignore[arg-type]

    assert hold(bucket)() is False


def test_of_two_who_find_a_dead_holder_one_gets_it(bucket: Bucket) -> None:
    held(bucket)
    found = bucket.read(KEY)
    assert found is not None
    bucket.replace(KEY, {}, found[1])

    with pytest.raises(Taken):
        bucket.replace(KEY, {}, found[1])


class Unreliable:
    """A bucket behind a network that fails as often as `failures` says; `loses_answers`: of writes."""

    def __init__(self, bucket: Bucket, failures: int = 0, loses_answers: bool = False) -> None:
        self._bucket, self._failures, self._loses_answers = bucket, failures, loses_answers
        self.read, self.delete = bucket.read, bucket.delete

    def create(self, key: str, content: object) -> str:
        return self._twice(lambda: self._bucket.create(key, content))

    def replace(self, key: str, content: object, tag: str) -> str:
        if self._failures > 0:
            self._failures -= 1
            raise EndpointConnectionError(endpoint_url="https://s3")
        return self._twice(lambda: self._bucket.replace(key, content, tag))

    def _twice(self, write: Callable[[], str]) -> str:
        """boto3 repeats a write whose answer it did not get."""
        if self._loses_answers:
            write()
        return write()


MINE = Holder("bob", "here", 7, "deploy", NOW.isoformat(), NOW.isoformat())


def pulse(bucket: Bucket, network: Unreliable, times: list[datetime]) -> Pulse:
    """Of MINE; its clock stands at the last of `times`."""
    bucket.write(KEY, asdict(MINE))
    found = bucket.read(KEY)
    assert found is not None
    return Pulse(network, MINE, found[1], lambda: times[-1])  # type: ignore[arg-type]


def test_a_network_that_fails_for_a_while_does_not_end_the_pulse(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "SHOW_EVERY_SECONDS", 0.01)
    later = NOW + timedelta(seconds=60)
    beating = pulse(bucket, Unreliable(bucket, failures=3), [NOW, later])

    beating.start()
    wait_until(lambda: (bucket.read(KEY) or [{}])[0]["seen"] == later.isoformat(), timeout_seconds=10)
    beating.stop()

    assert not beating.is_lost()


def test_who_was_silent_for_too_long_has_lost_it(bucket: Bucket) -> None:
    times = [NOW]
    silent = pulse(bucket, Unreliable(bucket, failures=9), times)
    assert not silent.is_lost()

    times.append(NOW + STALE_AFTER + timedelta(seconds=1))

    assert silent.is_lost()


def test_a_write_whose_answer_was_lost_keeps_the_lock(bucket: Bucket) -> None:
    network, times = Unreliable(bucket, loses_answers=True), [NOW]
    with holding(network, "bob", "here", "deploy", lambda: NOW):  # type: ignore[arg-type]
        pass
    showing = pulse(bucket, network, times)

    for seconds in (80, 160):
        times.append(NOW + timedelta(seconds=seconds))
        showing.show()

    assert not showing.is_lost()


def test_who_finds_another_holder_has_lost_it(bucket: Bucket) -> None:
    showing = pulse(bucket, Unreliable(bucket), [NOW])
    held(bucket)

    showing.show()

    assert showing.is_lost()


def test_the_lock_of_somebody_else_is_not_given_back(bucket: Bucket) -> None:
    other = replace(MINE, who="ann")

    with holding(bucket, "bob", "here", "deploy", lambda: NOW):
        bucket.write(KEY, asdict(other))

    found = bucket.read(KEY)
    assert found is not None
    assert found[0]["who"] == "ann"
