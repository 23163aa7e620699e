"""The way of a message through the whole hub, with the fake Slack at its end."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from console.channels.models import Channel
from console.conversations.models import Message
from hub_lambdas import grounding, inbound, outbound, wakeups
from tests.channels.listening import hub_listening
from tests.factories import make_channel, make_organization
from tests.fakes.platform import Fault
from tests.fakes.slack import FakeSlack
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.test_pipeline import answer, outcomes

pytestmark = pytest.mark.django_db(transaction=True)

ANN = "D0ANN"


@pytest.fixture
def slack(sqs: FakeSqs, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlack]:
    """Slack with an app that delivers to the hub, and its channel."""
    monkeypatch.setattr(grounding, "objection", lambda text, sources: "")
    with hub_listening() as url, FakeSlack() as fake:
        settings.WEBHOOK_URL = url
        monkeypatch.setenv("HUB_SLACK_API_URL", fake.hub_settings["HUB_SLACK_API_URL"])
        app = fake.open_account("slack", "Clinic")
        organization = make_organization(burst_window_seconds=0)
        channel = make_channel(organization, "slack", address=app.address, credentials=dict(app.credentials))
        assert fake.enter_address(app.address, f"{url}/slack/{channel.pk}")
        yield fake


def test_an_answer_of_unknown_fate_is_settled_by_its_echo_whatever_became_of_its_emoji(
    slack: FakeSlack, sqs: FakeSqs
) -> None:
    slack.write(Channel.objects.get().address, ANN, "Hi 👋 How much is a whitening?")
    slack.wait_until_delivered()
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert Message.objects.get(direction="in").text == "Hi 👋 How much is a whitening?"
    answer(sqs, "Hello 👋 240 €. See you soon 🦷")
    slack.fail_next(FakeSlack.sends, Fault(after=True))
    assert sqs.run("dm-outbound.fifo", outbound.handler) == 0
    slack.wait_until_delivered()
    assert Message.objects.get(direction="out").state == "unknown"
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    sqs.release("wakeups")
    assert sqs.run("wakeups", wakeups.handler) == 0
    settled = Message.objects.get(direction="out")
    assert (settled.state, settled.platform_id) == ("sent", slack.sent[0]["id"])
    assert outcomes() == [("answered", "")]
    assert len(slack.sent) == 1
