"""The webhooks that `python -m benchmarks.webhook` measures are taken, and bring what they say."""

import pytest
from pytest_django import Settings

from benchmarks.webhooks import BATCH, META, SIGNED_WITH, Event, batched, single
from hub_lambdas import webhook
from hub_lambdas.channels import KINDS
from tests.fakes.sqs import FakeSqs

pytestmark = pytest.mark.django_db(transaction=True)


def channels_of(sqs: FakeSqs, *events: Event) -> list[str]:
    """The channels of the messages that webhooks bring."""
    assert {webhook.handler(event, None)["statusCode"] // 100 for event in events} == {2}
    found = sqs.bodies("dm-inbound.fifo")
    assert {each["inbound"]["type"] for each in found} == {"message"}
    return [each["channel"] for each in found]


@pytest.mark.parametrize("kind", KINDS)
def test_each_brings_another_message(sqs: FakeSqs, kind: str) -> None:
    make = single(kind)
    assert len(channels_of(sqs, make(), make())) == 2


@pytest.mark.parametrize("kind", META)
def test_one_of_the_hubs_app_is_for_many(sqs: FakeSqs, settings: Settings, kind: str) -> None:
    settings.META_APP_SECRET, settings.META_VERIFY_TOKEN = SIGNED_WITH, "token"
    make = batched(kind)
    found = channels_of(sqs, make(), make())
    assert (len(found), len({*found})) == (2 * BATCH, BATCH)
