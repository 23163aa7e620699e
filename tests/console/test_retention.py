"""What is older than an organization keeps goes, and nothing that is still needed."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from console.audit.models import Change
from console.channels.models import Channel
from console.conversations.models import (
    Contact,
    Conversation,
    DeadLetter,
    Export,
    LlmRequest,
    Message,
    MessageMedia,
    PlatformEvent,
    Turn,
)
from console.inbox.models import Note, Suggestion
from console.organizations.models import Organization
from console.protection import batches, jobs, purging, retention
from console.protection.models import Purge
from console.workshop.models import Rehearsal
from tests import factories
from tests.console.conftest import body, make_letter, signed_in

KEPT_DAYS = 30
OLD = timedelta(days=KEPT_DAYS + 1)


@pytest.fixture
def organization(db: None) -> Organization:
    return factories.make_organization("zebra", retention_days=KEPT_DAYS)


@pytest.fixture
def channel(organization: Organization) -> Channel:
    return factories.make_channel(organization)


def age(model: Any, field: str, **which: Any) -> None:
    """Make rows as old as is too old."""
    model.objects.filter(**which).update(**{field: timezone.now() - OLD})


def make_old_conversation(channel: Channel, name: str = "Old") -> Conversation:
    """A conversation of which everything is old: a turn with a file, a reply of staff, a note."""
    at = timezone.now() - OLD
    conversation = factories.make_conversation(channel, name)
    turn = factories.make_answered_turn(conversation, f"{name} question", f"{name} answer", at=at)
    factories.make_media(turn, b"file of old", "application/pdf", name="scan.pdf")
    Suggestion.objects.create(turn=turn, text="old suggestion")
    factories.make_outbound(conversation, f"{name} reply", purpose="staff")
    Note.objects.create(conversation=conversation, text="old note")
    age(Message, "stored_at", conversation=conversation)
    age(Note, "created_at", conversation=conversation)
    age(Conversation, "created_at", pk=conversation.pk)
    return conversation


def purge(organization: Organization) -> retention.Counts:
    old = retention.expired(organization, timezone.now())
    assert old is not None
    return retention.purge(old)


def test_what_is_old_goes_with_its_files_and_is_counted_in_the_audit_log(
    organization: Organization, channel: Channel
) -> None:
    make_old_conversation(channel)
    young = factories.make_conversation(channel, "Young")
    factories.make_answered_turn(young)
    Contact.objects.create(channel=channel, platform_id="never-wrote")
    age(Contact, "created_at", platform_id="never-wrote")
    make_letter(organization, body="old letter")
    age(DeadLetter, "stored_at")
    make_letter(organization, body="young letter")
    PlatformEvent.objects.create(
        channel=channel, platform_id="e", kind="reaction", payload="old", received_at=timezone.now()
    )
    age(PlatformEvent, "stored_at")
    tried = {"organization": organization, "is_draft": True, "expires_at": timezone.now(), "question": "old"}
    Rehearsal.objects.create(asked_at=timezone.now() - OLD, **tried)
    export = Export.objects.create(organization=organization)
    export.file.save("old.csv", ContentFile(b"old"))
    age(Export, "created_at")
    files = [str(MessageMedia.objects.get().file), str(export.file)]
    old = retention.expired(organization, timezone.now())
    assert old is not None
    announced = retention.count(old)

    jobs.purge_organization(organization.pk)

    assert list(Contact.objects.values_list("name", flat=True)) == ["Young"]
    assert Message.objects.count() == 2
    for model in (MessageMedia, Note, Suggestion, PlatformEvent, Rehearsal, Export):
        assert not model.objects.exists(), model
    assert [letter.body for letter in DeadLetter.objects.all()] == ["young letter"]
    assert not any(default_storage.exists(name) for name in files)
    change = Change.objects.get()
    assert (change.organization, change.who, change.action) == (organization, "channels-hub", "removed")
    assert change.before == {
        "messages": "3",
        "files": "1",
        "turns": "1",
        "contacts": "2",
        "notes": "1",
        "events": "1",
        "dead letters": "1",
        "rehearsals": "1",
        "exports": "1",
    }
    assert {name: str(number) for name, number in announced.items()} == change.before
    assert change.row.startswith("Older than 30 days. ")
    assert "Messages: 3." in change.row


def _open(conversation: Conversation) -> None:
    factories.make_inbound(conversation, "open", received_at=timezone.now() - OLD)


def _unsent(conversation: Conversation) -> None:
    turn = factories.make_answered_turn(conversation, at=timezone.now() - OLD)
    turn.messages.filter(direction="out").update(state="pending")


def _waited_for(conversation: Conversation) -> None:
    at = timezone.now() - OLD
    factories.make_handed_over_turn(conversation, at=at)
    Conversation.objects.filter(pk=conversation.pk).update(waiting_since=at)


def _reply_of_staff_on_its_way(conversation: Conversation) -> None:
    factories.make_outbound(conversation, purpose="staff", state="pending")


@pytest.mark.parametrize("begin", [_open, _unsent, _waited_for, _reply_of_staff_on_its_way])
def test_what_is_not_done_stays_however_old(begin: Any, organization: Organization, channel: Channel) -> None:
    conversation = factories.make_conversation(channel)
    begin(conversation)
    age(Message, "stored_at")
    age(Conversation, "created_at")
    turns, messages = Turn.objects.count(), Message.objects.count()
    purge(organization)
    assert Conversation.objects.filter(pk=conversation.pk).exists()
    assert (Turn.objects.count(), Message.objects.count()) == (turns, messages)


def test_of_a_conversation_that_goes_on_only_what_is_old_goes(
    organization: Organization, channel: Channel
) -> None:
    conversation = make_old_conversation(channel)
    factories.make_answered_turn(conversation, "young question")
    purge(organization)
    texts = [message.text for message in conversation.messages.all()]
    assert texts == ["young question", "Yes, until six."]
    assert LlmRequest.objects.count() == 1


def test_a_contact_whose_file_was_just_made_stays_with_it_and_goes_with_it(
    organization: Organization, channel: Channel
) -> None:
    conversation = make_old_conversation(channel)
    export = Export.objects.create(organization=organization, contact=conversation.contact)
    export.file.save("contact.zip", ContentFile(b"old"))
    purge(organization)
    assert Export.objects.exists()
    age(Export, "created_at")
    purge(organization)
    assert not Contact.objects.exists()
    assert not default_storage.exists(str(export.file))


def test_who_keeps_everything_loses_nothing(organization: Organization, channel: Channel) -> None:
    make_old_conversation(channel)
    Organization.objects.update(retention_days=None)
    jobs.purge_organization(organization.pk)
    assert Message.objects.count() == 3
    assert not Change.objects.exists()


def test_nothing_of_another_organization_goes(organization: Organization) -> None:
    other = factories.make_organization("heron", retention_days=None)
    make_old_conversation(factories.make_channel(other))
    make_letter(other)
    age(DeadLetter, "stored_at")
    assert purge(organization) == {}
    assert Message.objects.count() == 3
    assert DeadLetter.objects.count() == 1


def test_batches_are_small_and_end(
    organization: Organization, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        make_old_conversation(channel, f"Old {number}")
    monkeypatch.setattr(batches, "BATCH_SIZE", 2)
    seen: list[retention.Counts] = []
    old = retention.expired(organization, timezone.now())
    assert old is not None
    retention.purge(old, seen.append)
    assert [counts["turns"] for counts in seen if counts["turns"]] == [2, 2, 1]
    assert not Contact.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_conversation_that_a_handler_works_on_is_left_to_the_next_day(
    organization: Organization, channel: Channel
) -> None:
    make_old_conversation(channel)
    handler = connection.copy()
    handler.set_autocommit(False)
    with handler.cursor() as cursor:
        cursor.execute("SELECT id FROM conversations_conversation FOR UPDATE")
    assert purge(organization) == {"notes": 1}
    assert Message.objects.count() == 3
    handler.close()
    purge(organization)
    assert not Contact.objects.exists()


def test_the_command_says_what_it_would_do_and_does_it(organization: Organization, channel: Channel) -> None:
    make_old_conversation(channel)
    factories.make_organization("heron", retention_days=None)

    def said(*arguments: str) -> str:
        out = io.StringIO()
        call_command("purge", *arguments, stdout=out)
        return out.getvalue()

    assert said("--dry-run").splitlines()[0] == "heron: keeps everything"
    assert "zebra: would delete 3 messages, 1 files, 1 turns, 1 contacts, 1 notes" in said("--dry-run")
    assert Message.objects.count() == 3
    assert said("--organization", "zebra").startswith("zebra: deleted ")
    assert not Message.objects.exists()


class TestRow:
    """What admins and ops see of a purge."""

    PAGE = "/protection/purge/"

    def test_says_how_far_it_is_and_then_what_it_deleted(
        self, organization: Organization, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(4):
            make_old_conversation(channel, f"Old {number}")
        monkeypatch.setattr(batches, "BATCH_SIZE", 1)
        clients = [
            signed_in(factories.make_member(organization)),
            signed_in(factories.make_user(is_ops=True)),
        ]
        assert [client.get(self.PAGE).status_code for client in clients] == [200, 200]
        seen: list[int] = []

        def look(purge: Purge) -> None:
            if not seen:
                for page in (body(client.get(self.PAGE)) for client in clients):
                    assert "this page looks again by itself" in page
                    assert f'value="{purge.percent}"' in page
            seen.append(purge.percent)

        purging.run(organization, look)
        assert 0 < seen[0] < 50
        assert seen == sorted(seen)
        assert seen[-1] == 100
        for page in (body(client.get(self.PAGE)) for client in clients):
            assert "looks again" not in page
            assert "Messages: 12." in page
            assert "Contacts: 4." in page
        purging.run(organization)
        assert "Nothing was old enough." in body(clients[0].get(self.PAGE)), "it is of the newest time"

    def test_is_no_business_of_agents_and_others(self, organization: Organization, channel: Channel) -> None:
        make_old_conversation(channel)
        purging.run(organization)
        agent = factories.make_member(organization, "agent")
        assert signed_in(agent).get(self.PAGE).status_code == 403
        outsider = factories.make_member(factories.make_organization("heron"))
        assert "Messages: " not in body(signed_in(outsider).get(self.PAGE))

    def test_one_that_was_interrupted_goes_on_once_a_worker_starts(
        self, organization: Organization, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(3):
            make_old_conversation(channel, f"Old {number}")
        monkeypatch.setattr(batches, "BATCH_SIZE", 1)

        def kill(purge: Purge) -> None:
            if "turns" in purge.deleted:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            purging.run(organization, kill)
        assert Message.objects.exists()
        assert not Change.objects.exists()
        monkeypatch.setattr(jobs.purge_organization, "delay", jobs.purge_organization)
        jobs.resume()
        purge = Purge.objects.get()
        assert (purge.state, purge.percent, purge.deleted["messages"]) == ("done", 100, 9)
        assert Change.objects.get().before["messages"] == "9", "all of it, once"

    def test_a_failure_is_said_and_the_next_night_begins_anew(
        self, organization: Organization, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_old_conversation(channel)

        def fail(purge: Purge) -> None:
            if "notes" in purge.deleted:
                raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            purging.run(organization, fail)
        page = body(signed_in(factories.make_member(organization)).get(self.PAGE))
        assert "Some of it is left. It is tried again each day." in page
        queued: list[int] = []
        monkeypatch.setattr(jobs.purge_organization, "delay", queued.append)
        jobs.purge()
        assert queued == [organization.pk]
        jobs.purge_organization(organization.pk)
        purge = Purge.objects.get()
        assert (purge.state, purge.deleted) == ("done", {"notes": 1, "contacts": 1})
        noted = [change.before for change in Change.objects.order_by("pk")]
        assert noted[0] == {"turns": "1", "messages": "3", "files": "1"}, "what was deleted before it failed"
        assert noted[1] == {"notes": "1", "contacts": "1"}

    def test_is_not_queued_twice_in_a_night(
        self, organization: Organization, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Purge.objects.create(organization=organization, began_at=timezone.now())
        queued: list[int] = []
        monkeypatch.setattr(jobs.purge_organization, "delay", queued.append)
        jobs.purge()
        assert queued == [organization.pk]
        Organization.objects.update(retention_days=None)
        jobs.purge_organization(organization.pk)
        assert Purge.objects.get().state == "done", "who keeps everything since waits for nothing"
