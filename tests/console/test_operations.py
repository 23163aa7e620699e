"""The Health page as ops see it: figures of a fake CloudWatch, depths of a fake SQS, and the ledger."""

import html
import json
import re
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from console.operations import cloudwatch, points, spark
from console.operations.functions import FUNCTIONS
from console.operations.queues import QUEUES
from infra.local.environment import ROOT
from infra.local.triggers import load_functions
from tests import factories
from tests.console.conftest import World, body, make_letter, signed_in
from tests.fakes.cloudwatch import FakeCloudWatch
from tests.fakes.sqs import FakeSqs

URL = "/health/"


@pytest.fixture
def well(world: World, watch: FakeCloudWatch, sqs: FakeSqs) -> World:
    """A platform with nothing the matter."""
    make_well(watch)
    return world


def make_well(watch: FakeCloudWatch) -> None:
    """Each function ran, two boxes report."""
    now = timezone.now()
    for function in FUNCTIONS:
        run(watch, function.stage, now - timedelta(minutes=2), 40, 50, 900)
    for minute in range(1, 4):
        for taken in (3, 5):
            gauges(watch, now - timedelta(minutes=minute), taken)


def run(watch: FakeCloudWatch, stage: str, at: datetime, *milliseconds: float) -> None:
    """Invocations of a function, as AWS counts them."""
    name = f"channels-hub-{stage.replace('_', '-')}"
    watch.put("AWS/Lambda", "Invocations", name, at, *[1] * len(milliseconds))
    watch.put("AWS/Lambda", "Duration", name, at, *milliseconds)


def gauges(watch: FakeCloudWatch, at: datetime, taken: int) -> None:
    """What a box publishes each minute."""
    told = {"Slots": 8, "SlotsTaken": taken, "Waiting": 1, "TokensPerSecond": 50, "PrefixHits": 9}
    for name, value in {**told, "PrefixMisses": 1}.items():
        watch.put("channels-hub", f"Llm{name}", "local", at, value)


