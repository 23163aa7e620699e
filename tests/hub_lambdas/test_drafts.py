"""What an organization's own rules make of a message, from the queue to the contact: hours, words, drafts."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, LlmRequest, Message, Turn
from console.inbox.models import Draft
from console.organizations.models import Organization, Translation, User
from console.prompts.models import CannedPrompt
from hub_lambdas import drafts, inbound, staff
from hub_lambdas.channels.base import ChannelError, SendRejected, SendUnknown
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.steps import Write, age, ask, send, wake
from tests.hub_lambdas.test_pipeline import answer, outcomes

pytestmark = pytest.mark.django_db(transaction=True)
FALLBACK = Organization._meta.get_field("fallback").default


def closed_all_day() -> None:
    """Staff are back tomorrow at nine."""
    tomorrow = timezone.now() + timedelta(days=1)
    Organization.objects.update(business_hours=f"{tomorrow:%A}".lower() + " 09:00-10:00", time_zone="UTC")


class TestAway:
    @pytest.fixture(autouse=True)
    def away(self, channel: Channel) -> None:
        closed_all_day()
        Organization.objects.update(
            after_hours="hand_over", away_text="Back {{back}}.", other_languages=["de"]
        )

    def test_the_contact_hears_once_when_staff_are_back(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        for _ in range(2):
            ask(sqs, write)
            send(sqs)
        tomorrow = timezone.now() + timedelta(days=1)
        assert pigeon.sent == [("ann", f"Back {tomorrow:%A} 09:00.")]
        assert outcomes() == [("handed_over", "after_hours"), ("handed_over", "staff_owns")]
        assert sqs.requests() == []
        conversation = Conversation.objects.get()
        staff.return_to_bot(conversation.pk, conversation.messages.latest("pk").pk)
        ask(sqs, write)
        send(sqs)
        assert [text for _, text in pigeon.sent[1:]] == [FALLBACK], "they know that staff are away"

    def test_in_their_own_language(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        organization = Organization.objects.get()
        Translation.objects.create(
            organization=organization, purpose="away_text", language="de", text="Zurück: {{back}}"
        )
        Organization.objects.update(after_hours="answer")
        ask(sqs, write)
        Contact.objects.update(language="de-CH")
        age(61)
        wake(sqs)
        send(sqs)
        assert pigeon.sent[-1][1].startswith("Zurück: ")
        assert pigeon.sent[-1][1].endswith("tag 09:00") or "woch 09:00" in pigeon.sent[-1][1]

    def test_staff_who_answer_all_the_same_are_not_away(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        Organization.objects.update(after_hours="answer")
        ask(sqs, write)
        staff.reply(Conversation.objects.get().pk, User.objects.create_user("ann@example.com"), "Hello.")
        ask(sqs, write)
        send(sqs)
        assert pigeon.sent == [("ann", "Hello.")]


def test_a_word_for_staff_is_on_the_turn(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    Organization.objects.update(handover_topics="Complaint: not happy")
    ask(sqs, write, "I am NOT happy")
    send(sqs)
    turn = Turn.objects.get()
    assert (turn.state, turn.reason, turn.reason_detail) == ("handed_over", "handover_topic", "Complaint")
    assert pigeon.sent == [("ann", FALLBACK)]
    assert sqs.requests() == []


def test_so_many_answers_in_a_row(sqs: FakeSqs, write: Write) -> None:
    Organization.objects.update(handover_after_turns=2)
    for _ in range(2):
        ask(sqs, write)
        answer(sqs, "Certainly.")
        send(sqs)
    ask(sqs, write)
    assert outcomes()[2:] == [("handed_over", "bot_turns")]
    conversation = Conversation.objects.get()
    staff.return_to_bot(conversation.pk, conversation.messages.latest("pk").pk)
    ask(sqs, write)
    assert outcomes()[3:] == [("asked", "")], "it counts anew once staff had it"


class TestDrafts:
    @pytest.fixture(autouse=True)
    def drafting(self, channel: Channel) -> None:
        Channel.objects.update(bot="drafts", tells_contacts=False)
        CannedPrompt.objects.create(
            organization=channel.organization, question="Price?", answer="240 €.", choices="Book\nThanks"
        )

    @pytest.fixture
    def member(self) -> User:
        return User.objects.create_user("ann@example.com", name="Ann")

    def drafted(self, sqs: FakeSqs, write: Write, text: str = "240 €.") -> tuple[Conversation, Draft]:
        ask(sqs, write, "Price?")
        answer(sqs, text)
        return Conversation.objects.get(), Draft.objects.latest("pk")

    def test_a_checked_answer_waits_and_nothing_leaves(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        conversation, draft = self.drafted(sqs, write)
        send(sqs)
        assert (pigeon.sent, pigeon.typing) == ([], [])
        assert outcomes() == [("handed_over", "drafted")]
        assert drafts.waiting(conversation) == draft
        assert drafts.text_of(draft, conversation) == "240 €."
        assert conversation.waiting_since is not None

    def test_what_nobody_has_said_is_no_draft(self, sqs: FakeSqs, write: Write) -> None:
        ask(sqs, write, "Price?")
        answer(sqs, "977 €.")
        answer(sqs, "977 €.")
        assert outcomes() == [("handed_over", "not_grounded")]
        assert not Draft.objects.exists()

    def test_it_is_sent_as_it_is_with_its_choices(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, member: User
    ) -> None:
        conversation, draft = self.drafted(sqs, write)
        drafts.send(conversation.pk, draft.pk, member, "240  €.")
        send(sqs)
        assert pigeon.sent == [("ann", "240 €.")]
        assert pigeon.choices == [["Book", "Thanks"]]
        message = Message.objects.get(direction="out")
        assert (message.purpose, message.author) == ("staff", member)
        conversation.refresh_from_db()
        assert (conversation.waiting_since, conversation.assignee) == (None, None)
        assert conversation.is_closed
        draft.refresh_from_db()
        assert (draft.state, draft.settled_by) == ("sent", member)

    def test_what_comes_next_has_a_draft_again(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, member: User
    ) -> None:
        conversation, draft = self.drafted(sqs, write)
        drafts.send(conversation.pk, draft.pk, member, "It is 240 €, Ann.")
        send(sqs)
        assert (pigeon.sent, pigeon.choices) == ([("ann", "It is 240 €, Ann.")], [[]])
        conversation, second = self.drafted(sqs, write)
        assert second != draft
        assert drafts.waiting(conversation) == second
        assert not conversation.is_closed

    def test_two_members_cannot_both_send_it(self, sqs: FakeSqs, write: Write, member: User) -> None:
        conversation, draft = self.drafted(sqs, write)
        drafts.send(conversation.pk, draft.pk, member, "240 €.")
        other = User.objects.create_user("ben@example.com")
        with pytest.raises(staff.AnsweredAlready, match="Ann has sent this draft already"):
            drafts.send(conversation.pk, draft.pk, other, "240 €.")
        with pytest.raises(staff.AnsweredAlready):
            drafts.discard(conversation.pk, draft.pk, other)
        assert Message.objects.filter(direction="out").count() == 1

    def test_a_newer_message_makes_it_stale_and_the_next_takes_its_place(
        self, sqs: FakeSqs, write: Write, member: User
    ) -> None:
        conversation, draft = self.drafted(sqs, write)
        ask(sqs, write, "And for two?")
        found = drafts.waiting(conversation)
        assert found == draft
        assert found.is_overtaken
        with pytest.raises(staff.NotRead):
            drafts.send(conversation.pk, draft.pk, member, "240 €.")
        answer(sqs, "240 €.")
        newest = drafts.waiting(conversation)
        assert newest is not None
        assert newest != draft
        assert outcomes() == [("handed_over", "drafted")] * 2

    def test_an_edit_makes_it_stale(self, sqs: FakeSqs, write: Write) -> None:
        conversation, draft = self.drafted(sqs, write)
        Message.objects.filter(direction="in").update(edited_at=timezone.now())
        found = drafts.waiting(conversation)
        assert found == draft
        assert found.is_overtaken

    def test_who_has_taken_over_gets_no_more_of_them(self, sqs: FakeSqs, write: Write, member: User) -> None:
        conversation, draft = self.drafted(sqs, write)
        ask(sqs, write)
        staff.reply(conversation.pk, member, "I have it.")
        assert outcomes() == [("handed_over", "drafted"), ("handed_over", "staff_owns")]
        draft.refresh_from_db()
        assert (draft.state, draft.settled_by) == ("discarded", member)
        ask(sqs, write)
        assert outcomes()[2:] == [("handed_over", "staff_owns")]

    def test_a_turn_that_was_held_off_gets_its_draft(
        self, sqs: FakeSqs, write: Write, settings: Settings
    ) -> None:
        self.drafted(sqs, write)
        Conversation.objects.update(owned_since=timezone.now() - timedelta(minutes=1))
        settings.LLM_REQUESTS_PER_ORGANIZATION = 1
        ask(sqs, write, contact="bob")
        ask(sqs, write)
        assert LlmRequest.objects.filter(state="pending").count() == 1
        age(2)
        answer(sqs, "Certainly.")
        wake(sqs)
        assert LlmRequest.objects.filter(state="pending").count() == 1

    def test_the_contact_may_be_told(self, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
        Channel.objects.update(tells_contacts=True)
        self.drafted(sqs, write)
        self.drafted(sqs, write)
        send(sqs)
        assert pigeon.sent == [("ann", FALLBACK)]


class TestAnswersAgain:
    """A channel whose bot wrote drafts is switched to answers."""

    @pytest.fixture(autouse=True)
    def switched(self, sqs: FakeSqs, channel: Channel, write: Write) -> None:
        Channel.objects.update(bot="drafts", tells_contacts=False)
        ask(sqs, write, "Price?")
        answer(sqs, "240 €.")
        Channel.objects.update(bot="answers")

    @pytest.fixture
    def member(self) -> User:
        return User.objects.create_user("ann@example.com", name="Ann")

    def passes(self, seconds: float) -> None:
        age(seconds)
        ago = timezone.now() - timedelta(seconds=seconds + 1)
        Conversation.objects.exclude(waiting_since=None).update(waiting_since=ago)

    def standing(self) -> tuple[str, bool, Draft | None]:
        """Who has the conversation, whether its contact waits for them, and the draft that does."""
        conversation = Conversation.objects.select_related("contact__channel").get()
        return conversation.owner, conversation.waiting_since is not None, drafts.waiting(conversation)

    def test_whose_draft_was_sent_is_the_bots(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, member: User
    ) -> None:
        conversation, draft = Conversation.objects.get(), Draft.objects.get()
        drafts.send(conversation.pk, draft.pk, member, "240 €.")
        send(sqs)
        ask(sqs, write, "And for two?")
        assert self.standing() == ("bot", False, None)
        answer(sqs, "480 €.")
        send(sqs)
        assert [text for _, text in pigeon.sent] == ["240 €.", "480 €."]
        assert outcomes() == [("handed_over", "drafted"), ("answered", "")]

    def test_a_draft_that_waits_goes_on_waiting_and_the_bot_answers_what_comes(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon
    ) -> None:
        draft = Draft.objects.get()
        ask(sqs, write, "And for two?")
        self.passes(4.1)
        wake(sqs)
        send(sqs)
        answer(sqs, "480 €.")
        send(sqs)
        assert [text for _, text in pigeon.sent] == [
            "One moment please, I am looking into it.",
            "480 €.",
        ]
        assert outcomes() == [("handed_over", "drafted"), ("answered", "")]
        assert self.standing() == ("staff", True, draft)

    @pytest.mark.parametrize("fault", [SendRejected("too long"), SendUnknown("no answer within 8 s")])
    def test_whose_draft_did_not_arrive_waits_on_and_the_bot_answers_what_comes(
        self, sqs: FakeSqs, write: Write, pigeon: Pigeon, member: User, fault: ChannelError
    ) -> None:
        conversation, draft = Conversation.objects.get(), Draft.objects.get()
        pigeon.faults = [fault]
        drafts.send(conversation.pk, draft.pk, member, "240 €.")
        send(sqs)
        assert self.standing() == ("staff", True, None)
        ask(sqs, write, "And for two?")
        answer(sqs, "480 €.")
        send(sqs)
        assert pigeon.sent == [("ann", "480 €.")]
        assert outcomes() == [("handed_over", "drafted"), ("answered", "")]
        assert self.standing() == ("staff", True, None)

    def test_whom_staff_answered_elsewhere_they_keep_where_that_did_not_arrive(
        self, sqs: FakeSqs, write: Write
    ) -> None:
        write("We are open.", kind="echo", message_id="e1")
        write(kind="receipt", message="e1", failure="No such number.")
        assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
        assert self.standing()[:2] == ("staff", True)
        ask(sqs, write, "And for two?")
        assert outcomes()[1:] == [("handed_over", "staff_owns")]

    def test_what_is_held_off_is_asked_when_there_is_room(
        self, sqs: FakeSqs, write: Write, settings: Settings
    ) -> None:
        settings.LLM_REQUESTS_PER_ORGANIZATION = 1
        ask(sqs, write, contact="bob")
        ask(sqs, write, "And for two?")
        self.passes(2)
        answer(sqs, "Certainly.")
        wake(sqs)
        assert LlmRequest.objects.get(state="pending").turn.conversation == Conversation.objects.first()

    def test_what_the_bot_cannot_answer_then_is_with_staff_and_stays_there(
        self, sqs: FakeSqs, write: Write
    ) -> None:
        ask(sqs, write, kind="image")
        ask(sqs, write, "And for two?")
        assert outcomes()[1:] == [("handed_over", "not_text"), ("handed_over", "staff_owns")]

    @pytest.mark.parametrize("touch", ["take over", "reply", "elsewhere"])
    def test_whom_staff_took_up_they_keep(self, sqs: FakeSqs, write: Write, member: User, touch: str) -> None:
        conversation = Conversation.objects.get()
        if touch == "take over":
            staff.take_over(conversation.pk, member)
        elif touch == "reply":
            staff.reply(conversation.pk, member, "240 €, Ann here.")
        else:
            write("We are open.", kind="echo", message_id="e1")
            assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
        ask(sqs, write, "And for two?")
        assert outcomes()[1:] == [("handed_over", "staff_owns")]

    def test_while_it_writes_drafts_nothing_changes(self, sqs: FakeSqs, write: Write) -> None:
        Channel.objects.update(bot="drafts")
        ask(sqs, write, "And for two?")
        answer(sqs, "480 €.")
        assert outcomes() == [("handed_over", "drafted")] * 2
        assert self.standing() == ("staff", True, Draft.objects.latest("pk"))


@pytest.mark.parametrize("told", [True, False])
def test_a_bot_that_is_off(told: bool, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    Channel.objects.update(bot="silent", tells_contacts=told)
    ask(sqs, write)
    send(sqs)
    assert outcomes() == [("handed_over", "bot_off")]
    assert pigeon.sent == ([("ann", FALLBACK)] if told else [])
    assert sqs.requests() == []
