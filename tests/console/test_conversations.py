"""What the inbox shows of a conversation, blocking, and the table of all conversations."""

import html
from datetime import timedelta

import pytest
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, LlmRequest, Message, Turn
from tests import factories
from tests.console.conftest import World, body, signed_in
from tests.fakes.sqs import FakeSqs


def address(conversation: Conversation) -> str:
    return f"/inbox/{conversation.pk}/"


def admin_address(conversation: Conversation, action: str) -> str:
    return f"/conversations/conversation/{conversation.pk}/{action}/"


def test_a_turn_is_shown_with_every_hop_and_its_total(world: World) -> None:
    page = body(signed_in(world.agent).get(address(world.conversation)))
    for label in (
        "Received",
        "Stored",
        "Asked the LLM",
        "LLM started",
        "LLM finished",
        "Reply stored",
        "Sending",
        "Sent",
    ):
        assert f"<b>{label}</b>" in page
    assert "+1.20 s" in page
    assert "2.42 s of 5 s" in page
    assert "v1" in page
    assert "412 / 18" in page
    assert "SmolLM2-135M-Instruct" in page


@pytest.mark.parametrize(
    ("direction", "said"), [("in", "Taken back by the contact<"), ("out", "Taken back<")]
)
def test_who_took_a_message_back(world: World, direction: str, said: str) -> None:
    Message.objects.filter(direction=direction).update(kind="unsent", text="")
    assert said in body(signed_in(world.agent).get(address(world.conversation)))


def test_a_handover_says_why(world: World) -> None:
    factories.make_handed_over_turn(world.conversation, kind="voice")
    page = body(signed_in(world.agent).get(address(world.conversation)))
    assert "The message was not text" in page
    assert "Voice" in page
    assert "Waits for staff" in page


@pytest.mark.parametrize(
    "text",
    [
        "{{ settings.SECRET_KEY }} {% now 'Y' %} {# hidden #}",
        "<script>alert(1)</script> & \"quotes\" 'too'",
        "مرحبا، كم سعر التبييض؟",
        "😀🦷✨🏳️‍🌈",
        "x" * 10_000,
        "line one\nline two",
    ],
)
def test_any_text_is_shown_as_it_was_written(text: str, world: World) -> None:
    factories.make_inbound(world.conversation, text, turn=Turn.objects.get(conversation=world.conversation))
    page = body(signed_in(world.agent).get(address(world.conversation)))
    assert html.escape(text).replace("&#x27;", "&#x27;") in page
    assert "<script>alert(1)" not in page
    assert signed_in(world.agent).get("/conversations/conversation/").status_code == 200
    assert signed_in(world.agent).get("/").status_code == 200


def test_what_no_page_can_show_becomes_a_sign(world: World) -> None:
    contact = world.conversation.contact
    contact.name = "Nul\x00Name"
    contact.save()
    factories.make_inbound(
        world.conversation, "a\x00b \ud800 c", turn=Turn.objects.get(conversation=world.conversation)
    )
    for url in (address(world.conversation), "/conversations/conversation/", "/"):
        page = body(signed_in(world.agent).get(url))
        assert "\x00" not in page
        assert "Nul\ufffdName" in page
    assert "a\ufffdb \ufffd c" in body(signed_in(world.agent).get(address(world.conversation)))


def test_the_list_shows_whose_turn_it_is(world: World) -> None:
    page = body(signed_in(world.agent).get("/conversations/conversation/"))
    assert "Zebra Contact" in page
    assert "zebra answer text" in page
    assert "Answered" in page


@pytest.mark.parametrize(
    ("term", "is_found"), [("zebra message", True), ("Zebra Cont", True), ("heron", False)]
)
def test_search_finds_names_and_words(term: str, is_found: bool, world: World) -> None:
    page = body(signed_in(world.agent).get("/conversations/conversation/", {"q": term}))
    assert ("zebra answer text" in page) is is_found


@pytest.mark.parametrize("action", ["block", "unblock"])
def test_looking_changes_nothing(action: str, world: World) -> None:
    assert signed_in(world.agent).get(admin_address(world.conversation, action)).status_code == 405


