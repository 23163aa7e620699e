"""A contact's rights: a file of all there is of them, and that nothing of them is kept."""

import io
import json
import zipfile
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.utils import timezone

from console.audit.models import Change
from console.conversations import jobs as export_jobs
from console.conversations.models import (
    Contact,
    Conversation,
    DeadLetter,
    Export,
    Message,
    PlatformEvent,
    Turn,
)
from console.conversations.report import Scope, report
from console.feedback.models import Feedback
from console.inbox.models import Draft, Label, Note
from console.protection import batches, erasing, jobs
from console.protection.models import Erasure
from hub_lambdas import intake, queues, staff
from hub_lambdas.channels.base import InboundMessage, Sender
from tests import factories
from tests.console.conftest import TOKEN, World, body, everything_stored, make_letter, signed_in
from tests.fakes.sqs import FakeSqs


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was put on the queue of console jobs."""
    sent: list[int] = []
    for job in (export_jobs.make_export, jobs.erase_contact):
        monkeypatch.setattr(job, "delay", sent.append)
    return sent


def fill(world: World) -> Contact:
    """Give the contact of the world something in every place, with "zebra" in all that is theirs."""
    contact = world.conversation.contact
    contact.alias = "zebra-alias"
    contact.save()
    make_letter(
        None,
        queue=queues.INBOUND,
        body=json.dumps({"channel": str(world.channel.pk), "text": "zebra letter", "from": "zebra-alias"}),
    )
    make_letter(
        world.organization,
        body="zebra question",
        turn=world.conversation.turns.get(),
    )
    for number, name in enumerate(("contact_platform_id", "message_platform_id")):
        known = contact.platform_id if number == 0 else world.conversation.messages.latest("pk").platform_id
        PlatformEvent.objects.create(
            channel=world.channel,
            platform_id=f"event-{number}",
            kind="receipt",
            payload="zebra event",
            received_at=timezone.now(),
            **{name: known},
        )
    Change.objects.create(
        organization=world.organization,
        who="zebra-admin@example.com",
        action="changed",
        thing="contact",
        row="zebra-alias",
        row_key="1",
        before={"platform_id": "zebra-alias"},
    )
    return contact


def request_erasure(world: World) -> Erasure:
    return Erasure.objects.create(organization=world.organization, contact=world.conversation.contact)


def erasures(world: World) -> QuerySet[Erasure]:
    return Erasure.objects.filter(contact=world.conversation.contact_id)


def test_nothing_of_an_erased_contact_is_left_in_any_table_or_file(world: World) -> None:
    contact = fill(world)
    known = [contact.platform_id, "zebra-alias", "Zebra Contact", "zebra message text", "zebra answer text"]
    known += [
        "zebra note text",
        "zebra suggestion",
        "zebra letter",
        "zebra question",
        "zebra event",
        "zebra-attachment",
    ]
    known += [str(each.platform_id) for each in world.conversation.messages.all()]
    stored = everything_stored()
    assert [each for each in known if each not in stored] == []
    file = str(world.conversation.messages.exclude(media=None).get().media.get().file)
    assert default_storage.exists(file)

    jobs.erase_contact(request_erasure(world).pk)

    stored = everything_stored()
    assert [each for each in known if each in stored] == []
    assert not default_storage.exists(file)
    assert not default_storage.exists(str(world.export.file))
    assert erasures(world).get().state == "done"
    letters = DeadLetter.objects.order_by("pk")
    assert [(letter.state, letter.body) for letter in letters] == [("discarded", "{}")] * 2
    assert Label.objects.filter(organization=world.organization).exists()
    assert "heron message text" in stored


def test_the_proof_counts_as_before(world: World) -> None:
    factories.make_handed_over_turn(world.conversation, "zebra photo")
    answer = world.conversation.messages.get(text="zebra answer text")
    Feedback.objects.create(organization=world.organization, message=answer, source="contact", is_good=True)
    before = report(Scope([world.organization.pk])).total
    jobs.erase_contact(request_erasure(world).pk)
    assert report(Scope([world.organization.pk])).total == before
    assert Feedback.objects.filter(is_good=True).count() == 1


def test_who_writes_again_is_somebody_new(world: World, sqs: FakeSqs) -> None:
    contact = world.conversation.contact
    jobs.erase_contact(request_erasure(world).pk)
    again = InboundMessage(
        Sender(contact.platform_id, "Zebra Contact"), "m-9", "text", "It is me", None, "{}"
    )
    intake.store(world.channel.pk, timezone.now(), again)
    new = Contact.objects.get(channel=world.channel, platform_id=contact.platform_id)
    assert new.pk != contact.pk
    assert [message.text for message in new.conversation.messages.all()] == ["It is me"]
    assert Turn.objects.get(conversation=new.conversation).state in Turn.UNSETTLED


def test_who_is_erased_while_their_message_waits_for_the_lock_begins_anew(
    world: World, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact, known = world.conversation.contact, intake._known_contact
    erasure = request_erasure(world)

    def erase_meanwhile(*asked: Any) -> Contact | None:
        found = known(*asked)
        erasing.begin(erasure)
        return found

    monkeypatch.setattr(intake, "_known_contact", erase_meanwhile)
    sender = Sender(contact.platform_id, "Zebra Again")
    said = InboundMessage(sender, "m-9", "text", "It is me", None, "{}")
    intake.store(world.channel.pk, timezone.now(), said)
    new = Contact.objects.get(channel=world.channel, platform_id=contact.platform_id)
    assert [message.text for message in new.conversation.messages.all()] == ["It is me"]
    contact.refresh_from_db()
    assert (contact.name, contact.conversation.messages.filter(text="It is me").exists()) == ("", False)


def test_members_write_nothing_into_what_was_erased(world: World) -> None:
    draft = Draft.objects.get(turn__conversation=world.conversation)
    Draft.objects.filter(pk=draft.pk).update(state=Draft.State.WAITING)
    erasing.begin(request_erasure(world))
    client, here = signed_in(world.agent), f"/inbox/{world.conversation.pk}/"
    for action in ("reply/", "note/", f"draft/{draft.pk}/send/"):
        assert client.post(here + action, {"text": "zebra"}).status_code == 404, action
    assert client.get(here).status_code == 200
    with pytest.raises(staff.StaffError, match="erased"):  # whose page was asked for before
        staff.reply(world.conversation.pk, world.agent, "zebra")
    draft.refresh_from_db()
    assert draft.state == "discarded"


def test_an_open_turn_gets_its_outcome_and_nothing_is_sent(world: World, sqs: FakeSqs) -> None:
    factories.make_inbound(world.conversation, "zebra open question")
    factories.make_outbound(world.conversation, "zebra reply", purpose="staff", state="pending")
    jobs.erase_contact(request_erasure(world).pk)
    turn = Turn.objects.filter(conversation=world.conversation).latest("pk")
    assert (turn.state, turn.reason) == ("declined", "contact_erased")
    assert Message.objects.latest("pk").state == "cancelled"
    conversation = Conversation.objects.get(pk=world.conversation.pk)
    assert (conversation.owner, conversation.waiting_since) == ("bot", None)


def test_what_is_just_being_sent_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[Any] = []
    monkeypatch.setattr(jobs.erase_contact, "apply_async", lambda *said, **more: later.append((said, more)))
    sending = factories.make_outbound(world.conversation, "zebra reply", purpose="staff", state="sending")
    erasure = request_erasure(world)
    jobs.erase_contact(erasure.pk)
    assert later == [((([erasure.pk]),), {"countdown": 30})]
    assert world.conversation.contact.name == "Zebra Contact"
    Message.objects.filter(pk=sending.pk).update(state="sent")
    jobs.erase_contact(erasure.pk)
    assert erasures(world).get().state == "done"


def test_a_worker_that_dies_in_between_is_gone_on_from(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1)
    contact, erasure = fill(world), request_erasure(world)
    known = contact.platform_id
    empty, calls = erasing._empty, []

    def die(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        empty(*arguments)

    monkeypatch.setattr(erasing, "_empty", die)
    with pytest.raises(KeyboardInterrupt):
        jobs.erase_contact(erasure.pk)
    monkeypatch.setattr(erasing, "_empty", empty)
    jobs.erase_contact(erasure.pk)
    stored = everything_stored()
    assert not any(each in stored for each in (known, "zebra event", "zebra letter", "zebra answer text"))


def test_a_failure_is_said_and_tried_again(
    world: World, queued: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    erasure = request_erasure(world)

    def fail(name: str) -> None:
        raise OSError("the storage is away")

    with monkeypatch.context() as broken:
        broken.setattr(default_storage, "delete", fail)
        jobs.erase_contact(erasure.pk)
    erasure.refresh_from_db()
    assert erasure.state == "failed"
    assert "tried again" in body(signed_in(world.admin).get("/protection/erasure/"))
    jobs.purge()
    assert queued == [erasure.pk]


def test_an_admin_asks_confirms_and_watches(
    world: World, queued: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    client, address = signed_in(world.admin), f"/inbox/{world.conversation.pk}/erase/"
    page = body(client.post(address))
    assert "Erase Zebra Contact for ever?" in page
    assert not erasures(world).exists()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(address, {"confirmed": "yes"})
        client.post(address, {"confirmed": "yes"})  # twice is once
    erasure = erasures(world).get()
    assert queued == [erasure.pk] * 2
    assert "looks again by itself" in body(client.get("/protection/erasure/"))
    jobs.erase_contact(erasure.pk)
    page = body(client.get("/protection/erasure/"))
    assert "looks again by itself" not in page
    assert f"Contact no. {world.conversation.contact.pk} on Zebra Line</a>" in page
    assert Change.objects.filter(thing="erasure", action="added", who=world.admin.email).exists()
    page = body(client.get(f"/inbox/{world.conversation.pk}/"))
    assert "This contact was erased on" in page
    assert 'id="reply-form"' not in page
    assert f"/inbox/{world.conversation.pk}/" not in body(client.get("/inbox/?queue=all"))


@pytest.mark.parametrize("what", ["erase", "export"])
def test_an_agent_does_neither(what: str, world: World) -> None:
    client = signed_in(world.agent)
    assert client.post(f"/inbox/{world.conversation.pk}/{what}/", {"confirmed": "yes"}).status_code == 403
    assert f"/{what}/" not in body(client.get(f"/inbox/{world.conversation.pk}/"))


def test_a_contact_gets_a_file_of_all_there_is_of_them(
    world: World, queued: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    fill(world)
    factories.make_answered_turn(factories.make_conversation(world.channel, "Yak"), "yak question")
    client = signed_in(world.admin)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"/inbox/{world.conversation.pk}/export/")
    assert "Contact: Zebra Contact" in body(client.get("/conversations/export/"))
    export_jobs.make_export(queued[0])
    export = Export.objects.get(pk=queued[0])
    assert (export.state, export.messages_count, export.percent) == ("done", 2, 100)
    response = client.get(f"/conversations/export/{export.pk}/download/")
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    tables = {name: archive.read(name).decode() for name in archive.namelist()}
    texts = [json.loads(line)["text"] for line in tables["message.jsonl"].splitlines()]
    assert texts == ["zebra message text", "zebra answer text"]
    assert json.loads(tables["contact.jsonl"])["name"] == "Zebra Contact"
    assert json.loads(tables["note.jsonl"])["text"] == "zebra note text"
    assert json.loads(tables["labelling.jsonl"])["label_name"] == "zebra label"
    assert "zebra event" in tables["platform-event.jsonl"]
    media = json.loads(tables["message-media.jsonl"])
    assert tables[media["file"]] == "%PDF- zebra file content"
    assert media["file"].endswith("zebra-attachment.pdf")
    everything = str(tables)
    assert "yak question" not in everything
    assert "heron" not in everything
    assert TOKEN not in everything
    assert "channel.jsonl" not in tables


def test_an_erasure_takes_an_export_that_is_being_made_along(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = Export.objects.create(organization=world.organization, format="zip")
    write = export_jobs._write

    def erase_meanwhile(row: Export, file: Any) -> int:
        count = write(row, file)
        jobs.erase_contact(request_erasure(world).pk)
        return count

    monkeypatch.setattr(export_jobs, "_write", erase_meanwhile)
    export_jobs.make_export(export.pk)
    assert not Export.objects.filter(pk=export.pk).exists()
    assert not any(name.endswith(f"-{export.pk}.zip") for name in default_storage.listdir("exports")[1])


def test_notes_are_only_of_the_contact(world: World) -> None:
    other = factories.make_conversation(world.channel, "Yak")
    Note.objects.create(conversation=other, text="yak note")
    world.export.file.save("again.csv", ContentFile(b"x"))
    jobs.erase_contact(request_erasure(world).pk)
    assert [note.text for note in Note.objects.filter(conversation__organization=world.organization)] == [
        "yak note"
    ]
