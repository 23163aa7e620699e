"""Releases as ops see them, and what the worker makes of what they ask for; what deploys is a fake."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.core import mail
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from console.audit.models import Change
from console.deployments import jobs, looking
from console.deployments.changes import between
from console.deployments.checkout import Checkout, CheckoutError
from console.deployments.lease import FREE_AFTER, Lease, LeaseLost
from console.deployments.models import Commit, Deploy, Stage
from console.organizations.models import User
from tests import factories
from tests.console.conftest import World, body, signed_in, with_factor
from tests.fakes.repository import Repository
from tests.infra.conftest import wait_until

URL = "/releases/"
END_ALL_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
"""
Capture = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def ann(world: World, queued: list[Any]) -> Client:
    return with_factor(world.ops)


@pytest.fixture
def bob(ann: Client) -> Client:
    return with_factor(factories.make_user("bob@example.com", is_ops=True))


def ask(client: Client, release: str, task: str = "deploy", replaces: str = "") -> Any:
    data = {"stage": "trial", "task": task, "release": release, "replaces": replaces}
    return client.post(f"{URL}changes/", data, follow=True)


def do(client: Client, deploy: Deploy, what: str) -> str:
    return body(client.post(f"{URL}deploys/{deploy.pk}/act/", {"do": what}, follow=True))


def latest() -> Deploy:
    return Deploy.objects.latest("pk")


# --- what is there ------------------------------------------------------------------------------------------


def test_the_stages_their_commits_and_what_ran(ann: Client, repository: Repository) -> None:
    assert "Nobody has looked yet" in body(ann.get(URL))
    entry = {"task": "deploy", "release": repository.first[:12], "who": "kim@laptop", "reason": "No answer"}
    entry |= {"started": "2026-11-29T10:00:00.000+00:00", "finished": "2026-11-29T10:04:00.000+00:00"}
    repository.set(release=repository.first[:12], history=[{**entry, "outcome": "failed"}])
    repository.commit("Prices are <b>shown</b>")

    jobs.look_at_releases()

    page = body(ann.get(URL))
    assert "Prices are &lt;b&gt;shown&lt;/b&gt;" in page
    assert f"{repository.first[:12]} · The first release (running there)" in page
    assert "kim@laptop" in page
    assert "took 4 min" in page
    assert "No answer" in page


def test_what_was_killed_elsewhere_does_not_run_for_ever(ann: Client, repository: Repository) -> None:
    killed = {"task": "deploy", "release": repository.first[:12], "who": "kim@laptop", "reason": ""}
    killed |= {"started": "2026-11-29T10:00:00.000+00:00", "finished": "", "outcome": "interrupted"}
    repository.set(history=[killed])
    jobs.look_at_releases()
    assert '<span class="releases-state is-interrupted">Interrupted</span>' in body(ann.get(URL))


def test_looking_again_is_asked_of_the_worker(ann: Client, repository: Repository, queued: list[Any]) -> None:
    assert "The worker looks since" in body(ann.post(f"{URL}look/", follow=True))
    assert queued == ["look"]
    jobs.look_at_releases()
    assert "As of" in body(ann.get(URL))


def test_what_cannot_be_looked_at_is_said(ann: Client, repository: Repository, settings: Settings) -> None:
    settings.DEPLOY_REPOSITORY = "https://ann:the-token@127.0.0.1:9/none.git"
    jobs.look_at_releases()
    page = body(ann.get(URL))
    assert "git says:" in page
    assert "the-token" not in page