@pytest.mark.parametrize("action", ["change", "history"])
def test_older_links_lead_to_the_inbox(action: str, world: World) -> None:
    response = signed_in(world.agent).get(f"{admin_address(world.conversation, action)}?before=7")
    assert response["Location"] == f"{address(world.conversation)}?before=7"


def test_long_conversations_come_in_pages(world: World) -> None:
    turn = Turn.objects.get(conversation=world.conversation)
    for number in range(105):
        factories.make_inbound(world.conversation, f"message number {number:03}.", turn=turn)
    client = signed_in(world.agent)
    page = body(client.get(address(world.conversation)))
    assert "message number 104." in page
    assert "message number 004." not in page
    earlier = Message.objects.get(text="message number 005.").pk
    assert f"before={earlier}" in page
    assert "message number 004." in body(client.get(address(world.conversation), {"before": earlier}))


# --- what happens besides answers ---


def show(world: World) -> str:
    return body(signed_in(world.agent).get(address(world.conversation)))


def test_what_is_said_beside_the_answer_is_labelled(world: World) -> None:
    factories.make_outbound(world.conversation, "One moment.", purpose="holding")
    factories.make_outbound(world.conversation, "Too much.", purpose="limit")
    page = show(world)
    assert page.count("is-aside") == 2
    assert "Holding line" in page
    assert "Limit line" in page


@pytest.mark.parametrize(("delay_minutes", "is_said"), [(9, False), (11, True), (180, True)])
def test_a_late_message_says_how_late(delay_minutes: int, is_said: bool, world: World) -> None:
    now = timezone.now()
    factories.make_inbound(
        world.conversation, received_at=now, platform_at=now - timedelta(minutes=delay_minutes)
    )
    said = {9: "", 11: "reached the hub 11 min late", 180: "reached the hub 3 h late"}[delay_minutes]
    page = show(world)
    assert ("reached the hub" in page) is is_said
    assert said in page


def test_why_an_answer_was_not_sent_is_shown(world: World) -> None:
    turn = Turn.objects.get(conversation=world.conversation)
    request = turn.requests.get()
    LlmRequest.objects.create(
        turn=turn,
        last_message=request.last_message,
        state="completed",
        text="It costs 45 €.",
        objection="It names the price 45 €.",
        asked_at=request.asked_at - timedelta(seconds=1),
    )
    page = show(world)
    assert "Not sent: It names the price 45 €. The LLM was asked again." in page
    assert "It costs 45 €" not in page


def test_a_turn_of_a_broken_channel_waits_for_the_repair(world: World) -> None:
    factories.make_inbound(world.conversation, "Anybody?")
    assert "its repair" not in show(world)
    Channel.objects.filter(pk=world.channel.pk).update(status="paused", status_reason="The token is wrong.")
    page = show(world)
    assert "The channel is broken: what is to be sent waits for" in page
    assert "It waits for the repair of its channel, and is answered then." in page


def test_blocking_asks_first_and_declines_what_waits(world: World, sqs: FakeSqs) -> None:
    turn = factories.make_inbound(world.conversation, "Buy now").turn
    assert turn is not None
    client = signed_in(world.agent)
    assert "Block Zebra Contact?" in body(client.post(admin_address(world.conversation, "block")))
    turn.refresh_from_db()
    assert turn.state == "open"
    page = body(client.post(admin_address(world.conversation, "block"), {"confirmed": "yes"}, follow=True))
    assert "The contact is blocked." in page
    assert ">Blocked<" in page
    assert "Bot answers" not in page
    turn.refresh_from_db()
    assert (turn.state, turn.reason) == ("declined", "contact_blocked")
    assert not Message.objects.filter(turn=turn, direction="out").exists()  # without a word
    assert ">Blocked<" in body(client.get("/conversations/conversation/"))


