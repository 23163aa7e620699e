"""What CloudWatch is told each minute, for the alarms on any: how many turns are past their limit, and how
many dead letters are new."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from console.channels.models import Channel
from hub_lambdas import sweep, wakeups
from hub_lambdas.record import MAX_RECEIVES
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.steps import Write, age, ask
from tests.infra.test_templates import load, resources

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def waiting(sqs: FakeSqs, write: Write) -> None:
    """A turn that has waited for two minutes, of which one is the limit."""
    ask(sqs, write)
    age(120)


def test_a_turn_is_overdue_from_its_limit_on() -> None:
    now = timezone.now()

    assert sweep.count_overdue(now) == 1
    assert sweep.count_overdue(now - timedelta(minutes=1)) == 0


def test_a_turn_of_a_channel_in_repair_is_not_overdue_and_gets_its_time_anew(channel: Channel) -> None:
    channel.hold("The token was withdrawn.")
    assert sweep.count_overdue(timezone.now()) == 0

    Channel.objects.update(status=Channel.Status.ACTIVE, status_reason="", resumed_at=timezone.now())
    assert sweep.count_overdue(timezone.now()) == 0
    assert sweep.count_overdue(timezone.now() + timedelta(minutes=2)) == 1


def test_the_sweep_tells_what_the_alarms_wait_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep.handler({}, None)["overdue"] == 0

    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines() if "_aws" in each]
    metrics = [(line, metric) for line in lines for metric in line["_aws"]["CloudWatchMetrics"]]
    told = {metric["Metrics"][0]["Name"]: line for line, metric in metrics}
    assert {name: (line[name], line["Stage"]) for name, line in told.items()} == {
        "OpenTurnsPastLimit": (0, "local"),
        "NewDeadLetters": (0, "local"),
    }
    assert {
        (metric["Namespace"], metric["Metrics"][0]["Name"], *metric["Dimensions"][0]) for _, metric in metrics
    } == alarms_on_the_ledger()


def test_what_a_handler_gives_up_is_counted_though_no_dead_letter_queue_gets_it(sqs: FakeSqs) -> None:
    sqs.put("wakeups", {"nonsense": True})
    for _ in range(MAX_RECEIVES):
        sqs.run("wakeups", wakeups.handler)
    assert not sqs.queues["wakeups"]

    assert sweep.handler({}, None)["letters"] == 1
    assert sweep.count_new_letters(timezone.now() + sweep.LETTERS_ARE_NEW_FOR) == 0


def alarms_on_the_ledger() -> set[tuple[str, ...]]:
    """Namespace, metric and dimensions."""
    alarms: list[dict[str, Any]] = [
        alarm["Properties"] for alarm in resources(load("alarms.yaml"), "AWS::CloudWatch::Alarm").values()
    ]
    return {
        (each["Namespace"], each["MetricName"], *(dimension["Name"] for dimension in each["Dimensions"]))
        for each in alarms
        if not each["Namespace"].startswith("AWS/")
    }
