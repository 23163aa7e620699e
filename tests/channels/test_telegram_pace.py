"""Telegram takes about one message a second in a chat, and thirty of a bot. What comes faster it refuses, and
says how long to wait: the hub waits so long, and every message leaves once and in its order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from pytest_django import Settings

from console.channels.connection import connect
from console.channels.models import Channel
from console.conversations.models import Conversation, Message
from hub_lambdas import grounding, inbound, outbound, staff
from tests.channels.listening import hub_listening
from tests.factories import make_channel, make_member, make_organization
from tests.fakes import telegram
from tests.fakes.platform import Habits
from tests.fakes.sqs import FakeSqs
from tests.fakes.telegram import CHAT_BURST, FakeTelegram
from tests.hub_lambdas.test_pipeline import answer, outcomes

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "4242:of-the-clinic"
OUTBOUND = "dm-outbound.fifo"
FLOOD_SECONDS = 14
"""For a message in a chat: far more than what the hub waits of itself."""
ANN, BOB = 1, 2


@dataclass
class Slow:
    """A bot at a Telegram with limits, whose clock goes on only while the hub waits as it was asked to.
    `waits`: how long each time, in seconds."""

    fake: FakeTelegram
    sqs: FakeSqs
    channel: Channel
    waits: list[int] = field(default_factory=list)
    now: float = 0.0

    def hear(self, *contacts: int) -> None:
        """The contacts write, and it is stored."""
        for contact in contacts:
            self.fake.write(TOKEN, contact, "How much is a whitening?")
        self.fake.wait_until_delivered()
        assert self.sqs.run("dm-inbound.fifo", inbound.handler) == 0

    def send(self) -> None:
        """Run the function that sends once. What the platform refused comes again after the wait."""
        self.sqs.postponed.clear()
        self.sqs.run(OUTBOUND, outbound.handler)
        waits = [seconds for _, seconds in self.sqs.postponed]
        self.waits += waits
        self.now += max(waits, default=0)

    def send_all(self) -> None:
        """Send until nothing waits."""
        while self.sqs.bodies(OUTBOUND):
            self.send()

    @property
    def refusals(self) -> int:
        return sum(call.operation == FakeTelegram.sends for call in self.fake.calls) - len(self.fake.sent)

    def heard_by(self, contact: int) -> Sequence[str]:
        return [each["text"] for each in self.fake.sent if each["contact"] == str(contact)]


@pytest.fixture
def slow(sqs: FakeSqs, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    monkeypatch.setattr(telegram, "CHAT_SECONDS", FLOOD_SECONDS)
    monkeypatch.setattr(grounding, "objection", lambda text, sources: "")
    with hub_listening() as url, FakeTelegram(habits=Habits(has_limits=True)) as fake:
        settings.WEBHOOK_URL, settings.TELEGRAM_API_URL = url, fake.url
        fake.add_bot(TOKEN)
        organization = make_organization(burst_window_seconds=0)
        channel = make_channel(organization, credentials={"bot_token": TOKEN, "webhook_secret": "s"})
        assert connect(channel).problems == []
        made = Slow(fake, sqs, channel, now=fake.now())
        fake.now = lambda: made.now
        yield made


def test_a_long_answer_leaves_at_the_pace_of_its_chat(slow: Slow) -> None:
    text = "".join(f"{number} " for number in range(4000))
    slow.hear(ANN)
    answer(slow.sqs, text)
    slow.send_all()
    pieces = slow.heard_by(ANN)
    assert "".join(pieces) == text.strip()
    assert len(pieces) == CHAT_BURST + len(slow.waits)
    assert slow.waits == [FLOOD_SECONDS] * slow.refusals, "after each wait it is taken at once"
    assert slow.refusals >= 2
    assert outcomes() == [("answered", "")]


def test_what_waits_is_overtaken_by_nothing_in_its_chat_and_holds_back_no_other(slow: Slow) -> None:
    slow.hear(ANN, BOB)
    clerk = make_member(slow.channel.organization)
    conversations = {each.contact.platform_id: each for each in Conversation.objects.all()}
    texts = [f"Ann's {number}" for number in range(CHAT_BURST + 3)]
    for text in texts:
        staff.reply(conversations[str(ANN)].pk, clerk, text)
    staff.reply(conversations[str(BOB)].pk, clerk, "Bob's")
    slow.send()
    assert slow.heard_by(ANN) == texts[:CHAT_BURST]
    assert slow.heard_by(BOB) == ["Bob's"]
    assert slow.refusals == 1, "those behind the refused one are not even tried"
    slow.send_all()
    assert slow.heard_by(ANN) == texts
    assert {each.attempts for each in Message.objects.filter(purpose="staff")} == {1, 2}


def test_a_bot_that_all_write_to_at_once_answers_all(slow: Slow, settings: Settings) -> None:
    contacts = range(1, telegram.BOT_BURST + 6)
    settings.LLM_REQUESTS_PER_ORGANIZATION = len(contacts)
    slow.hear(*contacts)
    answer(slow.sqs)
    slow.send()
    assert slow.refusals == len(contacts) - telegram.BOT_BURST
    slow.send_all()
    assert [slow.heard_by(contact) for contact in contacts] == [["240 €."]] * len(contacts)
    assert outcomes() == [("answered", "")] * len(contacts)
