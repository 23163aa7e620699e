"""The first screen."""

from datetime import timedelta

import pytest
from django.utils import timezone

from console.channels.models import Channel
from console.dashboards import tallying
from tests import factories
from tests.console.conftest import World, body, signed_in


@pytest.mark.django_db
def test_a_new_organization_is_told_what_to_do_next() -> None:
    admin = factories.make_member(factories.make_organization())
    page = body(signed_in(admin).get("/"))
    assert "Get your first message answered" in page
    assert "Connect a channel" in page
    assert "No turns in the last 24 hours." in page


@pytest.mark.django_db
def test_the_first_ops_user_is_told_to_create_an_organization() -> None:
    page = body(signed_in(factories.make_user(is_ops=True)).get("/"))
    assert "Create the first organization" in page


def test_numbers_of_the_last_day(world: World) -> None:
    for hours in (1, 2, 30):
        at = timezone.now() - timedelta(hours=hours)
        factories.make_answered_turn(world.conversation, at=at)
    factories.make_handed_over_turn(world.conversation)
    for hour in tallying.due(timezone.now()):
        tallying.count(hour)
    context = signed_in(world.admin).get("/").context
    assert (context["day"].counts["turns"], context["week"].turns) == (4, 5)
    assert context["day_answered"] == 75
    assert sum(hour.total for hour in context["hours"]) == 4
    assert context["steps"] == []


def test_slow_replies_are_marked(world: World) -> None:
    factories.make_answered_turn(world.conversation, hops_ms=(20, 1000, 30, 10, 9000, 25, 15, 120))
    assert signed_in(world.admin).get("/").context["is_slow"]
    assert not signed_in(world.outsider).get("/").context["is_slow"]


def test_channels_with_problems_are_listed(world: World) -> None:
    Channel.objects.filter(pk=world.channel.pk).update(status_reason="The token was taken back.")
    assert "The token was taken back." in body(signed_in(world.admin).get("/"))
    assert "The token was taken back." in body(signed_in(world.ops).get("/"))
    assert "The token was taken back." not in body(signed_in(world.outsider).get("/"))


def test_the_first_reply_counts_and_leads_to_the_proof(world: World) -> None:
    """The holding line came in time, the answer did not."""
    at = timezone.now() - timedelta(minutes=1)
    slow = factories.make_answered_turn(
        world.conversation, at=at, hops_ms=(20, 1000, 30, 10, 9000, 25, 15, 120)
    )
    assert signed_in(world.admin).get("/").context["is_slow"]
    factories.make_outbound(
        world.conversation, turn=slow, purpose="holding", sent_at=at + timedelta(seconds=4)
    )
    response = signed_in(world.admin).get("/")
    assert not response.context["is_slow"]
    assert "100 % within 5 s" in body(response)
    assert 'href="/proof/"' in body(response)
