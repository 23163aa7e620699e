"""The way of a message through the whole hub, with the fake Cloud API at its end."""

import base64

import pytest

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, Message, MessageMedia, Turn
from console.organizations.models import Organization
from hub_lambdas import errands, grounding, inbound, outbound, wakeups, webhook
from tests.channels.whatsapp.conftest import ANN, NUMBER, TOKEN, WABA
from tests.fakes.meta import ApiError, signature
from tests.fakes.platform import Fault
from tests.fakes.sqs import FakeSqs
from tests.fakes.whatsapp import Change, FakeWhatsApp, Person, webhook_body
from tests.hub_lambdas.conftest import http_event
from tests.hub_lambdas.test_pipeline import answer, run


def make_channel(number: str, secret: str = "", **credentials: str) -> Channel:
    organization = Organization.objects.create(slug=f"o-{number}", name=f"O {number}", burst_window_seconds=0)
    kept = {"access_token": TOKEN, "phone_number_id": number, "waba_id": WABA, "app_secret": secret}
    return Channel.objects.create(
        organization=organization,
        kind="whatsapp",
        name="Number",
        address=number,
        credentials={**kept, **credentials},
    )


@pytest.fixture
def channel(
    transactional_db: None, platform: FakeWhatsApp, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> Channel:
    """A connected number, answered without a burst window and without the check of what the LLM says."""
    monkeypatch.setattr(grounding, "objection", lambda text, sources: "")
    platform.statuses = ()
    return make_channel(NUMBER, "own-secret")


def deliver(path: str, secret: str, *changes: Change, is_encoded: bool = False) -> int:
    """Post a signed webhook as API Gateway hands it over; returns the status that Meta sees."""
    return post(path, webhook_body(*changes), secret, is_encoded=is_encoded)


def post(path: str, body: bytes, secret: str, *, is_encoded: bool = False) -> int:
    event = {
        "version": "2.0",
        "rawPath": path,
        "headers": {"X-Hub-Signature-256": signature(body, secret)},
        "requestContext": {"http": {"method": "POST", "path": path}},
        "body": base64.b64encode(body).decode() if is_encoded else body.decode(),
        "isBase64Encoded": is_encoded,
    }
    return int(webhook.handler(event, None)["statusCode"])


@pytest.mark.parametrize("is_encoded", [False, True])
def test_a_message_is_answered_and_the_answer_reported_read(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs, is_encoded: bool
) -> None:
    path, question = f"/whatsapp/{channel.pk}", platform.compose(NUMBER, ANN, "How much is a whitening? 😀")
    assert deliver(path, "own-secret", question, is_encoded=is_encoded) == 200
    run(sqs)
    (sent,) = platform.sent
    assert (sent["contact"], sent["text"]) == (ANN.user_id, "240 €.")
    assert platform.typing == [question[1]["value"]["messages"][0]["id"]]
    reports = [platform.compose_status(sent["id"], status) for status in ("read", "sent", "delivered")]
    assert deliver(path, "own-secret", *reports) == 200
    assert sqs.run("dm-inbound.fifo", inbound.handler, times=2) == 0
    answered = Message.objects.get(direction="out")
    assert (answered.state, answered.platform_id, answered.reached) == ("sent", sent["id"], "read")
    assert Turn.objects.get().state == "answered"


def test_a_foreign_signature_opens_nothing(platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs) -> None:
    change = platform.compose(NUMBER, ANN, "hello")
    assert deliver(f"/whatsapp/{channel.pk}", "hub-secret", change) == 401
    assert deliver("/whatsapp", "own-secret", change) == 401
    assert sqs.bodies("dm-inbound.fifo") == []


def test_one_webhook_of_the_hubs_app_serves_two_organizations(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs
) -> None:
    other = make_channel("7")
    platform.add_number("7", "another account")
    platform.add_number("8", "of nobody here")
    changes = [platform.compose(number, ANN, f"to {number}") for number in (NUMBER, "7", "8")]
    assert deliver("/whatsapp", "hub-secret", *changes) == 200
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    stored = Message.objects.order_by("pk").values_list("channel", "text")
    assert list(stored) == [(channel.pk, f"to {NUMBER}"), (other.pk, "to 7")]


def test_an_own_app_does_not_speak_for_another_organization(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs
) -> None:
    make_channel("7")
    platform.add_number("7", WABA)
    change = platform.compose("7", ANN, "forged")
    assert deliver(f"/whatsapp/{channel.pk}", "own-secret", change) == 200
    assert sqs.bodies("dm-inbound.fifo") == []


def test_a_send_of_unknown_fate_is_settled_by_the_report(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs
) -> None:
    """The platform took the answer and said nothing: it is not sent again, and counts once a report comes."""
    path = f"/whatsapp/{channel.pk}"
    deliver(path, "own-secret", platform.compose(NUMBER, ANN, "How much?"))
    sqs.run("dm-inbound.fifo", inbound.handler)
    sqs.run("dm-outbound.fifo", outbound.handler)  # the typing sign
    answer(sqs)
    platform.fail_next("messages", Fault(after=True))
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert Message.objects.get(direction="out").state == "unknown"
    sqs.release("wakeups")
    sqs.run("wakeups", wakeups.handler)
    (sent,) = platform.sent
    deliver(path, "own-secret", platform.compose_status(sent["id"], "sent"))
    sqs.run("dm-inbound.fifo", inbound.handler)
    settled = Message.objects.get(direction="out")
    assert (settled.state, settled.platform_id, settled.reached) == ("sent", sent["id"], "sent")
    assert Turn.objects.get().state == "answered"
    assert len(platform.sent) == 1


def test_an_answer_that_failed_after_all_goes_to_staff(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs
) -> None:
    path = f"/whatsapp/{channel.pk}"
    deliver(path, "own-secret", platform.compose(NUMBER, ANN, "How much?"))
    run(sqs)
    error = ApiError(131026, "Message undeliverable")
    deliver(path, "own-secret", platform.compose_status(platform.sent[0]["id"], "failed", error))
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    failed = Message.objects.get(purpose="answer")
    assert (failed.state, failed.error) == ("failed", "WhatsApp: Message undeliverable (error 131026).")
    assert Turn.objects.get().state == "handed_over"


@pytest.mark.parametrize(
    "reference", ["", "some data", "{pk}", "channels-hub:", "channels-hub:-1", "channels-hub:٣"]
)
def test_reports_on_what_others_sent_change_nothing(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs, reference: str
) -> None:
    path = f"/whatsapp/{channel.pk}"
    deliver(path, "own-secret", platform.compose(NUMBER, ANN, "How much?"))
    run(sqs)
    foreign = platform.compose_status(platform.sent[0]["id"], "failed", ApiError(131026, "no"))
    theirs = reference.format(pk=Message.objects.get(direction="out").pk)
    foreign[1]["value"]["statuses"][0] |= {"id": "wamid.of-another", "biz_opaque_callback_data": theirs}
    assert deliver(path, "own-secret", foreign) == 200
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert Turn.objects.get().state == "answered"


def test_whoever_answers_in_the_whatsapp_app_takes_over(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs
) -> None:
    path = f"/whatsapp/{channel.pk}"
    deliver(path, "own-secret", platform.compose(NUMBER, ANN, "Are you open?"))
    deliver(path, "own-secret", platform.compose_echo(NUMBER, ANN, "Yes, come by."))
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    answer(sqs)
    sqs.run("dm-outbound.fifo", outbound.handler)
    assert platform.sent == []
    assert Conversation.objects.get().owner == "staff"
    assert Message.objects.get(direction="out").text == "Yes, come by."


def test_a_contact_keeps_their_conversation_when_whatsapp_names_them_anew(
    platform: FakeWhatsApp, channel: Channel, sqs: FakeSqs
) -> None:
    """By phone as before 2026, then by both, then by the user id alone, then with another number."""
    path, phone, user_id = f"/whatsapp/{channel.pk}", ANN.phone, ANN.user_id
    for person in (Person(phone), Person(phone, user_id), Person(user_id=user_id)):
        deliver(path, "own-secret", platform.compose(NUMBER, person, "hello"))
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    new = {"wa_id": "491", "user_id": "DE.2"}
    system = {"type": "user_changed_number", **new, "previous_user_id": user_id}
    moved = platform.compose(NUMBER, Person(phone), type="system", system=system)
    deliver(path, "own-secret", moved)
    deliver(path, "own-secret", platform.compose(NUMBER, Person("491", "DE.2"), "hello again"))
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert Contact.objects.count() == 1
    assert Message.objects.filter(direction="in").count() == 4


def test_a_picture_is_kept_and_its_contact_told(
    platform: FakeWhatsApp, sqs: FakeSqs, transactional_db: None
) -> None:
    """The whole way, from the webhook to the file in the storage."""
    channel = make_channel(NUMBER, "own-secret")
    picture = {"id": platform.add_media(b"\x89PNG\r\n\x1a\n", "image/png"), "mime_type": "image/png"}
    change = platform.compose(NUMBER, ANN, type="image", image=picture)
    body = webhook_body(change)
    event = http_event(f"/whatsapp/{channel.pk}", body.decode())
    event["headers"]["X-Hub-Signature-256"] = signature(body, "own-secret")
    assert webhook.handler(event, None)["statusCode"] == 200
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert sqs.run("errands", errands.handler) == 0
    kept = MessageMedia.objects.get()
    assert (kept.state, kept.media_type, kept.size_bytes) == ("kept", "image/png", 8)
    kept.file.delete()
