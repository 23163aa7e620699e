"""Every turn one outcome and at most one reply, whatever the queues, the LLM, the platform and staff do."""

import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.organizations.business_hours import WEEKDAYS
from hub_lambdas import alerts, channels, grounding, prompting, queues, sending, snapshots, thumbs, turns
from hub_lambdas.channels.base import SendRefused, SendRejected, SendUnknown
from hub_lambdas.turns import rules
from tests.hub_lambdas import promises
from tests.hub_lambdas.conftest import object_to_977
from tests.hub_lambdas.history import RESTS_MINUTES, Clock, History, Platform, Queues, faults

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("outcomes")]

CHUNKS = 8
MORNINGS = "\n".join(f"{day} 00:00-12:00" for day in WEEKDAYS)
HISTORIES = int(os.environ.get("HISTORIES", "5000"))
HISTORIES_SEED = int(os.environ.get("HISTORIES_SEED", "0"))
steps = st.lists(st.tuples(st.integers(0, len(History.STEPS) - 1), st.integers(0, 1000)), max_size=6)
policies = st.fixed_dictionaries(
    {
        "burst_window_seconds": st.sampled_from([0.0, 1.0]),
        "late_policy": st.sampled_from(["answer", "apologize", "hand_over"]),
        "unknown_delivery": st.sampled_from(["hand_over", "send_again"]),
        "holding_line": st.sampled_from(["", "One moment please."]),
        "media_policy": st.sampled_from(["hand_over", "explain"]),
        "contact_messages_per_minute": st.sampled_from([None, 2]),
        "business_hours": st.sampled_from(["", MORNINGS]),
        "after_hours": st.sampled_from(["answer", "hand_over"]),
        "handover_after_turns": st.sampled_from([None, 1]),
        "bot": st.sampled_from(["answers", "answers", "drafts", "silent"]),
        "tells_contacts": st.booleans(),
        "return_to_bot_after_minutes": st.sampled_from([None, RESTS_MINUTES, RESTS_MINUTES]),
        "asks_for_feedback": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    """Handlers fail on purpose here, thousands of times: their log says nothing that is asked."""
    logging.disable(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as patch:
        yield patch
    logging.disable(logging.NOTSET)


@pytest.fixture
def outcomes(transactional_db: None) -> Iterator[None]:
    """The database notes what promises are judged by; and it plans each statement once, not thousands of
    times."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"server_side_binding": True, "prepare_threshold": 4}.items():
            patch.setitem(connection.settings_dict["OPTIONS"], name, value)
        connection.close()
        with promises.watched():
            yield
    connection.close()


@pytest.mark.long
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_history_breaks_a_promise(patch: pytest.MonkeyPatch, chunk: int) -> None:
    """The same histories on every run: HISTORIES_SEED brings others, HISTORIES more of them."""

    @hypothesis.seed(HISTORIES_SEED * CHUNKS + chunk)
    @settings(
        max_examples=HISTORIES // CHUNKS,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(policy=policies, reconciles=st.booleans(), seed=st.integers(0, 10**6), taken=steps)
    def holds(policy: dict[str, Any], reconciles: bool, seed: int, taken: list[tuple[int, int]]) -> None:
        history = begin(patch, policy, reconciles, seed)
        try:
            history.write(0)
            for number, choice in taken:
                history.step(number, choice)
            history.settle()
            assert promises.broken(history) == []
        finally:
            history.end()

    holds()


def begin(patch: pytest.MonkeyPatch, policy: dict[str, Any], reconciles: bool, seed: int) -> History:
    clock = Clock(seed)
    # Half of them lose all order: each promise but that of the order itself holds then, too.
    platform, sqs = Platform(), Queues(clock, keeps_groups=seed % 2 == 0)
    queues.url.cache_clear()
    patch.setattr(timezone, "now", lambda: clock.now)
    patch.setattr(queues, "client", lambda: sqs)
    # What the LLM is told and what it may say have tests of their own.
    patch.setattr(prompting, "chat_messages", lambda *_: [])
    patch.setattr(prompting, "sources", lambda *_: None)
    patch.setattr(grounding, "objection", object_to_977)
    patch.setattr(Platform, "reconciles", reconciles)
    patch.setitem(channels.KINDS, "pigeon", platform)
    return History(platform, sqs, seed, **policy)


@pytest.mark.parametrize("is_safe", [True, False])
def test_a_safeguard_that_is_off_is_noticed(patch: pytest.MonkeyPatch, is_safe: bool) -> None:
    """The platform took the message and did not say so; without the rule for that it is simply sent again."""
    history = begin(patch, {}, False, seed=0)
    with pytest.MonkeyPatch.context() as sabotage:
        if not is_safe:
            sabotage.setattr(sending, "SendUnknown", NeverRaised)
            sabotage.setattr(sending, "SendRefused", SendUnknown)
            sabotage.setattr(SendUnknown, "retry_after_seconds", 1.0, raising=False)
            sabotage.setattr(SendUnknown, "growth", 2.0, raising=False)
        taken_unknown = [getattr(fault, "taken", False) for fault in faults()].index(True)
        history.trouble(taken_unknown)
        history.write(0)
        history.settle()
    assert bool(promises.broken(history)) is not is_safe


@pytest.mark.parametrize("is_told", [True, False])
def test_a_contact_whom_nobody_tells_of_a_refusal_is_noticed(
    patch: pytest.MonkeyPatch, is_told: bool
) -> None:
    history = begin(patch, {"burst_window_seconds": 0.0}, False, seed=0)
    with pytest.MonkeyPatch.context() as sabotage:
        if not is_told:
            sabotage.setattr(turns.Part, "may_have_arrived", True)
        history.trouble([type(fault) for fault in faults()].index(SendRejected))
        history.write(0)
        for _ in range(4):
            history.progress(30)
        history.settle()
    assert bool(promises.broken(history)) is not is_told


@pytest.mark.parametrize("is_told", [True, False])
def test_a_contact_whom_nobody_tells_that_nothing_arrived_is_noticed(
    patch: pytest.MonkeyPatch, is_told: bool
) -> None:
    """The answer was taken, counted, and then reported as undelivered."""
    history = begin(patch, {"burst_window_seconds": 0.0}, True, seed=0)
    history.write(0)
    for _ in range(4):
        history.progress(30)
    with pytest.MonkeyPatch.context() as sabotage:
        if not is_told:
            sabotage.setattr(turns.Part, "may_have_arrived", True)
        history.receipt(3)
        history.settle()
    assert bool(promises.broken(history)) is not is_told


def is_taken_over(history: History) -> None:
    history.write(0)
    history.take_in(4)
    history.take_over(0)


def is_a_picture(history: History) -> None:
    history.write(10)


def is_switched_off(history: History) -> None:
    """While an answer waits to be tried again."""
    history.trouble([type(fault) for fault in faults()].index(SendRefused))
    history.write(0)
    for _ in range(4):
        history.progress(30)
    history.change_bot(2)


def is_pressed(history: History) -> None:
    history.write(0)
    for _ in range(4):
        history.progress(30)
    history.thumb(0)
    assert history.pressed


@pytest.mark.parametrize("is_safe", [True, False])
@pytest.mark.parametrize(
    ("happens", "safeguard", "off"),
    [
        pytest.param(is_taken_over, (snapshots, "_is_untold"), False, id="a contact whom nobody writes to"),
        pytest.param(is_a_picture, (alerts, "due"), [], id="staff who get no e-mail"),
        pytest.param(is_switched_off, (rules, "_obstacle_to_sending"), None, id="an answer nobody wants"),
        pytest.param(is_pressed, (thumbs, "is_press"), False, id="a thumb that is taken for a question"),
    ],
)
def test_what_each_safeguard_is_for_is_noticed(
    patch: pytest.MonkeyPatch,
    happens: Callable[[History], None],
    safeguard: tuple[object, str],
    off: object,
    is_safe: bool,
) -> None:
    policy = {
        "burst_window_seconds": 0.0,
        "return_to_bot_after_minutes": RESTS_MINUTES,
        "asks_for_feedback": True,
    }
    history = begin(patch, policy, False, seed=0)
    with pytest.MonkeyPatch.context() as sabotage:
        if not is_safe:
            sabotage.setattr(*safeguard, lambda *_: off)
        happens(history)
        history.settle()
    assert bool(promises.broken(history)) is not is_safe


class NeverRaised(Exception):
    """What no platform says."""
