"""The Capacity page: what ops ask, what the job makes of it, and what they see."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from console.capacity import jobs
from console.capacity.models import Run
from console.capacity.study import Study
from tests.console.conftest import World, body, signed_in

URL = "/capacity/"
ASKED = {
    "source": "rule",
    "days": 7,
    "messages": 1500,
    "organizations": 10,
    "like": "",
    "times": 1,
    "kind": "small",
}
Capture = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was put on the queue of console jobs."""
    sent: list[int] = []
    monkeypatch.setattr(jobs.run_capacity, "delay", sent.append)
    return sent


def make_run(**changed: Any) -> Run:
    return Run.objects.create(question={**ASKED, **changed})


def test_ops_ask_and_get_charts_and_designs(
    world: World, queued: list[int], django_capture_on_commit_callbacks: Capture
) -> None:
    client = signed_in(world.ops)
    assert "Nothing is simulated yet" in body(client.get(URL))
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(URL, ASKED).status_code == 302
    run = Run.objects.get()
    assert (queued, run.asked_by) == ([run.pk], world.ops)
    assert "A day is being simulated" in body(client.get(URL))
    jobs.run_capacity(run.pk)
    page = body(client.get(URL))
    assert "1,500 messages and 1,154 turns a day, 10 organizations" in page
    for title in ("Functions and LLM boxes", "One server, always on", "Functions and a hosted LLM"):
        assert title in page
    assert page.count("proof-chart") == 3
    assert len(re.findall(r'class="proof-boxes"', page)) == 24, "a bar for each hour"
    assert "setTimeout" not in page, "nothing is under way any more"


def test_a_run_that_is_under_way_shows_how_far_it_is_and_lets_no_other_begin(
    world: World, queued: list[int]
) -> None:
    run = make_run()
    Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING, share=0.42)
    client = signed_in(world.ops)
    assert "42 %" in body(client.get(URL))
    client.post(URL, ASKED)
    assert list(Run.objects.all()) == [run]
    assert queued == []


def test_a_job_that_comes_twice_simulates_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()
    jobs.run_capacity(run.pk)
    run.refresh_from_db()
    first = Study.of_json(run.study)
    monkeypatch.setattr(jobs, "study", lambda *_: pytest.fail("it was made already"))
    jobs.run_capacity(run.pk)
    run.refresh_from_db()
    assert Study.of_json(run.study) == first
    assert (run.state, run.share) == (Run.State.DONE, 1.0)


def test_a_job_whose_worker_died_is_taken_up_again(world: World) -> None:
    run = make_run()
    Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING, share=0.7)
    jobs.run_capacity(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.DONE


def test_what_cannot_be_simulated_is_said_and_the_study_before_stays(world: World) -> None:
    done = make_run()
    jobs.run_capacity(done.pk)
    failing = make_run(like="nobody")
    jobs.run_capacity(failing.pk)
    page = body(signed_in(world.ops).get(URL))
    assert "There is no organization &#x27;nobody&#x27; with messages in" in page
    assert "1,500 messages and 1,154 turns a day" in page


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("messages", 10**9, "Messages a day: Ensure this value is less than or equal to 10000000"),
        ("kind", "huge", "LLM boxes: Select a valid choice"),
        ("days", "", "Days: This field is required"),
    ],
)
def test_what_is_asked_wrongly_is_said(
    world: World, queued: list[int], field: str, value: object, said: str
) -> None:
    page = body(signed_in(world.ops).post(URL, {**ASKED, field: value}))
    assert said in page
    assert not Run.objects.exists()


def test_the_page_is_for_ops(world: World, queued: list[int]) -> None:
    for person in (world.admin, world.agent):
        client = signed_in(person)
        assert client.get(URL).status_code == 403
        assert client.post(URL, ASKED).status_code == 403
        assert 'href="/capacity/"' not in body(client.get("/"))
    assert 'href="/capacity/"' in body(signed_in(world.ops).get("/"))
    assert not Run.objects.exists()
