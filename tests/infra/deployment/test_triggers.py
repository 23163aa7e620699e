"""What makes of the triggers that are those that should be."""

import pytest

from infra.deployment.functions import Trigger, compare

WANTED = Trigger("inbound", "dev-dm-inbound.fifo", 10)
FOUND = Trigger("inbound", "dev-dm-inbound.fifo", 10, id="1")


def test_what_is_as_it_should_be_is_left() -> None:
    changes = compare([WANTED], [FOUND])

    assert (changes.made, changes.mended, changes.removed) == ([], [], [])


@pytest.mark.parametrize(
    "found",
    [
        Trigger("inbound", "dev-dm-inbound.fifo", 10, id="1", is_safe=False),
        Trigger("inbound", "dev-dm-inbound.fifo", 10, id="1", is_enabled=False),
        Trigger("inbound", "dev-dm-inbound.fifo", 1, id="1"),
    ],
    ids=["as Zappa makes it", "switched off", "of another batch size"],
)
def test_what_differs_is_mended_where_it_is(found: Trigger) -> None:
    assert compare([WANTED], [found]).mended == [FOUND]


def test_what_is_missing_is_made_and_what_nobody_wants_removed() -> None:
    other = Trigger("inbound", "dev-old", 10, id="2")

    changes = compare([WANTED], [other])

    assert (changes.made, changes.removed) == ([WANTED], [other])


def test_a_second_trigger_of_the_same_queue_is_removed() -> None:
    second = Trigger("inbound", "dev-dm-inbound.fifo", 10, id="2")

    assert compare([WANTED], [FOUND, second]).removed == [second]