def test_unblocking(world: World, sqs: FakeSqs) -> None:
    Contact.objects.filter(pk=world.conversation.contact_id).update(is_blocked=True)
    client = signed_in(world.agent)
    page = body(client.post(admin_address(world.conversation, "unblock"), follow=True))
    assert "The contact is not blocked any more" in page
    assert ">Blocked<" not in page
    assert ">Blocked<" not in body(client.get("/conversations/conversation/"))
    assert not Contact.objects.get(pk=world.conversation.contact_id).is_blocked


def test_the_list_can_show_only_who_is_blocked(world: World) -> None:
    client = signed_in(world.agent)
    url = "/conversations/conversation/?contact__is_blocked__exact=1"
    assert "Zebra Contact" not in body(client.get(url))
    Contact.objects.filter(pk=world.conversation.contact_id).update(is_blocked=True)
    assert "Zebra Contact" in body(client.get(url))


class TestReplyWindow:
    """WhatsApp, Messenger and Instagram take answers for 24 hours."""

    @pytest.fixture(autouse=True)
    def messenger(self, world: World) -> None:
        Channel.objects.filter(pk=world.channel.pk).update(kind="messenger")

    def write(self, world: World, hours_ago: float, delivered_hours_ago: float | None = None) -> None:
        Message.objects.filter(direction="in").delete()
        now = timezone.now()
        times = {"platform_at": now - timedelta(hours=hours_ago), "received_at": now}
        if delivered_hours_ago is None:
            times = {"received_at": now - timedelta(hours=hours_ago)}
        factories.make_inbound(world.conversation, **times)

    @pytest.fixture
    def written(self, world: World) -> None:
        LlmRequest.objects.all().delete()

    def test_staff_see_until_when_they_can_answer(self, world: World, written: None) -> None:
        self.write(world, 0.5)
        page = show(world)
        assert "You can answer until " in page
        assert "(23 h left)." in page
        assert "hub-window is-closed" not in page

    def test_a_message_that_was_delivered_late_left_less_of_it(self, world: World, written: None) -> None:
        self.write(world, 20, delivered_hours_ago=0)
        assert "(3 h left)." in show(world)

    def test_a_closed_window_is_said_before_they_write(
        self, world: World, written: None, sqs: FakeSqs
    ) -> None:
        self.write(world, 25)
        page = show(world)
        assert "Messenger takes no message until they write again." in page
        assert 'class="hub-window is-closed"' in page
        before = Message.objects.count()
        data = {"text": "Hello Ann", "seen": "0"}
        page = body(signed_in(world.agent).post(f"{address(world.conversation)}reply/", data))
        assert '<p class="hub-error" role="alert">The window closed at' in page
        assert "Hello Ann" in page
        assert "hub-reply is-bound" in page, "the text can still be copied"
        assert Message.objects.count() == before

    def test_where_the_app_may_staff_have_longer_than_the_bot(self, world: World, written: None) -> None:
        self.write(world, 26)
        Channel.objects.filter(pk=world.channel.pk).update(options={"human_agent": True})
        page = show(world)
        assert "(5 d left); the bot cannot any more." in page
        assert 'id="reply-form" hidden' not in page

    def test_whatsapp_over_twilio_has_a_window_and_an_sms_has_none(self, world: World, written: None) -> None:
        self.write(world, 25)
        Channel.objects.filter(pk=world.channel.pk).update(kind="twilio")
        Contact.objects.filter(channel=world.channel, erased_at=None).update(platform_id="+14155550101")
        assert 'id="reply-form" hidden' not in show(world)
        Contact.objects.filter(channel=world.channel, erased_at=None).update(
            platform_id="whatsapp:+14155550101"
        )
        assert "takes no message until they write again." in show(world)

    def test_nobody_is_told_of_a_window_where_there_is_none(self, world: World) -> None:
        Channel.objects.filter(pk=world.channel.pk).update(kind="telegram")
        assert "You can answer until" not in show(world)


def test_staff_see_what_was_offered_to_tap(world: World) -> None:
    factories.make_outbound(world.conversation, "How can we help?", choices=["Opening hours", "<Prices>"])
    page = show(world)
    assert '<li dir="auto">Opening hours</li><li dir="auto">&lt;Prices&gt;</li>' in page
