"""Each alarm fires in the state that it is for, as CloudWatch would read what that state publishes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.infra.test_templates import load, resources

Points = Sequence[float | None]
"""What was published in each of the latest minutes; None is nothing."""

AGE, TAKEN, LEFT = (
    "ApproximateAgeOfOldestMessage",
    "NumberOfMessagesReceived",
    "ApproximateNumberOfMessagesVisible",
)
OVERDUE, LETTERS = "OpenTurnsPastLimit", "NewDeadLetters"
SWEEPS: Mapping[str, Points] = {OVERDUE: [0, 0, 0, 0, 0]}
WELL = {**SWEEPS, AGE: [1, 0, 2, 1, 0], LETTERS: [0, 0, 0, 0, 0]}
COMPARED: Mapping[str, Any] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}


def fires(alarm: Mapping[str, Any], points: Points) -> bool:
    periods = alarm["EvaluationPeriods"]
    if alarm["Statistic"] == "SampleCount":
        points = [None if point is None else 1 for point in points]
    missing = alarm["TreatMissingData"] == "breaching"
    breaches = COMPARED[alarm["ComparisonOperator"]]
    latest = [missing if each is None else breaches(each, alarm["Threshold"]) for each in points[-periods:]]
    return sum(latest) >= alarm.get("DatapointsToAlarm", periods)


def fired(told: Mapping[str, Points]) -> set[str]:
    """Of the alarms on dm-inbound.fifo and on the ledger, those that fire where this is published."""
    found = resources(load("alarms.yaml"), "AWS::CloudWatch::Alarm").values()
    alarms = [each["Properties"] for each in found]
    subjects = ("dm-inbound", "Stage")
    looked_at = [each for each in alarms if any(name in str(each["Dimensions"]) for name in subjects)]
    nothing: Points = [None] * 5
    return {
        each["AlarmName"]["Sub"].removeprefix("channels-hub-${Stage}-")
        for each in looked_at
        if fires(each, told.get(each["MetricName"], nothing))
    }


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, {"sweep-silent"}),
        (WELL, set()),
        (SWEEPS, set()),
        ({**WELL, OVERDUE: [0, 0, 1, 1, 1]}, {"open-turns"}),
        ({**WELL, OVERDUE: [2, 2, None, 2]}, {"open-turns"}),
        ({**WELL, OVERDUE: [0, 0, 0, 1, 0]}, set()),
        ({**WELL, "Errors": [0, 3, 0, 1, 0]}, {"webhook-errors"}),
        ({**WELL, "Errors": [0, 0, 0, 1, 0]}, set()),
        ({**WELL, "Throttles": [None, None, 5, 9, None]}, {"webhook-throttled"}),
        ({**WELL, AGE: [10, 70, 130]}, set()),
        ({**WELL, AGE: [10, 70, 130, 190]}, {"dm-inbound-age"}),
        ({**WELL, LETTERS: [0, 0, 1, 1, None]}, {"dead-letters"}),
        ({**WELL, TAKEN: [1], LEFT: [0]}, {"dm-inbound-dead"}),
        ({**WELL, TAKEN: [0, 0, 1, 1, 1], LEFT: [0, 0, 0, 0, 0]}, {"dm-inbound-dead"}),
        ({**WELL, LEFT: [0, 2, 2, 2]}, {"dm-inbound-dead-left"}),
    ],
    ids=[
        "nothing runs",
        "all is well",
        "nobody writes",
        "nobody answers",
        "two sweeps in one minute, none in the next",
        "a turn was late for a moment",
        "the webhook crashes",
        "the webhook has crashed once",
        "webhooks are throttled",
        "inbound has not run for two minutes",
        "inbound does not run",
        "a handler gave a message up, and a sweep is late",
        "a dead letter is stored at once",
        "a dead letter cannot be stored",
        "the function dead_letters does not run",
    ],
)
def test_the_alarms_of_a_state(told: Mapping[str, Points], expected: set[str]) -> None:
    assert fired(told) == expected