def seen(world: World) -> str:
    """The words on the page below its navigation, in the order in which they are read."""
    response = signed_in(world.ops).get(URL)
    assert response.status_code == 200
    part = body(response).partition('id="health"')[2].partition("</main>")[0]
    shown = re.sub(r"<(svg|script|style)\b.*?</\1>", " ", part, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", shown)).split())


# --- a platform that is well --------------------------------------------------------------------------------


def test_all_is_well(well: World) -> None:
    said = seen(well)
    assert "All is well" in said
    assert "LLM boxes 2 reporting" in said
    assert "Slots 8 of 16 taken 8 free, 2 waiting on the boxes" in said
    assert "Tokens written 100 a second 90 % of prefixes from memory" in said
    assert "inbound 3 0 0 50 ms 900 ms 900 ms of 10 s 128 MB" in said
    assert "llm-requests 0 0 0 – of 60 s 0" in said
    assert re.search(r"Sweep: last run \d\d:\d\d UTC Database: answered in \d+\.\d ms", said)


def test_depths_are_those_of_now(well: World, sqs: FakeSqs) -> None:
    for number in range(3):
        sqs.send_message(QueueUrl="wakeups", MessageBody="{}", DelaySeconds=5 * (number == 0))
    sqs.in_flight["wakeups"] = 4
    assert "wakeups 2 4 1 – of 60 s 0" in seen(well)


def test_a_figure_of_the_last_hour_is_a_line(well: World) -> None:
    said = body(signed_in(well.ops).get(URL))
    assert "Last hour, by the minute: at most 3 invocations" in said
    assert "Last hour, by the minute: at most 8 slots taken" in said


# --- what is wrong, and what to do --------------------------------------------------------------------------


def test_a_queue_that_nobody_reads(well: World, watch: FakeCloudWatch) -> None:
    at = timezone.now() - timedelta(minutes=2)
    watch.put("AWS/SQS", "ApproximateAgeOfOldestMessage", "llm-requests", at, 75)
    said = seen(well)
    assert "A message has waited in llm-requests for 1 min 15 s. The LLM boxes should take it" in said
    assert "All is well" not in said


def test_what_was_late_an_hour_ago_is_no_trouble(well: World, watch: FakeCloudWatch) -> None:
    at = timezone.now() - timedelta(minutes=50)
    watch.put("AWS/SQS", "ApproximateAgeOfOldestMessage", "llm-requests", at, 75)
    assert "All is well" in seen(well)


def test_errors_count_when_they_are_new(well: World, watch: FakeCloudWatch) -> None:
    now = timezone.now()
    watch.put("AWS/Lambda", "Errors", "channels-hub-replies", now - timedelta(minutes=3), 1)
    watch.put("AWS/Lambda", "Errors", "channels-hub-inbound", now - timedelta(minutes=30), 1)
    said = seen(well)
    assert "replies failed once in 15 minutes, of 3." in said
    assert "inbound failed" not in said
    assert "inbound 3 1 0 50 ms" in said


def test_a_function_that_was_throttled_or_nearly_ended(well: World, watch: FakeCloudWatch) -> None:
    now = timezone.now()
    watch.put("AWS/Lambda", "Throttles", "channels-hub-webhook", now - timedelta(minutes=3), 2, 2)
    run(watch, "dead_letters", now - timedelta(minutes=3), 29_500)
    said = seen(well)
    assert "webhook was throttled 4 times in 15 minutes." in said
    assert "dead_letters took 29.5 s of its 30 s." in said


def test_the_sweep_is_missed_after_five_minutes(world: World, watch: FakeCloudWatch, sqs: FakeSqs) -> None:
    at = timezone.now() - timedelta(minutes=8)
    assert "The sweep has not run in the last hour." in seen(world)
    cloudwatch.forget()
    run(watch, "sweep", at, 900)
    assert f"The sweep has not run since {at:%H:%M} UTC." in seen(world)


def test_no_box_reports(world: World, watch: FakeCloudWatch, sqs: FakeSqs) -> None:
    gauges(watch, timezone.now() - timedelta(minutes=20), 3)
    assert "No LLM box reports. Turns go to staff until one does" in seen(world)


def test_a_box_of_the_group_is_silent(well: World, watch: FakeCloudWatch) -> None:
    at = timezone.now() - timedelta(minutes=2)
    watch.put("AWS/AutoScaling", "GroupInServiceInstances", "channels-hub-local-llm", at, 3)
    said = seen(well)
    assert "1 LLM box in service does not report." in said
    assert "LLM boxes 2 reporting, 3 in service" in said


def test_there_are_more_requests_for_each_box_than_are_aimed_at(well: World, sqs: FakeSqs) -> None:
    sqs.in_flight["llm-requests"] = 2
    for _ in range(4):
        sqs.put("llm-requests", {})
    said = seen(well)
    assert "Requests per box 3 of 3.2" in said
    assert "All is well" in said
    sqs.in_flight["llm-requests"] = 10
    assert "There are 7 requests for each LLM box, 3.2 are aimed at." in seen(well)


def test_dead_letters_that_wait_and_those_not_even_stored(well: World, sqs: FakeSqs) -> None:
    make_letter(well.organization, body='{"text": "zebra letter text"}', cause="zebra cause")
    make_letter(None)
    make_letter(None, state="discarded")
    sqs.put("dm-inbound-dead.fifo", {})
    said = seen(well)
    assert "2 dead letters of llm-requests wait." in said
    assert "1 message of dm-inbound.fifo that nobody could process is not stored." in said


def test_a_broken_channel_leads_to_it(well: World) -> None:
    well.channel.hold("The token was taken back.")
    said = seen(well)
    assert "1 channel needs attention." in said
    assert "Zebra Line Zebra Clinic · telegram The token was taken back." in said
    assert f'href="/channels/channel/{well.channel.pk}/change/"' in body(signed_in(well.ops).get(URL))


def test_turns_past_their_limit_come_first(well: World) -> None:
    make_letter(None)
    at = timezone.now() - timedelta(seconds=61)
    factories.make_inbound(well.conversation, "zebra message text", received_at=at)
    said = seen(well)
    assert said.index("1 turn is open past the limit.") < said.index("1 dead letter of llm-requests waits.")
    assert "Zebra Clinic 1 limit 60 s" in said
    link = "/proof/organization/zebra-clinic/turns/?which=overdue&standing=1"
    assert link in html.unescape(body(signed_in(well.ops).get(URL)))
    assert "1 turn" in body(signed_in(well.ops).get(link))


# --- when AWS does not answer -------------------------------------------------------------------------------


def test_without_cloudwatch_the_rest_is_shown(well: World, watch: FakeCloudWatch, sqs: FakeSqs) -> None:
    watch.denied = True
    sqs.put("wakeups", {})
    said = seen(well)
    assert "CloudWatch does not answer (AccessDenied)." in said
    assert "nothing is known of the functions" in said
    assert "LLM boxes – CloudWatch does not answer" in said
    assert "wakeups 1 0 0 –" in said
    assert "Every channel is connected." in said
    watch.denied = False
    assert "All is well" in seen(well)


def test_without_sqs_the_rest_is_shown(well: World, sqs: FakeSqs) -> None:
    sqs.broken.add("dm-inbound.fifo")
    said = seen(well)
    assert "SQS does not answer (EndpointConnectionError)." in said
    assert "dm-inbound.fifo – – – – of 30 s 0" in said
    assert "inbound 3 0 0 50 ms" in said


def test_pages_that_look_again_share_an_answer(well: World, watch: FakeCloudWatch) -> None:
    for _ in range(3):
        seen(well)
    assert watch.requests == 1


# --- who sees it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["admin", "agent", "outsider"])
def test_it_is_for_ops(who: str, well: World) -> None:
    client = signed_in(getattr(well, who))
    assert client.get(URL).status_code == 403
    assert f'href="{URL}"' not in body(client.get("/"))


def test_ops_find_it_in_the_sidebar_and_read_no_text(well: World) -> None:
    make_letter(well.organization, body='{"text": "zebra letter text"}', cause="zebra cause")
    client = signed_in(well.ops)
    assert f'href="{URL}"' in body(client.get("/"))
    said = body(client.get(URL))
    assert not [marker for marker in (*well.text_markers, *well.secret_markers) if marker in said]


# --- what it rests on ---------------------------------------------------------------------------------------


def test_functions_are_those_that_are_deployed() -> None:
    stages = json.loads((ROOT / "zappa_settings.json").read_text())
    console = {**stages["base"], **stages["console"]}
    deployed = {(each.name, each.timeout_seconds, each.memory_mb) for each in load_functions().values()}
    deployed.add(("channels-hub-console", console["timeout_seconds"], console["memory_size"]))
    assert {(each.name, each.timeout_seconds, each.memory_mb) for each in FUNCTIONS} == deployed


def test_queues_and_their_limits_are_those_of_the_alarms() -> None:
    alarms = (ROOT / "infra" / "alarms.yaml").read_text()
    found = re.findall(r"oldest message of (\S+) has waited for more than (\d+) s", alarms)
    assert {(queue.name, str(queue.limit_seconds)) for queue in QUEUES} == set(found)


def test_a_minute_without_points_is_zero() -> None:
    now = datetime.fromisoformat("2026-11-30T10:30:20+00:00")
    told = {now.replace(second=0) - timedelta(minutes=ago): value for ago, value in ((1, 9), (2, 4), (61, 2))}
    values = points.last_hour(told, now)
    assert (len(values), values[0], values[-1], sum(values)) == (60, 2.0, 4.0, 6.0)


def test_a_sparkline_reaches_its_edges() -> None:
    assert spark.draw([0, 2, 1], "waiting").line == "0.0,23.0 60.0,2.0 120.0,12.5"
    assert spark.draw([0, 0], "waiting").line == "0.0,23.0 120.0,23.0"