def test_a_look_that_breaks_off_says_so(
    ann: Client, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(name: str) -> None:
        raise OSError("no memory for another program")

    ann.post(f"{URL}look/")
    monkeypatch.setattr(looking, "see", break_off)
    jobs.look_at_releases()
    page = body(ann.get(URL))
    assert "It broke off; the worker&#x27;s log says why." in page
    assert "The worker looks since" not in page


def test_what_a_deploy_changes(ann: Client, repository: Repository) -> None:
    repository.set(release=repository.first[:12])
    repository.commit("Labels", "console/inbox/migrations/0009_labels.py", "infra/roles.yaml")
    last = repository.commit("Words alone", "console/inbox/words.py")
    jobs.look_at_releases()

    page = body(ann.get(f"{URL}changes/?stage=trial&task=deploy&release={last}"))

    assert "inbox 0009_labels" in page
    assert "roles.yaml" in page
    assert page.index("Words alone</span><span") < page.index("Labels</span><span")
    assert f"Deploy {last[:12]}" in page


def test_commits_that_go_away_leave_their_migrations(ann: Client, repository: Repository) -> None:
    last = repository.commit("Labels", "console/inbox/migrations/0009_labels.py")
    repository.set(release=last[:12])
    jobs.look_at_releases()
    page = body(ann.get(f"{URL}changes/?stage=trial&task=deploy&release={repository.first}"))
    assert "Commits that go away" in page
    assert "these have run and stay: inbox 0009_labels" in page


def test_of_branches_that_were_merged_all_commits_count() -> None:
    def commit(name: str, *parents: str) -> Commit:
        return Commit(hash=name, parents=list(parents))

    commits = [commit("merge", "ours", "theirs"), commit("theirs", "base"), commit("ours", "base")]
    commits.append(commit("base", "long-ago"))
    commits[0].migrations, commits[0].removed_migrations = ["inbox 0003_labels"], ["inbox 0002_labels"]
    commits[1].migrations = ["inbox 0002_labels", "inbox 0002_notes"]

    changes = between(commits, "ours", "merge")

    assert [each.hash for each in changes.added] == ["merge", "theirs"]
    assert changes.migrations == ["inbox 0002_notes", "inbox 0003_labels"], "one was numbered anew"
    assert not changes.removed
    assert not between(commits, "unknown", "merge").is_whole


# --- a deploy -----------------------------------------------------------------------------------------------


def test_a_deploy_from_the_question_to_its_last_step(
    ann: Client, repository: Repository, queued: list[Any]
) -> None:
    jobs.look_at_releases()
    page = body(ask(ann, repository.first))
    deploy = latest()
    assert queued == [deploy.pk]
    assert "The worker takes it up" in page
    assert "/news/?shown=" in page

    jobs.run_deploy(deploy.pk)

    page = body(ann.get(f"{URL}deploys/{deploy.pk}/"))
    assert [page.index(f"<b>{step}</b>") for step in ("Fetch", "Build", "Update")]
    assert "/news/?shown=" not in page, "nothing changes any more"
    assert repository.state["release"] == repository.first[:12]
    assert repository.state["calls"] == [
        ["deploy", "trial", repository.first[:12], "ops@example.com (console)"]
    ]
    assert Stage.objects.get().release == repository.first[:12], "the page shows what runs now"
    assert f"Deploy of {repository.first[:12]}" in body(ann.get(URL))


@pytest.mark.django_db(transaction=True)
def test_a_step_tells_what_it_has_in_hand(asked: int, repository: Repository, ann: Client) -> None:
    def work() -> None:
        jobs.run_deploy(asked)
        connection.close()

    repository.hold("update")
    worker = threading.Thread(target=work)
    worker.start()
    wait_until(lambda: [step["note"] for step in latest().steps][-1:] == ["update in hand"])
    assert "update in hand" in body(ann.get(f"{URL}deploys/{asked}/"))
    repository.hold("")
    worker.join()
    assert [step["note"] for step in latest().steps][-1] == "made"


def test_who_reads_of_its_end_sees_what_runs_now(
    ann: Client, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.look_at_releases()
    ask(ann, repository.first)
    runs: list[str] = []
    end = jobs.Writer.end

    def note(writer: jobs.Writer, state: str, reason: str) -> None:
        runs.append(Stage.objects.get().release)
        end(writer, state, reason)

    monkeypatch.setattr(jobs.Writer, "end", note)
    jobs.run_deploy(latest().pk)

    assert (runs, latest().state) == ([repository.first[:12]], "done")


def test_it_ends_though_its_stage_cannot_be_looked_at_any_more(
    ann: Client, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.look_at_releases()
    ask(ann, repository.first)
    see = looking.see

    def see_before(name: str) -> Stage:
        if repository.state["release"]:
            raise OSError("no memory for another program")
        return see(name)

    monkeypatch.setattr(looking, "see", see_before)
    jobs.run_deploy(latest().pk)

    assert (latest().state, Stage.objects.get().release) == ("done", "")


def test_the_page_of_a_deploy_is_renewed_only_where_it_changed(ann: Client, repository: Repository) -> None:
    jobs.look_at_releases()
    page = body(ask(ann, repository.first))
    news = page.partition('hx-get="')[2].partition('"')[0]
    assert ann.get(news).status_code == 204
    Deploy.objects.update(
        state="running", steps=[{"name": "build", "state": "running", "note": "", "seconds": None}]
    )
    said = body(ann.get(news))
    assert "<b>Build</b>" in said
    assert "Cancel after this step" in said


def test_a_second_deploy_of_a_stage_is_led_to_the_first(
    ann: Client, bob: Client, repository: Repository
) -> None:
    jobs.look_at_releases()
    ask(ann, repository.first)
    page = body(ask(bob, repository.first))
    assert "Somebody is at trial already" in page
    assert Deploy.objects.count() == 1


@pytest.mark.parametrize("release", ["0" * 40, "", "--upload-pack=x", "HEAD"])
def test_only_a_known_commit_is_deployed(ann: Client, repository: Repository, release: str) -> None:
    jobs.look_at_releases()
    assert "no such release by now" in body(ask(ann, release))
    assert not Deploy.objects.exists()


def test_a_commit_that_left_the_branch_is_not_deployed(ann: Client, repository: Repository) -> None:
    left = repository.commit("Will be gone")
    jobs.look_at_releases()
    ask(ann, left)
    repository.git("reset", "--quiet", "--hard", repository.first)
    jobs.run_deploy(latest().pk)
    assert (latest().state, repository.state["calls"]) == ("failed", [])
    assert "is not on the branch" in latest().reason


def test_what_was_looked_at_must_still_run(ann: Client, repository: Repository) -> None:
    """The changes that somebody has seen, and another has approved, are those that are made."""
    jobs.look_at_releases()
    assert "runs another release by now" in body(ask(ann, repository.first, replaces="1" * 12))
    ask(ann, repository.first)
    repository.set(release="2" * 12)
    jobs.run_deploy(latest().pk)
    assert latest().reason.startswith("trial runs 222222222222, and nothing when this was asked for")
    assert repository.state["calls"] == []


def test_why_a_deploy_failed_is_said_where_it_said_nothing_itself(
    ann: Client, repository: Repository
) -> None:
    repository.set(breaks="ModuleNotFoundError: No module named 'zappa'")
    jobs.look_at_releases()
    ask(ann, repository.first)
    jobs.run_deploy(latest().pk)
    assert (latest().state, latest().reason) == ("failed", "ModuleNotFoundError: No module named 'zappa'")


def test_a_rollback_leads_to_a_kept_release_alone(ann: Client, repository: Repository) -> None:
    repository.set(release="b" * 12, kept=["b" * 12, "a" * 12], before="a" * 12, needs_approval=True)
    jobs.look_at_releases()
    assert "Roll back to aaaaaaaaaaaa" in body(ann.get(URL))
    ask(ann, "c" * 12, "rollback", replaces="b" * 12)
    assert not Deploy.objects.exists()

    ask(ann, "a" * 12, "rollback", replaces="b" * 12)
    jobs.run_deploy(latest().pk)

    assert latest().state == "done", "it needs no approval: what it leads to had one"
    assert repository.state["calls"][0][:3] == ["rollback", "trial", "a" * 12]


def test_code_that_is_merely_pushed_is_not_run(ann: Client, repository: Repository) -> None:
    repository.set(release="b" * 12, kept=["b" * 12, "a" * 12], before="a" * 12, needs_approval=True)
    pushed = repository.commit(
        "import json; print(json.dumps({'needs_approval': False}))", "infra/deployment/job.py"
    )
    jobs.look_at_releases()
    assert Stage.objects.get().needs_approval
    Stage.objects.update(needs_approval=False)  # as it was when the deploy was asked for
    ask(ann, pushed, replaces="b" * 12)
    jobs.run_deploy(latest().pk)
    assert "needs the approval of a second person" in latest().reason

    ask(ann, "a" * 12, "rollback", replaces="b" * 12)
    jobs.run_deploy(latest().pk)
    assert latest().state == "done"


# --- a worker that comes and goes ---------------------------------------------------------------------------


def test_a_deploy_that_its_worker_left_is_gone_on_with(ann: Client, repository: Repository) -> None:
    jobs.look_at_releases()
    ask(ann, repository.first)
    repository.set(at=repository.first, done=["build"])
    left = [{"name": "update", "state": "running", "note": "", "seconds": None}]
    Deploy.objects.update(state="running", started_at=timezone.now() - timedelta(minutes=9), steps=left)

    jobs.run_deploy(latest().pk)

    told = [(step["name"], step["state"], step["note"]) for step in latest().steps]
    assert told[0] == ("update", "failed", "The worker was stopped in the middle of it.")
    assert told[2:] == [("build", "done", "kept from before"), ("update", "done", "made")]
    assert latest().state == "done"


def test_a_message_that_comes_twice_deploys_once(ann: Client, repository: Repository) -> None:
    jobs.look_at_releases()
    ask(ann, repository.first)
    for _ in range(2):
        jobs.run_deploy(latest().pk)
    assert len(repository.state["calls"]) == 1


def test_what_was_cancelled_while_no_worker_was_there_is_put_back(
    ann: Client, repository: Repository
) -> None:
    repository.set(release="b" * 12, kept=["b" * 12])
    jobs.look_at_releases()
    ask(ann, repository.first, replaces="b" * 12)
    Deploy.objects.update(state="running", started_at=timezone.now())
    do(ann, latest(), "cancel")

    jobs.run_deploy(latest().pk)

    assert repository.state["calls"][0][:3] == ["rollback", "trial", "b" * 12]
    assert latest().state == "cancelled"


def test_what_was_cancelled_on_a_stage_that_cannot_be_seen_fails(ann: Client, repository: Repository) -> None:
    jobs.look_at_releases()
    ask(ann, repository.first)
    Deploy.objects.update(state="running", started_at=timezone.now())
    do(ann, latest(), "cancel")
    repository.set(problem="AWS refused: expired")

    jobs.run_deploy(latest().pk)

    assert (latest().state, latest().reason) == ("failed", "AWS refused: expired")


@pytest.fixture
def asked(ann: Client, repository: Repository) -> int:
    """A deploy that no worker has taken up yet."""
    jobs.look_at_releases()
    ask(ann, repository.first)
    return latest().pk


def take_from_another(deploy_id: int) -> Lease | None:
    """As a worker does that has waited in vain for a word of the one before it."""
    Deploy.objects.update(seen_at=timezone.now() - 2 * FREE_AFTER)
    return Lease.take(deploy_id)


def test_one_worker_at_a_time_is_at_a_deploy(asked: int) -> None:
    first = Lease.take(asked)
    assert first is not None
    assert Lease.take(asked) is None

    second = take_from_another(asked)

    assert second is not None
    with pytest.raises(LeaseLost):
        first.write(state="done")
    assert latest().state == "running"
    second.write(state="done")
    assert take_from_another(asked) is None, "it has ended"


@pytest.mark.django_db(transaction=True)
def test_a_session_that_is_ended_lets_nobody_else_take_a_deploy_up(asked: int) -> None:
    lease = Lease.take(asked)
    assert lease is not None
    with lease.shown(every_seconds=0.02):
        for _ in range(2):
            shown_at = latest().seen_at
            wait_until(lambda before=shown_at: latest().seen_at > before)
            with pytest.raises(OperationalError), connection.cursor() as cursor:
                cursor.execute(END_ALL_SESSIONS)
            connection.close()
            assert Lease.take(asked) is None
    lease.write(state="done")


@pytest.mark.django_db(transaction=True)
def test_a_worker_stops_once_another_has_taken_its_deploy_up(asked: int, repository: Repository) -> None:
    def work() -> None:
        jobs.run_deploy(asked)
        connection.close()

    repository.hold("update")
    worker = threading.Thread(target=work)
    worker.start()
    wait_until(lambda: [step["note"] for step in latest().steps][-1:] == ["update in hand"])
    other = take_from_another(asked)
    assert other is not None
    other.write(steps=[])
    [program] = [each for each in psutil.Process().children() if "infra.deployment.job" in each.cmdline()]
    wait_until(lambda: not program.is_running())
    repository.hold("")
    other.write(state="done")
    worker.join()

    assert (repository.state["done"], len(repository.state["calls"])) == (["build"], 1)
    assert (latest().state, latest().steps, latest().lease) == ("done", [], other.number)


def test_nobody_shows_to_be_at_it(ann: Client, repository: Repository, queued: list[Any]) -> None:
    jobs.look_at_releases()
    ask(ann, repository.first)
    Deploy.objects.update(state="running", seen_at=timezone.now() - timedelta(minutes=2))
    assert "Nobody shows to be at it" in body(ann.get(f"{URL}deploys/{latest().pk}/"))
    do(ann, latest(), "take up")
    assert queued == [latest().pk] * 2


# --- cancelling ---------------------------------------------------------------------------------------------


def test_what_waits_is_cancelled_at_once(ann: Client, repository: Repository) -> None:
    jobs.look_at_releases()
    ask(ann, repository.first)
    assert "Cancelled" in do(ann, latest(), "cancel")
    jobs.run_deploy(latest().pk)
    assert repository.state["calls"] == []
    assert "has ended already" in do(ann, latest(), "cancel")


@pytest.mark.django_db(transaction=True)
def test_what_runs_is_cancelled_after_the_step_in_hand(ann: Client, repository: Repository) -> None:
    repository.hold("build")
    jobs.look_at_releases()
    ask(ann, repository.first)
    Deploy.objects.update(cancelled_by=User.objects.get(email="ops@example.com"))

    jobs.run_deploy(latest().pk)

    assert latest().state == "cancelled"
    assert latest().reason == "Cancelled before “update”."
    assert [step["state"] for step in latest().steps] == ["done", "done"]


# --- approval -----------------------------------------------------------------------------------------------


@pytest.fixture
def approving(repository: Repository, ann: Client) -> Repository:
    repository.set(needs_approval=True)
    jobs.look_at_releases()
    return repository


def test_a_second_person_lets_a_deploy_begin(
    ann: Client, bob: Client, approving: Repository, queued: list[Any]
) -> None:
    factories.make_user("carla@example.com", is_ops=True, language="es")
    assert "A second person of ops has to approve it" in body(ask(ann, approving.first))
    assert queued == []
    release = approving.first[:12]
    assert {each.to[0]: each.subject for each in mail.outbox} == {
        "bob@example.com": f"To approve: Deploy of {release} on trial",
        "carla@example.com": f"Por aprobar: Despliegue de {release} en trial",
    }
    assert all(f"/releases/deploys/{latest().pk}/" in each.body for each in mail.outbox)
    assert "A second person has to approve it." in do(ann, latest(), "approve")
    assert queued == []
    do(bob, latest(), "approve")
    assert queued == [latest().pk]
    jobs.run_deploy(latest().pk)
    assert approving.state["calls"][0][3] == "ops@example.com, approved by bob@example.com (console)"
    assert "ops@example.com, approved by bob@example.com" in body(ann.get(URL))


def test_what_is_refused_or_forgotten_never_begins(
    ann: Client, bob: Client, approving: Repository, queued: list[Any]
) -> None:
    ask(ann, approving.first)
    assert "Refused" in do(bob, latest(), "refuse")
    assert "It is no more to be approved: Refused." in do(bob, latest(), "approve")
    ask(ann, approving.first)
    Deploy.objects.filter(pk=latest().pk).update(asked_at=timezone.now() - timedelta(hours=25))
    assert "It is no more to be approved: Expired." in do(bob, latest(), "approve")
    assert "Nobody approved it within a day." in body(ann.get(URL))
    assert queued == []


def test_a_stage_that_demands_approval_by_now_gets_it_from_the_worker_too(
    ann: Client, repository: Repository
) -> None:
    jobs.look_at_releases()
    ask(ann, repository.first)
    repository.set(needs_approval=True)
    jobs.run_deploy(latest().pk)
    assert "needs the approval of a second person by now" in latest().reason
    assert repository.state["calls"] == []


# --- who, and what is kept of it ----------------------------------------------------------------------------


def test_who_did_what_is_in_the_audit_log(ann: Client, bob: Client, approving: Repository) -> None:
    ask(ann, approving.first)
    do(bob, latest(), "approve")
    do(ann, latest(), "cancel")
    log = Change.objects.filter(thing="deploy").order_by("pk").values_list("who", "action", "after__state")
    assert list(log) == [
        ("ops@example.com", "added", "to_approve"),
        ("bob@example.com", "changed", "waiting"),
        ("ops@example.com", "changed", None),
        ("ops@example.com", "changed", "cancelled"),
    ]


def test_it_is_for_ops_with_a_second_factor(world: World, repository: Repository, queued: list[Any]) -> None:
    jobs.look_at_releases()
    for person in (world.admin, world.agent):
        client = signed_in(person)
        assert client.get(URL).status_code == 403
        assert ask(client, repository.first).status_code == 403
        assert f'href="{URL}"' not in body(client.get("/"))
    client = signed_in(world.ops)
    page = body(client.get(URL))
    assert "Releases are for ops with a second factor" in page
    assert repository.first[:12] not in page
    assert ask(client, repository.first).status_code == 403
    assert not Deploy.objects.exists()


# --- the checkout -------------------------------------------------------------------------------------------


def test_one_at_a_time_works_in_the_checkout(tmp_path: Path, repository: Repository) -> None:
    order: list[str] = []
    first, second = (Checkout(tmp_path / "checkout", str(repository.root)) for _ in range(2))

    def wait() -> None:
        with second.held():
            order.append("second")

    with first.held():
        thread = threading.Thread(target=wait)
        thread.start()
        first.fetch()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_what_lies_in_the_checkout_is_the_commit(tmp_path: Path, repository: Repository) -> None:
    checkout = Checkout(tmp_path / "checkout", str(repository.root))
    checkout.folder.mkdir()
    checkout.fetch()
    checkout.put(repository.first)
    (checkout.folder / "infra" / "deployment" / "job.py").write_text("changed")
    checkout.put(repository.first)
    assert "FOLDER" in (checkout.folder / "infra" / "deployment" / "job.py").read_text()
    with pytest.raises(CheckoutError, match="not on the branch"):
        checkout.find("--help")
