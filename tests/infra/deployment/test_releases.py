"""What a stage keeps of its releases, in a real bucket."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from boto3.session import Session

from infra.deployment.bucket import Bucket
from infra.deployment.errors import ReleaseError
from infra.deployment.lock import KEY, STALE_AFTER, Holder, holding
from infra.deployment.releases import BOXES, DONE, FAILED, INTERRUPTED, KEPT, RUNNING, Releases


@pytest.fixture
def bucket(aws: str) -> Bucket:
    bucket = Bucket(f"releases-{uuid4().hex}", Session())
    bucket.client.create_bucket(Bucket=bucket.name)
    return bucket


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """Each look at it is a second later."""
    seconds = count()
    return lambda: datetime(2026, 11, 30, tzinfo=UTC) + timedelta(seconds=next(seconds))


@pytest.fixture
def releases(bucket: Bucket, clock: Callable[[], datetime]) -> Releases:
    return Releases(bucket, clock)


def run(releases: Releases, release: str, outcome: str = DONE, task: str = "deploy") -> None:
    entry = releases.begin(task, release, "ann")
    if outcome == DONE:
        releases.set_current(release)
    releases.end(entry, outcome)


def test_a_file_is_there_once_it_is_kept(releases: Releases, tmp_path: Path) -> None:
    (tmp_path / "built").write_bytes(b"zip")
    assert not releases.has("abc", "functions.zip")

    releases.keep("abc", tmp_path / "built", "functions.zip")

    assert releases.has("abc", "functions.zip")
    assert releases.address("abc", "functions.zip").endswith("/abc/functions.zip")


def test_a_rollback_leads_to_what_ran_before(releases: Releases) -> None:
    run(releases, "first")
    run(releases, "second")
    run(releases, "broken", FAILED)

    assert releases.one_before() == "first"


def test_a_rollback_of_something_interrupted_leads_to_what_ran_last(releases: Releases) -> None:
    run(releases, "first")
    run(releases, "second")
    releases.begin("deploy", "third", "ann")

    assert releases.one_before() == "second"


def test_a_second_rollback_leads_further_back_and_never_to_what_was_rolled_back_from(
    releases: Releases,
) -> None:
    for release in ("first", "second", "third"):
        run(releases, release)
    run(releases, "second", task="rollback")
    assert releases.one_before() == "first"

    run(releases, "first", task="rollback")

    with pytest.raises(ReleaseError, match="nothing to go back to"):
        releases.one_before()


def test_a_release_that_is_deployed_again_is_as_good_as_any(releases: Releases) -> None:
    run(releases, "first")
    run(releases, "second")
    run(releases, "first", task="rollback")
    run(releases, "second")
    run(releases, "third")

    assert releases.one_before() == "second"


def test_where_nothing_ran_before_there_is_nothing_to_go_back_to(releases: Releases) -> None:
    run(releases, "first")

    with pytest.raises(ReleaseError, match="nothing to go back to"):
        releases.one_before()


def test_the_history_says_who_and_what_became_of_it_newest_first(releases: Releases) -> None:
    run(releases, "first")
    run(releases, "broken", FAILED)

    newest, oldest = releases.history()

    assert (newest.release, newest.outcome, newest.who) == ("broken", "failed", "ann")
    assert oldest.finished > oldest.started


def test_the_oldest_are_forgotten_and_what_runs_is_kept(releases: Releases) -> None:
    run(releases, "oldest")
    for number in range(KEPT):
        run(releases, f"release{number}")
    for release in ("oldest", "release0", f"release{KEPT - 1}"):
        releases.keep_settings(release, {})
    releases.set_current("release0")

    assert releases.forget_old() == ["oldest"]
    assert releases.settings("release0") == {}
    with pytest.raises(ReleaseError, match="oldest is not kept"):
        releases.settings("oldest")


def test_releases_that_failed_push_none_out_that_ran(releases: Releases) -> None:
    run(releases, "good")
    releases.keep_settings("good", {})
    for number in range(KEPT):
        run(releases, f"broken{number}", FAILED)
    run(releases, "better")

    assert "good" not in releases.forget_old()
    assert releases.settings("good") == {}


@pytest.fixture
def killed(releases: Releases) -> Releases:
    """Somebody's deploy ended with its process."""
    run(releases, "first")
    releases.begin("deploy", "second", "ann")
    return releases


def told(releases: Releases) -> list[tuple[str, str]]:
    return [(entry.release, entry.outcome) for entry in releases.told("here")]


def test_people_are_told_what_was_killed(killed: Releases) -> None:
    assert told(killed) == [("second", INTERRUPTED), ("first", DONE)]
    assert killed.history()[0].outcome == RUNNING, "a rollback goes by that"


def test_what_runs_is_told_apart_from_what_was_killed_before(
    killed: Releases, bucket: Bucket, clock: Callable[[], datetime]
) -> None:
    now = clock()
    with holding(bucket, "bob", "here", "deploy", lambda: now):
        assert told(killed)[0] == ("second", INTERRUPTED)
        killed.begin("deploy", "second", "bob")
        assert told(killed)[:2] == [("second", RUNNING), ("second", INTERRUPTED)]


def test_who_was_silent_for_too_long_is_told_as_killed(
    releases: Releases, bucket: Bucket, clock: Callable[[], datetime]
) -> None:
    then = (clock() - STALE_AFTER - timedelta(seconds=9)).isoformat()
    bucket.write(KEY, asdict(Holder("ann", "elsewhere", 1, "deploy", since=then, seen=then)))
    releases.begin("deploy", "second", "ann")
    assert told(releases) == [("second", INTERRUPTED)]


def test_an_archive_stays_as_long_as_a_kept_release_has_boxes_that_run_it(
    releases: Releases, tmp_path: Path
) -> None:
    (tmp_path / "built").write_bytes(b"archive")
    for number in range(KEPT + 2):
        name = f"llm-{max(number, 1)}.tar.gz"  # the first two have theirs in common
        releases.keep(BOXES, tmp_path / "built", name)
        releases.keep_archive(str(number), name)
        run(releases, str(number))

    releases.forget_old()
    assert not releases.has(BOXES, "llm-1.tar.gz")
    assert all(releases.has(*releases.archive(kept).split("/")) for kept in releases.kept())

    with pytest.raises(ReleaseError, match="0 is not kept"):
        releases.archive("0")
