"""The inbox: its queues, and what members do in a conversation."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, LlmRequest, Message
from console.feedback.models import Feedback
from console.inbox import queues
from console.inbox.models import Draft, Label, Note, ReadMark, Suggestion
from console.organizations.models import User
from hub_lambdas.queues import OUTBOUND
from tests import factories
from tests.console.conftest import World, body, signed_in
from tests.fakes.sqs import FakeSqs

NOW = timezone.now()


def address(conversation: Conversation, action: str = "") -> str:
    return f"/inbox/{conversation.pk}/{action}/" if action else f"/inbox/{conversation.pk}/"


def waiting(world: World, name: str, minutes: int, **fields: Any) -> Conversation:
    """A conversation in which the contact has waited for staff since so many minutes."""
    conversation = factories.make_conversation(world.channel, name)
    since = NOW - timedelta(minutes=minutes)
    factories.make_handed_over_turn(conversation, f"{name} asks", at=since, kind="text")
    fields = {"waiting_since": since, **fields}
    Conversation.objects.filter(pk=conversation.pk).update(**fields)
    conversation.refresh_from_db()
    return conversation


def newest(conversation: Conversation) -> int:
    """The newest message of a conversation."""
    return Message.objects.filter(conversation=conversation).latest("pk").pk


def names(user: User, queue: str) -> list[str]:
    """Who is in a queue, from the top."""
    rows, _ = queues.rows(user, queues.QUEUES[queue], 1)
    return [row.name for row in rows]


def counts(user: User) -> dict[str, tuple[int, int]]:
    return {tab.queue.key: (tab.count, tab.waiting) for tab in queues.tabs(user)}


class TestQueues:
    def test_each_holds_its_own_and_the_longest_wait_comes_first(self, world: World) -> None:
        waiting(world, "Ann", 5)
        waiting(world, "Ben", 50)
        waiting(world, "Cid", 20, assignee=world.agent)
        waiting(world, "Dot", 30, assignee=world.admin)
        waiting(world, "Eve", 40, waiting_since=None)
        assert names(world.agent, "unassigned") == ["Ben", "Ann", "Eve"]
        assert names(world.agent, "mine") == ["Cid"]
        assert names(world.agent, "bot") == ["Zebra Contact"]
        assert set(names(world.agent, "all")) == {"Zebra Contact", "Ann", "Ben", "Cid", "Dot", "Eve"}
        assert counts(world.agent) == {"unassigned": (3, 2), "mine": (1, 1), "bot": (1, 0), "all": (6, 4)}

    def test_the_page_shows_how_long_somebody_waits(self, world: World) -> None:
        waiting(world, "Ann", 50)
        page = body(signed_in(world.agent).get("/inbox/"))
        assert "Ann asks" in page
        assert 'class="inbox-wait"' in page
        assert "50 min</time>" in page
        assert "<title> (1) Inbox |" in page

    def test_what_is_closed_comes_back_when_the_contact_writes(self, world: World, sqs: FakeSqs) -> None:
        ann = waiting(world, "Ann", 5, assignee=world.agent)
        response = signed_in(world.agent).post(f"{address(ann, 'close')}?queue=mine", {"seen": newest(ann)})
        assert response["Location"] == "/inbox/?queue=mine"
        assert counts(world.agent) == {"unassigned": (0, 0), "mine": (0, 0), "bot": (1, 0), "all": (2, 0)}
        assert ">Closed<" in body(signed_in(world.agent).get("/inbox/?queue=all"))
        factories.make_inbound(ann, "Hello again", received_at=timezone.now())
        assert names(world.agent, "bot") == ["Ann", "Zebra Contact"]

    def test_what_somebody_owned_who_has_left_waits_for_another(self, world: World) -> None:
        waiting(world, "Ann", 5, assignee=world.agent)
        assert names(world.admin, "unassigned") == []
        world.agent.memberships.all().delete()
        assert names(world.admin, "unassigned") == ["Ann"]
        assert counts(world.admin)["unassigned"] == (1, 1)

    def test_a_test_message_is_nobodys_work(self, world: World) -> None:
        Contact.objects.filter(pk=waiting(world, "Ann", 5).contact_id).update(is_test=True)
        assert names(world.agent, "all") == ["Zebra Contact"]
        assert queues.waiting_count(world.agent) == 0

    def test_the_sidebar_counts_who_waits(self, world: World) -> None:
        ann = waiting(world, "Ann", 5)
        client = signed_in(world.agent)

        def badge(client: Any) -> Any:
            return client.get("/").context["sidebar_navigation"][1]["items"][0].get("badge")

        assert badge(client) == 1
        assert badge(signed_in(world.outsider)) is None
        Conversation.objects.filter(pk=ann.pk).update(waiting_since=None)
        assert badge(client) is None

    def test_a_list_of_thousands_is_one_query_and_its_counts_another(
        self, world: World, django_assert_num_queries: Callable[[int], AbstractContextManager[Any]]
    ) -> None:
        make_many(world.channel, 10_000)
        assert world.agent.roles, "which are read once a request"
        with django_assert_num_queries(1):
            rows, has_more = queues.rows(world.agent, queues.QUEUES["unassigned"], 1)
        assert (len(rows), has_more) == (50, True)
        assert rows[0].name == "Contact 9999"
        with django_assert_num_queries(1):
            assert counts(world.agent)["unassigned"] == (10_000, 10_000)

    def test_more_of_it_on_request(self, world: World) -> None:
        make_many(world.channel, 60)
        client = signed_in(world.agent)
        page = body(client.get("/inbox/"))
        assert page.count('class="inbox-row') - page.count("inbox-row-") - page.count("inbox-rows") == 50
        assert "pages=2" in page
        assert "Contact 3<" not in page
        assert "Contact 3<" in body(client.get("/inbox/?pages=2"))

    @pytest.mark.parametrize("query", ["queue=none", "pages=x", "pages=99999999999999999999", "open=x"])
    def test_what_no_page_asks_for_is_no_error(self, query: str, world: World) -> None:
        for path in ("/inbox/", "/inbox/list/", address(world.conversation)):
            assert signed_in(world.agent).get(f"{path}?{query}").status_code == 200

    def test_ops_see_no_inbox(self, world: World) -> None:
        client = signed_in(world.ops)
        assert client.get("/inbox/").status_code == 403
        assert client.get("/inbox/list/").status_code == 403
        assert client.get(address(world.conversation)).status_code == 404


def make_many(channel: Channel, number: int) -> None:
    """So many conversations that wait for staff, the last of them longest."""
    contacts = Contact.objects.bulk_create(
        Contact(channel=channel, platform_id=f"many-{index}", name=f"Contact {index}")
        for index in range(number)
    )
    Conversation.objects.bulk_create(
        Conversation(
            organization=channel.organization,
            contact=contact,
            owner="staff",
            waiting_since=NOW - timedelta(seconds=index),
            last_message_at=NOW,
        )
        for index, contact in enumerate(contacts)
    )
    with connection.cursor() as cursor:  # else they may count as empty, as they once were
        cursor.execute("ANALYZE conversations_contact, conversations_conversation")


class TestUnread:
    def test_opening_a_conversation_reads_it_for_oneself(self, world: World) -> None:
        ann = waiting(world, "Ann", 5)
        unread = 'class="inbox-unread"'
        client = signed_in(world.agent)
        assert unread in body(client.get("/inbox/"))
        client.get(address(ann))
        assert unread not in body(client.get("/inbox/"))
        assert unread in body(signed_in(world.admin).get("/inbox/")), "each member reads for themselves"
        factories.make_handed_over_turn(ann, "One more thing", kind="text")
        assert unread in body(client.get("/inbox/"))

    def test_what_the_bot_answered_is_for_nobody_to_read(self, world: World) -> None:
        page = body(signed_in(world.agent).get("/inbox/?queue=all"))
        assert "Zebra Contact" in page
        assert 'class="inbox-unread"' not in page

    def test_looking_at_older_messages_reads_nothing(self, world: World) -> None:
        newest = Message.objects.latest("pk").pk
        signed_in(world.agent).get(f"{address(world.conversation)}?before={newest}")
        assert not ReadMark.objects.exists()


class TestNews:
    """What a page asks for every other second."""

    def shown(self, page: str, poll: str) -> str:
        return page.split(f'id="{poll}" hx-get="')[1].split('"')[0].replace("&amp;", "&")

    def test_of_a_conversation(self, world: World) -> None:
        client = signed_in(world.agent)
        poll = self.shown(body(client.get(address(world.conversation))), "news")
        assert client.get(poll).status_code == 204
        message = factories.make_inbound(world.conversation, "Anybody there?")
        said = body(client.get(poll))
        assert "Anybody there?" in said
        assert f'name="seen" id="seen" value="{message.pk}" hx-swap-oob="true"' in said
        assert "<textarea" not in said, "what a member is writing stays"
        assert client.get(self.shown(said, "news")).status_code == 204

    def test_a_receipt_is_news(self, world: World) -> None:
        client = signed_in(world.agent)
        poll = self.shown(body(client.get(address(world.conversation))), "news")
        Message.objects.filter(direction="out").update(reached="read")
        assert ">Read</span>" in body(client.get(poll))

    def test_a_colleague_who_takes_it_over_is_news(self, world: World, sqs: FakeSqs) -> None:
        client = signed_in(world.agent)
        poll = self.shown(body(client.get(address(world.conversation))), "news")
        signed_in(world.admin).post(address(world.conversation, "take-over"))
        assert f"{world.admin} answers" in body(client.get(poll))

    def test_of_the_list(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        client = signed_in(world.agent)
        now = timezone.now()
        monkeypatch.setattr(timezone, "now", lambda: now)  # each minute is news, too
        poll = self.shown(body(client.get("/inbox/")), "list-news")
        assert client.get(poll).status_code == 204
        waiting(world, "Ann", 5)
        assert "Ann asks" in body(client.get(poll))


class TestQueries:
    def test_are_as_many_whatever_there_is_in_a_conversation(self, world: World) -> None:
        client = signed_in(world.agent)

        def read(conversation: Conversation) -> list[int]:
            counts = []
            for page in (address(conversation), address(conversation, "news")):
                with CaptureQueriesContext(connection) as found:
                    assert client.get(page).status_code == 200
                counts.append(sum(query["sql"].startswith("SELECT") for query in found))
            return counts

        plain = factories.make_conversation(world.channel)
        turn = factories.make_answered_turn(plain)
        before = read(plain)
        answer = turn.messages.get(direction="out")
        by = {"message": answer, "organization": world.organization, "is_good": True}
        Feedback.objects.create(source="staff", member=world.agent, **by)
        assert read(plain) == before, "feedback"
        factories.make_media(turn, b"%PDF- a file", "application/pdf")
        Note.objects.create(conversation=plain, text="a note", author=world.agent)
        assert read(plain) == before, "a file and a note"
        staffs = waiting(world, "Ann", 5, assignee=world.agent)
        assert read(staffs) == before, "staff have it"
        turn = staffs.turns.get()
        request = LlmRequest.objects.create(turn=turn, last_message=turn.messages.get(direction="in"))
        LlmRequest.objects.filter(pk=request.pk).update(state="completed", text="At nine.")
        Draft.objects.create(turn=turn, request=request)
        assert "At nine." in body(client.get(address(staffs)))
        assert read(staffs) == before, "a draft waits"
        whatsapp = factories.make_conversation(factories.make_channel(world.organization, "whatsapp"))
        factories.make_answered_turn(whatsapp)
        assert "You can answer until" in body(client.get(address(whatsapp)))
        assert read(whatsapp) == before, "the platform has a window"


class TestOwner:
    def test_taking_over_and_returning(self, world: World, sqs: FakeSqs) -> None:
        client = signed_in(world.agent)
        page = body(client.post(address(world.conversation, "take-over"), follow=True))
        assert "You answer this conversation now" in page
        world.conversation.refresh_from_db()
        assert (world.conversation.owner, world.conversation.assignee) == ("staff", world.agent)
        client.post(address(world.conversation, "return-to-bot"), {"seen": newest(world.conversation)})
        world.conversation.refresh_from_db()
        assert (world.conversation.owner, world.conversation.assignee) == ("bot", None)

    @pytest.mark.parametrize("action", ["close", "return-to-bot"])
    def test_nobody_is_done_with_what_they_have_not_read(self, action: str, world: World) -> None:
        client, ann = signed_in(world.agent), waiting(world, "Ann", 5, assignee=world.agent)
        seen = newest(ann)
        assert f'name="seen" value="{seen}"' in body(client.get(address(ann))).split('id="bubbles"')[0]
        factories.make_handed_over_turn(ann, "It hurts a lot now!", kind="text")
        for data in ({"seen": seen, "confirmed": "yes"}, {"confirmed": "yes"}):
            page = body(client.post(address(ann, action), data, follow=True))
            assert "The contact has written meanwhile, so nothing was changed." in page
            assert "It hurts a lot now!" in page
        assert counts(world.agent)["mine"] == (1, 1)

    def test_who_waits_is_returned_only_after_a_question(self, world: World) -> None:
        client, ann = signed_in(world.agent), waiting(world, "Ann", 5)
        page = body(client.post(f"{address(ann, 'return-to-bot')}?queue=mine", {"seen": newest(ann)}))
        assert "Ann waits for an answer by staff." in page
        assert f'href="{address(ann)}?queue=mine"' in page
        assert f'name="seen" value="{newest(ann)}"' in page
        assert counts(world.agent)["unassigned"] == (1, 1)
        client.post(address(ann, "return-to-bot"), {"seen": newest(ann), "confirmed": "yes"})
        assert set(names(world.agent, "bot")) == {"Ann", "Zebra Contact"}

    def test_what_was_closed_is_open_again_when_somebody_takes_it_over(
        self, world: World, sqs: FakeSqs
    ) -> None:
        client, ann = signed_in(world.agent), waiting(world, "Ann", 5)
        client.post(address(ann, "close"), {"seen": newest(ann)})
        assert names(world.agent, "mine") == []
        client.post(address(ann, "take-over"))
        assert names(world.agent, "mine") == ["Ann"]
        assert ">Closed<" not in body(client.get(address(ann)))

    def test_assigning_to_a_colleague(self, world: World, sqs: FakeSqs) -> None:
        client = signed_in(world.agent)
        page = body(client.get(address(world.conversation)))
        assert f'<option value="{world.admin.pk}">' in page
        assert f'<option value="{world.outsider.pk}">' not in page
        client.post(address(world.conversation, "assign"), {"user": world.admin.pk})
        assert names(world.admin, "mine") == ["Zebra Contact"]

    @pytest.mark.parametrize("whom", ["outsider", "ops", "nobody"])
    def test_nobody_else_can_be_its_owner(self, whom: str, world: World) -> None:
        chosen = "" if whom == "nobody" else getattr(world, whom).pk
        response = signed_in(world.agent).post(address(world.conversation, "assign"), {"user": chosen})
        assert response.status_code == 404
        world.conversation.refresh_from_db()
        assert world.conversation.owner == "bot"

    @pytest.mark.parametrize("action", ["take-over", "assign", "return-to-bot", "close", "reply"])
    def test_looking_changes_nothing(self, action: str, world: World) -> None:
        assert signed_in(world.agent).get(address(world.conversation, action)).status_code == 405


class TestReply:
    def send(self, user: User, conversation: Conversation, text: str, seen: int | None = None) -> str:
        """Reply, having seen the messages up to `seen` (None: all), and look at the page that follows."""
        data = {"text": text, "seen": newest(conversation) if seen is None else seen}
        return body(signed_in(user).post(address(conversation, "reply"), data, follow=True))

    def test_it_is_stored_with_its_author_and_queued(
        self, world: World, sqs: FakeSqs, django_capture_on_commit_callbacks: Any
    ) -> None:
        ann = waiting(world, "Ann", 5)
        with django_capture_on_commit_callbacks(execute=True):
            page = self.send(world.agent, ann, "Sam here.")
        assert "Sam here." in page
        message = Message.objects.get(text="Sam here.")
        assert (message.direction, message.purpose, message.state) == ("out", "staff", "pending")
        assert message.author == world.agent
        assert {"message": message.pk} in sqs.bodies(OUTBOUND)
        assert counts(world.agent)["mine"] == (1, 0), "it is theirs now, and waits no more"

    def test_an_empty_one_is_not_sent(self, world: World) -> None:
        assert "Write something first." in self.send(world.agent, world.conversation, "  ")
        assert not Message.objects.filter(purpose="staff").exists()

    def test_the_second_of_two_members_is_told_and_keeps_the_text(self, world: World, sqs: FakeSqs) -> None:
        ann = waiting(world, "Ann", 5)
        seen = Message.objects.filter(conversation=ann).latest("pk").pk
        self.send(world.admin, ann, "The admin answers.", seen)
        page = self.send(world.agent, ann, "The agent answers, too.", seen)
        assert f"{world.admin} answers this conversation, so your text was not sent." in page
        assert "The agent answers, too.</textarea>" in page
        assert "The admin answers." in page
        assert Message.objects.filter(purpose="staff").count() == 1
        signed_in(world.agent).post(address(ann, "take-over"))
        self.send(world.agent, ann, "The agent answers, too.")
        assert Message.objects.filter(purpose="staff").count() == 2

    def test_the_same_one_twice_is_sent_once(self, world: World, sqs: FakeSqs) -> None:
        ann = waiting(world, "Ann", 5)
        seen = newest(ann)
        self.send(world.agent, ann, "Come at nine.", seen)
        page = self.send(world.agent, ann, "Come at nine.", seen)
        assert "You have answered meanwhile. Your text was not sent." in page
        assert Message.objects.filter(purpose="staff").count() == 1
        shown = page.split('name="seen" id="seen" value="')[1].split('"')[0]
        self.send(world.agent, ann, "Bring your card.", int(shown))
        assert Message.objects.filter(purpose="staff").count() == 2

    def test_who_wrote_something_that_it_does_not_answer_waits_on(self, world: World, sqs: FakeSqs) -> None:
        ann = waiting(world, "Ann", 50)
        seen = newest(ann)
        unread_at = NOW - timedelta(minutes=3)
        factories.make_handed_over_turn(ann, "And on Sunday?", at=unread_at, kind="text")
        self.send(world.agent, ann, "We open at nine.", seen)
        assert counts(world.agent)["mine"] == (1, 1)
        ann.refresh_from_db()
        assert ann.waiting_since == unread_at
        self.send(world.agent, ann, "Not on Sunday.")
        assert counts(world.agent)["mine"] == (1, 0)

    def test_an_answer_that_was_not_read_comes_first(self, world: World, sqs: FakeSqs) -> None:
        seen = Message.objects.filter(conversation=world.conversation, direction="in").latest("pk").pk
        page = self.send(world.agent, world.conversation, "Let me see.", seen)
        assert "The bot has answered meanwhile. Your text was not sent." in page
        assert "Let me see.</textarea>" in page
        self.send(world.agent, world.conversation, "Let me see.")
        assert Message.objects.filter(purpose="staff").count() == 1

    @pytest.mark.parametrize(
        ("kind", "limit"), [("telegram", "4096"), ("instagram", "1000"), ("webchat", "10000")]
    )
    def test_the_platforms_limit_is_shown(self, kind: str, limit: str, world: World) -> None:
        Channel.objects.filter(pk=world.channel.pk).update(kind=kind)
        page = body(signed_in(world.agent).get(address(world.conversation)))
        unit = "bytes" if kind == "instagram" else "characters"
        assert f'data-limit="{limit}" data-unit="{unit}"' in page


class TestQuickReplies:
    def test_they_hold_the_contacts_name(self, world: World) -> None:
        factories.make_canned_prompt(
            world.organization, "Greeting", answer="Hello {{ contact.name }}, this is {{organization.name}}."
        )
        page = body(signed_in(world.agent).get(address(world.conversation)))
        assert 'data-text="Hello Zebra Contact, this is Zebra Clinic."' in page


class TestNotes:
    def test_they_stand_among_the_messages_and_are_sent_to_nobody(self, world: World, sqs: FakeSqs) -> None:
        before = Message.objects.count()
        data = {"text": "She is a regular, be kind."}
        page = body(signed_in(world.agent).post(address(world.conversation, "note"), data, follow=True))
        assert "She is a regular, be kind." in page
        assert f"Note by {world.agent}" in page
        assert Message.objects.count() == before
        assert not sqs.queues
        world.conversation.refresh_from_db()
        assert world.conversation.owner == "bot", "a note takes nothing over"

    def test_they_stand_where_they_were_written(self, world: World) -> None:
        note = Note.objects.create(conversation=world.conversation, text="in between")
        later = timezone.now() + timedelta(minutes=1)
        Note.objects.filter(pk=note.pk).update(created_at=later)
        factories.make_inbound(world.conversation, "and then this", received_at=later + timedelta(minutes=1))
        page = body(signed_in(world.agent).get(address(world.conversation))).split('id="bubbles"')[1]
        assert page.index("zebra answer text") < page.index("in between") < page.index("and then this")

    def test_without_words_there_is_none(self, world: World) -> None:
        notes = Note.objects.count()
        page = body(
            signed_in(world.agent).post(address(world.conversation, "note"), {"text": " "}, follow=True)
        )
        assert "A note needs words" in page
        assert Note.objects.count() == notes


class TestLabels:
    def toggle(self, world: World, label: Label) -> int:
        url = address(world.conversation, "label")
        return signed_in(world.agent).post(url, {"label": label.pk}, follow=True).status_code

    def test_on_and_off(self, world: World) -> None:
        urgent = Label.objects.create(organization=world.organization, name="urgent", color="red")
        shown = '<span class="hub-label is-red">urgent</span>'
        self.toggle(world, urgent)
        client = signed_in(world.agent)
        assert shown in body(client.get(address(world.conversation)))
        assert shown in body(client.get("/inbox/?queue=bot"))
        self.toggle(world, urgent)
        assert shown not in body(client.get(address(world.conversation)))

    def test_another_organizations_label_sticks_to_nothing(self, world: World) -> None:
        foreign = Label.objects.get(organization=world.other)
        assert self.toggle(world, foreign) == 404
        assert not foreign.conversations.exists()

    def test_the_list_of_one_label(self, world: World) -> None:
        label = Label.objects.get(organization=world.organization)
        waiting(world, "Ann", 5)
        client = signed_in(world.agent)
        page = body(client.get(f"/inbox/?queue=all&label={label.pk}"))
        assert "Zebra Contact" in page
        assert "Ann" not in page
        assert f"queue=unassigned&amp;label={label.pk}" in page, "the other queues keep it"
        foreign = Label.objects.get(organization=world.other)
        assert "Zebra Contact" not in body(client.get(f"/inbox/?queue=all&label={foreign.pk}"))

    def test_agents_use_them_and_admins_make_them(self, world: World) -> None:
        data = {"organization": world.organization.pk, "name": "billing", "color": "blue"}
        assert signed_in(world.agent).post("/inbox/label/add/", data).status_code == 403
        signed_in(world.admin).post("/inbox/label/add/", data)
        assert Label.objects.get(name="billing").color == "blue"


class TestSuggestion:
    def test_it_is_asked_for_and_put_into_the_box(self, world: World, sqs: FakeSqs) -> None:
        client = signed_in(world.agent)
        asked = body(client.post(address(world.conversation, "suggest")))
        assert "The LLM is asked" in asked
        poll = asked.split('hx-get="')[1].split('"')[0]
        assert "The LLM is asked" in body(client.get(poll))
        Suggestion.objects.filter(asked_by=world.agent).update(
            state="completed", text="It costs 240 €.", objection="It names the price 240 €."
        )
        page = body(client.get(poll))
        assert 'data-suggestion="It costs 240 €."' in page
        assert "The bot would not send this. It names the price 240 €." in page
        assert not Message.objects.filter(text="It costs 240 €.").exists()

    def test_it_says_that_the_contact_has_written_since(self, world: World) -> None:
        suggestion = Suggestion.objects.create(
            turn=world.conversation.turns.get(), asked_by=world.agent, state="completed", text="Yes."
        )
        url = address(world.conversation, f"suggestion/{suggestion.pk}")
        said = "The contact has written since"
        assert said not in body(signed_in(world.agent).get(url))
        factories.make_inbound(world.conversation, "And on Sunday?")
        assert said in body(signed_in(world.agent).get(url))

    def test_only_who_asked_sees_it(self, world: World) -> None:
        suggestion = Suggestion.objects.create(
            turn=world.conversation.turns.get(), asked_by=world.admin, state="completed", text="Yes."
        )
        url = address(world.conversation, f"suggestion/{suggestion.pk}")
        assert signed_in(world.agent).get(url).status_code == 404
        assert 'data-suggestion="Yes."' in body(signed_in(world.admin).get(url))

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"state": "failed"}, "The LLM did not answer."),
            ({"state": "completed"}, "The LLM knows no answer"),
        ],
    )
    def test_no_answer_says_why(self, fields: dict[str, str], said: str, world: World) -> None:
        suggestion = Suggestion.objects.create(
            turn=world.conversation.turns.get(), asked_by=world.agent, **fields
        )
        url = address(world.conversation, f"suggestion/{suggestion.pk}")
        assert said in body(signed_in(world.agent).get(url))


class TestDrafts:
    @pytest.fixture
    def drafted(self, world: World) -> Draft:
        """A draft for the newest turn of a conversation that waits."""
        conversation = waiting(world, "Ann", 5)
        turn = conversation.turns.get()
        request = LlmRequest.objects.create(
            turn=turn,
            last_message=turn.messages.get(direction="in"),
            state="completed",
            text="We open at nine, {{contact.name}}.",
            asked_at=NOW,
        )
        return Draft.objects.create(turn=turn, request=request)

    def act(self, user: User, draft: Draft, action: str, **data: str) -> str:
        conversation = draft.turn.conversation
        client = signed_in(user)
        client.post(address(conversation, f"draft/{draft.pk}/{action}"), data)
        draft.refresh_from_db()
        return unescape(body(client.get(address(conversation))))

    def test_it_stands_above_the_reply_box_and_is_sent_with_one_click(
        self, world: World, drafted: Draft, sqs: FakeSqs, django_capture_on_commit_callbacks: Any
    ) -> None:
        page = body(signed_in(world.agent).get(address(drafted.turn.conversation)))
        assert "We open at nine, Ann.</textarea>" in page
        with django_capture_on_commit_callbacks(execute=True):
            page = self.act(world.agent, drafted, "send", text="We open at nine, Ann.")
        assert "The draft is on its way." in page
        assert "We open at nine, Ann.</textarea>" not in page
        [sent] = Message.objects.filter(purpose="staff", author=world.agent)
        assert (sent.text, drafted.state) == ("We open at nine, Ann.", "sent")
        assert sqs.bodies(OUTBOUND) == [{"message": sent.pk}]

    def test_the_second_reads_who_was_first(self, world: World, drafted: Draft, sqs: FakeSqs) -> None:
        self.act(world.agent, drafted, "send", text="At nine.")
        page = self.act(world.admin, drafted, "send", text="At ten.")
        assert f"{world.agent} has sent this draft already." in page
        assert Message.objects.filter(purpose="staff").count() == 1

    def test_without_words_nothing_leaves(self, world: World, drafted: Draft) -> None:
        assert "The draft has no words any more" in self.act(world.agent, drafted, "send", text="  ")
        assert drafted.state == "waiting"

    def test_it_is_discarded(self, world: World, drafted: Draft) -> None:
        assert "inbox-draft-form" not in self.act(world.agent, drafted, "discard")
        assert (drafted.state, drafted.settled_by) == ("discarded", world.agent)

    def test_a_newer_message_is_said_without_a_reload(self, world: World, drafted: Draft) -> None:
        conversation = drafted.turn.conversation
        factories.make_inbound(conversation, "And on Sunday?")
        news = body(signed_in(world.agent).get(address(conversation, "news")))
        assert "The contact has written since: this draft does not answer it." in news
        page = self.act(world.agent, drafted, "send", text="At nine.")
        assert "so the draft was not sent" in page
        assert drafted.state == "waiting"

    def test_it_is_of_its_own_conversation_only(self, world: World, drafted: Draft) -> None:
        other = waiting(world, "Ben", 5)
        response = signed_in(world.agent).post(address(other, f"draft/{drafted.pk}/send"), {"text": "x"})
        assert response.status_code == 404
