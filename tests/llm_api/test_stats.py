"""What the page at /stats shows."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI

from llm_api.stats import Facts, Flow, History
from llm_api.stats_page import render
from tests.llm_api.fakes import FakeEngine
from tests.llm_api.test_api import CHAT, app, client, engine, queues

__all__ = ("app", "client", "engine", "queues")
pytestmark = pytest.mark.anyio

FACTS = Facts(
    model="small.Q4_1",
    problems=[],
    up_seconds=3 * 3600 + 125,
    slots=8,
    taken=3,
    waiting={"interactive": 5, "test": 2},
    first_token_half=0.42,
    first_token_most=1.5,
    read=Flow(210.4, [0.0, 100.0, 300.0], 233.0),
    written=Flow(61.0, [], None),
    prefix_hits=0.875,
    drafts_accepted=None,
    prefixes=27,
    prefix_bytes=95.4e6,
    spill_reads=4,
    about={"Lanes": "2", "Weights": "F16"},
    since_start={"Requests completed": 12345.0},
)


def words(page: str) -> str:
    """What a reader sees."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            found.append(data)

    Reader().feed(re.sub(r"<style>.*?</style>|<title>.*?</title>", "", page, flags=re.DOTALL))
    return " ".join(" ".join(found).split())


def test_the_page_says_how_the_service_does() -> None:
    shown = words(render(FACTS))
    for told in (
        "small.Q4_1 running up 3 h 2 min",
        "Slots in use 3 of 8",
        "Waiting 5 and 2 test runs",
        "First word 0.42 s 95 % within 1.50 s",
        "Tokens read 210 a second in the last minute; a lane at work does 233",
        "Tokens written 61 a second in the last minute",
        "Known prompts 88%",
        "Kept prompts 27 95 MB; 4 back from disk",
        "Guesses right –",
        "How it computes Lanes 2 Weights F16",
        "Requests completed 12 345",
    ):
        assert told in shown, shown


def test_problems_are_told_and_names_are_escaped() -> None:
    page = render(replace(FACTS, model="<b>", problems=["queue: not receiving"], about={"<i>": "&"}))
    assert "queue: not receiving" in words(page)
    assert "<b>" not in page
    assert "<i>" not in page.replace('<i style="', "")


def test_it_renews_itself_and_runs_no_scripts() -> None:
    page = render(FACTS)
    assert '<meta http-equiv="refresh" content="5">' in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_history_is_of_the_last_minute() -> None:
    at, tokens = 0.0, (0.0, 0.0)
    history = History(lambda: tokens, lambda: at)
    assert (history.lately(0), history.course(0)) == (0.0, [])
    for seconds, read, written in ((0, 0, 0), (50, 5000, 10), (100, 5000, 60), (110, 5600, 60)):
        at, tokens = float(seconds), (float(read), float(written))
        history.sample()
    assert history.course(0) == [100.0, 0.0, 60.0]
    assert history.lately(0) == 600 / 60  # since 50
    assert history.lately(1) == 50 / 60


async def test_anybody_on_the_machine_can_read_it(client: httpx.AsyncClient, engine: FakeEngine) -> None:
    await client.post("/v1/chat/completions", json=CHAT)
    answer = await client.get("/stats", headers={"Authorization": ""})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    shown = words(answer.text)
    assert "fake-model running" in shown
    assert "Requests completed 1" in shown
    assert "Slots in use 0 of 1" in shown
    assert "SECRET" not in answer.text
    engine.problem = "an engine thread has ended"
    assert "engine: an engine thread has ended" in words((await client.get("/stats")).text)


async def test_the_time_to_the_first_word_is_a_metric(client: httpx.AsyncClient, app: FastAPI) -> None:
    await client.post("/v1/chat/completions", json=CHAT)
    metrics = (await client.get("/metrics")).text
    assert 'hub_llm_first_token_seconds_count{source="http"} 1.0' in metrics
    assert "hub_llm_slots 1.0" in metrics
    assert 'hub_llm_waiting{priority="test"} 0.0' in metrics
