"""From the gateway to the ledger and back."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings

from console.conversations.models import Message
from hub_lambdas import inbound as inbound_queue
from hub_lambdas import queues, sending, webhook
from hub_lambdas.channels.base import (
    Reached,
)
from tests.channels.twilio.forms import address, status
from tests.channels.twilio.test_receiving import SMS
from tests.channels.twilio.test_signing import event
from tests.factories import make_channel, make_organization
from tests.fakes.platform import Fault
from tests.fakes.sqs import FakeSqs
from tests.fakes.twilio import ACCOUNT_SID, AUTH_TOKEN, NUMBER, FakeTwilio, signature


@pytest.mark.django_db(transaction=True)
def test_a_message_of_unknown_fate_is_settled_through_the_hub(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the gateway to the ledger: a contact writes, staff answer, the call breaks, receipts come in."""
    sqs = FakeSqs()
    monkeypatch.setattr(queues, "client", lambda: sqs)
    queues.url.cache_clear()
    credentials = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN, "sender": NUMBER}
    channel = make_channel(make_organization(), "twilio", credentials=credentials)

    def deliver(form: Mapping[str, str], query: str = "") -> None:
        path = f"/twilio/{channel.pk}"
        made = signature(AUTH_TOKEN, address(f"{path}?{query}" if query else path), form)
        answer = webhook.handler(event("HTTP API", form, query, made, path), None)
        assert (answer["statusCode"], answer["body"]) == (200, "<Response/>")
        assert sqs.run("dm-inbound.fifo", inbound_queue.handler) == 0

    with FakeTwilio() as fake:
        settings.TWILIO_API_URL = fake.url
        deliver(fake.compose(NUMBER, SMS.platform_id, "Are you open?"))
        written = Message.objects.get(text="Are you open?")
        reply = Message.objects.create(
            conversation=written.conversation,
            channel=channel,
            direction=Message.Direction.OUT,
            purpose=Message.Purpose.STAFF,
            state=Message.State.PENDING,
            text="Yes",
        )
        fake.fail_next(FakeTwilio.sends, Fault(after=True))
        sending.deliver(reply.pk)
        reply.refresh_from_db()
        assert reply.state == Message.State.UNKNOWN
        sid, query = fake.messages[0]["sid"], urlsplit(fake.messages[0]["status_callback"]).query
    assert query == f"ref={reply.pk}"
    for state in ("delivered", "sent"):
        deliver(status(state, MessageSid=sid), query)
    reply.refresh_from_db()
    assert (reply.state, reply.platform_id, reply.reached) == (Message.State.SENT, sid, Reached.DELIVERED)
    queues.url.cache_clear()
