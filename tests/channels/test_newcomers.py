"""How many new contacts one address may bring to the web chat, whichever gateway it comes through."""

import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from console.channels.models import Channel, Newcomer
from console.conversations.models import Contact
from hub_lambdas import inbound, newcomers, sweep, webhook
from hub_lambdas.http import Request
from tests.channels.gateways import GATEWAYS
from tests.factories import make_channel, make_organization
from tests.fakes.sqs import FakeSqs

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 3
HOME, AWAY = "203.0.113.7", "198.51.100.9"
Post = Callable[..., dict[str, Any]]


@pytest.fixture
def channel(settings: Settings) -> Channel:
    settings.NEW_CONTACTS_PER_ADDRESS = LIMIT
    return make_channel(make_organization(), "webchat", options={"allowed_origins": ["https://shop.example"]})


@pytest.fixture
def post(sqs: FakeSqs, channel: Channel) -> Post:
    """A message of a new visitor, or of the one with `key`; returns the answer to it."""

    def write(
        source_ip: str = HOME, key: str = "", gateway: str = "HTTP API", **headers: str
    ) -> dict[str, Any]:
        body = json.dumps({"id": secrets.token_hex(8), "text": "hello"}).encode()
        sent = {"authorization": f"Bearer {key or secrets.token_urlsafe(32)}", **headers}
        request = Request("POST", f"/webchat/{channel.pk}", headers=sent, body=body, source_ip=source_ip)
        return webhook.handler(GATEWAYS[gateway](request, False), None)

    return write


def statuses(post: Post, count: int, **more: Any) -> list[int]:
    return [post(**more)["statusCode"] for _ in range(count)]


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_one_address_brings_so_many_and_another_its_own(post: Post, sqs: FakeSqs, gateway: str) -> None:
    assert statuses(post, LIMIT + 2, gateway=gateway) == [202, 202, 202, 429, 429]
    assert statuses(post, 1, gateway=gateway, source_ip=AWAY) == [202]
    assert len(sqs.bodies("dm-inbound.fifo")) == LIMIT + 1


def test_what_is_said_then(post: Post) -> None:
    statuses(post, LIMIT)
    Newcomer.objects.update(at=timezone.now() - timedelta(minutes=48))
    answer = post(origin="https://shop.example")
    assert answer["statusCode"] == 429
    assert 11 * 60 < int(answer["headers"]["retry-after"]) <= 12 * 60
    assert json.loads(answer["body"]) == {
        "error": "Too many new visitors have written from your network. "
        "The chat takes new ones again in 12 minutes."
    }
    assert answer["headers"]["access-control-allow-origin"] == "https://shop.example"
    assert answer["headers"]["access-control-expose-headers"] == "retry-after"


def test_nobody_else_is_told_of_errors_on_another_site(post: Post) -> None:
    statuses(post, LIMIT)
    assert post(origin="https://evil.example")["statusCode"] == 401


@pytest.mark.parametrize(
    "claimed", [{"x-forwarded-for": AWAY}, {"x-real-ip": AWAY}, {"forwarded": f"for={AWAY}"}]
)
def test_another_address_cannot_be_claimed(post: Post, claimed: dict[str, str]) -> None:
    statuses(post, LIMIT)
    assert statuses(post, 1, **claimed) == [429]


def test_who_was_let_in_writes_on_stored_or_not(post: Post, sqs: FakeSqs) -> None:
    key = secrets.token_urlsafe(32)
    assert statuses(post, 1, key=key) == [202]
    assert statuses(post, LIMIT) == [202, 202, 429]
    assert statuses(post, 2, key=key) == [202, 202], "who is only on the queue yet"
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert Contact.objects.count() == LIMIT
    statuses(post, LIMIT, source_ip=AWAY)
    assert statuses(post, 1, key=key, source_ip=AWAY) == [202], "whom the hub knows, wherever they are"


@pytest.mark.parametrize(
    ("others", "status"),
    [
        ("2001:db8:1:2:ffff::1", 429),
        ("2001:db8:1:3::1", 202),
        ("::ffff:203.0.113.8", 202),
    ],
)
def test_of_ipv6_its_64_counts(post: Post, others: str, status: int) -> None:
    statuses(post, LIMIT, source_ip="2001:db8:1:2::1")
    assert statuses(post, 1, source_ip=others) == [status]


def test_of_ipv4_written_as_ipv6_the_address_counts(post: Post) -> None:
    statuses(post, LIMIT, source_ip=f"::ffff:{HOME}")
    assert statuses(post, 1, source_ip=HOME) == [429]
    assert statuses(post, 1, source_ip=f"::ffff:{AWAY}") == [202]


def test_whose_address_nobody_knows_count_as_one(post: Post) -> None:
    assert statuses(post, LIMIT, source_ip="") == [202] * LIMIT
    assert statuses(post, 1, source_ip="unknown") == [429]


def test_after_the_window_there_is_room_for_as_many_as_came_before(post: Post) -> None:
    statuses(post, LIMIT)
    oldest = Newcomer.objects.earliest("pk")
    Newcomer.objects.filter(pk=oldest.pk).update(at=timezone.now() - newcomers.WINDOW)
    assert statuses(post, 2) == [202, 429]


def test_another_chat_counts_for_itself(post: Post, channel: Channel) -> None:
    statuses(post, LIMIT)
    other = make_channel(make_organization(), "webchat")
    request = Request("POST", f"/webchat/{other.pk}", headers={"authorization": f"Bearer {'k' * 43}"})
    request = replace(request, body=b'{"id": "1", "text": "hello"}', source_ip=HOME)
    assert webhook.respond(request).status == 202
    assert Newcomer.objects.values("network").distinct().count() == 2


def test_of_those_that_come_at_once_no_more(post: Post) -> None:
    def write(_: int) -> int:
        try:
            return int(post()["statusCode"])
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(write, range(16)))
    assert sorted(found) == [202] * LIMIT + [429] * (16 - LIMIT)


def test_no_limit(post: Post, settings: Settings) -> None:
    settings.NEW_CONTACTS_PER_ADDRESS = 0
    assert statuses(post, LIMIT + 2) == [202] * (LIMIT + 2)
    assert not Newcomer.objects.exists()


def test_the_address_is_kept_for_the_window_and_not_as_it_is(post: Post) -> None:
    statuses(post, 2)
    [kept, _] = Newcomer.objects.values("network", "contact")
    assert all(len(value) == 64 for value in kept.values())
    assert not Contact.objects.filter(platform_id=kept["contact"]).exists()
    Newcomer.objects.filter(pk=Newcomer.objects.earliest("pk").pk).update(
        at=timezone.now() - newcomers.WINDOW
    )
    assert sweep.handler({}, None)["forgotten"] == 1
    assert Newcomer.objects.count() == 1


def test_a_message_of_a_known_contact_costs_one_question_more(
    post: Post, sqs: FakeSqs, django_assert_num_queries: Any
) -> None:
    key = secrets.token_urlsafe(32)
    post(key=key)
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    with django_assert_num_queries(2):
        post(key=key)
