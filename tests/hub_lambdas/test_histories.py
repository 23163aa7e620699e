"""Every turn one outcome and at most one reply, whatever the queues, the LLM, the platform and staff do."""

import logging
from collections.abc import Iterator

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub_lambdas import channels, queues
from tests.hub_lambdas.history import Clock, History, Platform, Queues

pytestmark = pytest.mark.django_db(transaction=True)

CHUNKS = 4
HISTORIES = 5000
steps = st.lists(st.tuples(st.integers(0, len(History.STEPS) - 1), st.integers(0, 1000)), max_size=12)
policies = st.fixed_dictionaries(
    {
        "burst_window_seconds": st.sampled_from([0.0, 1.0]),
        "late_policy": st.sampled_from(["answer", "apologize", "hand_over"]),
        "unknown_delivery": st.sampled_from(["hand_over", "send_again"]),
        "holding_line": st.sampled_from(["", "One moment please."]),
    }
)


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    """Handlers fail on purpose here, thousands of times: their log says nothing that is asked."""
    logging.disable(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as patch:
        yield patch
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("chunk", range(CHUNKS))
@settings(
    max_examples=HISTORIES // CHUNKS,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(policy=policies, reconciles=st.booleans(), seed=st.integers(0, 10**6), taken=steps)
def test_no_history_breaks_a_promise(
    patch: pytest.MonkeyPatch,
    chunk: int,
    policy: dict[str, str],
    reconciles: bool,
    seed: int,
    taken: list[tuple[int, int]],
) -> None:
    history = begin(patch, policy, reconciles, seed)
    history.write(0)
    for number, choice in taken:
        history.step(number, choice)
    history.settle()
    assert history.violations() == []


def begin(patch: pytest.MonkeyPatch, policy: dict[str, str], reconciles: bool, seed: int) -> History:
    clock = Clock()
    platform, sqs = Platform(), Queues(clock)
    queues.url.cache_clear()
    patch.setattr(timezone, "now", lambda: clock.now)
    patch.setattr(queues, "client", lambda: sqs)
    patch.setattr(Platform, "reconciles", reconciles)
    patch.setitem(channels.KINDS, "pigeon", platform)
    return History(platform, sqs, seed, **policy)
