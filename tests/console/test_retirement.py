"""An organization leaves: stopped, exported, erased, with nothing left."""

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils import timezone
from pytest_django import Settings

from console.audit.models import Change
from console.channels.models import Channel
from console.conversations import jobs as export_jobs
from console.conversations.models import DeadLetter, Export
from console.organizations.models import Invitation, Member, Organization, User
from console.protection import batches, jobs, relations, retiring
from console.protection.models import Erasure, Retirement
from console.signin.models import FailedAttempt
from hub_lambdas import inbound, inbox, media, queues, replies
from hub_lambdas.channels.base import InboundMessage, Sender
from tests import factories
from tests.console.conftest import TOKEN, Semaphore, World, body, everything_stored, make_letter, signed_in
from tests.fakes.sqs import FakeSqs

PAGE = "/retirement/zebra-clinic/"


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What was put on the queue of console jobs."""
    sent: list[tuple[str, int]] = []
    for job in (export_jobs.make_export, jobs.erase_contact, jobs.retire):
        monkeypatch.setattr(job, "delay", lambda key, name=job.name: sent.append((name, key)))
    return sent


@pytest.fixture
def files(settings: Settings, tmp_path: Path) -> Path:
    """The storage, with nothing of other tests in it."""
    options = {"location": str(tmp_path)}
    default = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    return tmp_path


def begin(world: World) -> Retirement:
    return Retirement.objects.create(organization=world.organization, requested_by=world.ops)


def stopped(world: World) -> Retirement:
    retirement = begin(world)
    jobs.retire(retirement.pk)
    retirement.refresh_from_db()
    assert retirement.state == Retirement.State.STOPPED
    return retirement


def erase(retirement: Retirement) -> None:
    Retirement.objects.filter(pk=retirement.pk).update(state=Retirement.State.ERASING)
    jobs.retire(retirement.pk)


def on_semaphore(world: World, **credentials: str) -> None:
    Channel.objects.filter(pk=world.channel.pk).update(kind="semaphore")
    world.channel.refresh_from_db()
    world.channel.credentials = {"token": "right", **credentials}
    world.channel.save()


def test_step_one_stops_disconnects_and_exports(world: World, semaphore: Semaphore, sqs: FakeSqs) -> None:
    on_semaphore(world)
    retirement = stopped(world)
    world.organization.refresh_from_db()
    world.channel.refresh_from_db()
    assert not world.organization.is_active
    assert world.channel.status == Channel.Status.RETIRED
    assert semaphore.unregistered == [f"{settings.WEBHOOK_URL}/semaphore/{world.channel.pk}"]
    assert not Invitation.objects.filter(organization=world.organization).exists()
    export = retirement.export
    assert export is not None
    assert (export.state, export.percent, retirement.problems) == ("done", 100, [])
    with export.file.open() as file:
        archive = zipfile.ZipFile(io.BytesIO(file.read()))
    tables = {name: archive.read(name).decode() for name in archive.namelist()}
    everything = "".join(tables.values())
    markers = [*world.settings_markers, *world.text_markers]
    gone = ("zebra-export-file", "zebra-guest@example.com", "zebra letter text", "zebra cause", "@zebra_bot")
    assert [marker for marker in markers if marker not in everything and marker not in gone] == []
    assert not any(secret in everything for secret in world.secret_markers)
    assert "heron" not in everything
    assert tables["organization.yaml"].startswith("slug: zebra-clinic")
    rows = json.loads(tables["contents.json"])["rows"]
    assert rows == {name: text.count("\n") for name, text in tables.items() if name.endswith(".jsonl")}


def test_it_is_stopped_only_when_its_file_is_made(
    world: World, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    retirement, later = begin(world), []
    monkeypatch.setattr(jobs.retire, "apply_async", lambda *said, **more: later.append((said, more)))
    with monkeypatch.context() as busy:
        busy.setattr(jobs, "make_export", lambda key: None)  # another worker is at it
        jobs.retire(retirement.pk)
    retirement.refresh_from_db()
    assert (retirement.state, later) == ("exporting", [(([retirement.pk],), {"countdown": 60})])
    jobs.retire(retirement.pk)
    retirement.refresh_from_db()
    assert (retirement.state, len(later)) == ("stopped", 1)


def test_its_file_outlives_retention_and_is_made_anew_after_an_erasure(
    world: World, sqs: FakeSqs, queued: list[tuple[str, int]]
) -> None:
    retirement = stopped(world)
    Organization.objects.filter(pk=world.organization.pk).update(retention_days=1)
    Export.objects.update(created_at=timezone.now() - timedelta(days=2))
    jobs.purge_organization(world.organization.pk)
    assert list(Export.objects.filter(organization=world.organization)) == [retirement.export]
    contact = world.conversation.contact
    jobs.erase_contact(Erasure.objects.create(organization=world.organization, contact=contact).pk)
    assert queued == [("retire", retirement.pk)]
    jobs.retire(retirement.pk)
    made = Retirement.objects.get()
    assert made.export is not None
    assert (made.state, made.export.state, made.export == retirement.export) == ("stopped", "done", False)


def test_what_a_platform_does_not_take_is_said(world: World, semaphore: Semaphore, sqs: FakeSqs) -> None:
    on_semaphore(world, token="wrong")
    assert stopped(world).problems == [
        "Zebra Line: The platform does not accept the token: enter the right one."
    ]
    assert "does not accept the token" in body(signed_in(world.ops).get(PAGE))


def test_a_business_account_that_another_channel_needs_stays_subscribed(
    world: World, semaphore: Semaphore, sqs: FakeSqs
) -> None:
    on_semaphore(world)
    factories.make_channel(world.other, "semaphore", parent_address="waba")
    Channel.objects.filter(pk=world.channel.pk).update(parent_address="waba")
    stopped(world)
    assert semaphore.unregistered == []
    world.channel.refresh_from_db()
    assert world.channel.status == Channel.Status.RETIRED


def leave_traces(world: World) -> None:
    """What no table of the organization's own holds."""
    key = {"object_id": str(world.channel.pk), "content_type": ContentType.objects.get_for_model(Channel)}
    LogEntry.objects.create(user=world.ops, object_repr="Zebra Line", action_flag=2, **key)
    FailedAttempt.objects.create(account=world.agent.email, address="192.0.2.1")
    Change.objects.create(
        who=world.agent.email, user=world.agent, action="changed", thing="user", row="zebra"
    )
    make_letter(None, queue=queues.INBOUND, body=f'{{"channel":"{world.channel.pk}","text":"zebra"}}')
    make_letter(None, body='{"id":"1","organization":"zebra-clinic","text":"zebra"}')


def test_nothing_is_left_in_any_table_or_file(files: Path, world: World, sqs: FakeSqs) -> None:
    leave_traces(world)
    retirement = stopped(world)
    traces = ["zebra", "Zebra", TOKEN, str(world.channel.pk)]
    assert any(path.is_file() and b"zebra" in path.read_bytes() for path in files.rglob("*"))
    (files / "media" / "zebra-clinic" / "of-no-row").write_bytes(b"zebra")

    erase(retirement)

    stored = everything_stored()
    line = Change.objects.get(thing="organization", action="removed")
    assert (line.organization, line.who, line.row) == (None, world.ops.email, "Zebra Clinic (zebra-clinic)")
    left = [row for row in stored.splitlines() if any(trace in row for trace in traces)]
    assert len(left) == 1, left
    assert left[0].startswith("audit_change ")
    for model in apps.get_models():
        if hasattr(model, "organization_lookup"):
            rows = model._default_manager.filter(**{model.organization_lookup: retirement.organization_id})
            assert not rows.exists(), model
    assert not any("zebra" in path.name for path in files.rglob("*"))
    left_files = [path for path in files.rglob("*") if path.is_file()]
    assert left_files  # of the other organization
    assert not any(b"zebra" in path.read_bytes() for path in left_files)
    assert "heron message text" in stored
    assert User.objects.filter(pk__in=[world.outsider.pk, world.ops.pk]).count() == 2


def test_a_file_that_is_stored_while_its_folder_is_deleted_goes_too(
    world: World, files: Path, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    retirement, folder = stopped(world), media.folder(world.organization.slug)
    default_storage.save(f"{folder}/early", ContentFile(b"zebra"))
    listdir, late = FileSystemStorage.listdir, [f"{folder}/late"]

    def list_and_store(storage: FileSystemStorage, path: str) -> Any:
        found = listdir(storage, path)
        if late:
            storage.save(late.pop(), ContentFile(b"zebra"))
        return found

    monkeypatch.setattr(FileSystemStorage, "listdir", list_and_store)
    erase(retirement)
    assert late == []
    assert not (files / folder).exists()


def test_who_is_elsewhere_too_keeps_their_account(world: World, files: Path, sqs: FakeSqs) -> None:
    Member.objects.create(organization=world.other, user=world.agent, role="agent")
    erase(stopped(world))
    assert User.objects.filter(pk=world.agent.pk).exists()
    assert not User.objects.filter(pk=world.admin.pk).exists()


def test_a_worker_that_dies_is_gone_on_from(
    world: World, sqs: FakeSqs, queued: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1)
    retirement, delete, calls = stopped(world), retiring._delete, []

    def die(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        delete(*arguments)

    monkeypatch.setattr(retiring, "_delete", die)
    with pytest.raises(KeyboardInterrupt):
        erase(retirement)
    retirement.refresh_from_db()
    assert (retirement.rows_done, retirement.state) == (4, "erasing")
    assert 0 < retirement.percent < 100
    jobs.resume()  # as a worker does when it starts
    assert ("retire", retirement.pk) in queued
    jobs.retire(retirement.pk)
    assert not Organization.objects.filter(pk=world.organization.pk).exists()


def test_a_failure_is_tried_again(world: World, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> None:
    retirement, delete, calls = stopped(world), retiring._delete, []
    Retirement.objects.filter(pk=retirement.pk).update(state=Retirement.State.ERASING)

    def fail_once(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            raise OSError("the storage is away")
        delete(*arguments)

    monkeypatch.setattr(retiring, "_delete", fail_once)
    jobs.retire.apply(args=[retirement.pk])  # as a worker does
    assert len(calls) > 1
    assert not Organization.objects.filter(pk=world.organization.pk).exists()


def test_the_page_leads_through_both_steps(
    world: World, sqs: FakeSqs, queued: list[tuple[str, int]], django_capture_on_commit_callbacks: Any
) -> None:
    client = signed_in(world.ops)
    assert "Stop and export…" in body(client.get(PAGE))
    assert "Stop Zebra Clinic?" in body(client.post(PAGE, {"step": "begin"}))
    assert not Retirement.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(PAGE, {"step": "begin", "confirmed": "yes"})
    retirement = Retirement.objects.get()
    assert queued == [("retire", retirement.pk)]
    page = body(client.get(PAGE))
    assert 'data-live="2000"' in page
    assert "It is being stopped" in page
    jobs.retire(retirement.pk)
    page = body(client.get(PAGE))
    assert "admins find it under Exports" in page  # ops read no messages
    assert "Download everything" in body(signed_in(world.admin).get(PAGE))
    client.post(PAGE, {"step": "erase", "name": "zebra clinic"})
    assert "not the name of the organization" in body(client.get(PAGE))
    with django_capture_on_commit_callbacks(execute=True):
        client.post(PAGE, {"step": "erase", "name": "Zebra Clinic"})
        client.post(PAGE, {"step": "erase", "name": "Zebra Clinic"})  # twice is once
    assert queued[1:] == [("retire", retirement.pk)]
    assert "It is being erased" in body(client.get(PAGE))
    jobs.retire(retirement.pk)
    assert "Nothing else is left of it." in body(client.get(PAGE))
    assert signed_in(world.outsider).get(PAGE).status_code == 404


def test_it_can_be_put_back_before_it_is_erased(world: World, sqs: FakeSqs) -> None:
    stopped(world)
    signed_in(world.admin).post(PAGE, {"step": "put-back"})
    world.organization.refresh_from_db()
    assert world.organization.is_active
    assert not Retirement.objects.exists()
    assert Export.objects.filter(organization=world.organization, format="zip").exists()


def test_an_agent_sees_no_such_page(world: World) -> None:
    assert signed_in(world.agent).get(PAGE).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_what_is_still_on_the_queues_is_let_go(world: World, sqs: FakeSqs) -> None:
    """Nothing of it comes back as a dead letter either."""
    request = world.conversation.turns.get().requests.get()
    said = InboundMessage(Sender("zebra-late"), "m-late", "text", "zebra too late", None, "{}")
    late = inbox.encode(world.channel.pk, timezone.now(), said)
    erase(stopped(world))
    reply = {"id": str(request.pk), "status": "completed", "text": "zebra"}
    for queue, handler, message in (
        (queues.INBOUND, inbound.handler, late),
        (queues.LLM_REPLIES, replies.handler, reply),
    ):
        event = {"Records": [record(queue, message)]}
        assert handler(event, None) == {"batchItemFailures": []}
    assert not DeadLetter.objects.filter(body__contains="zebra").exists()


def record(queue: str, message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": "1",
        "body": queues.encode(message),
        "receiptHandle": "r",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
        "attributes": {"ApproximateReceiveCount": "5", "MessageGroupId": "g"},
    }


def test_rows_are_deleted_before_what_they_hold_on_to() -> None:
    ordered = relations.children_first(relations.tenant_models())
    names = [model.__name__ for model in ordered]
    for child, parent in (("LlmRequest", "Message"), ("Message", "Turn"), ("Contact", "Channel")):
        assert names.index(child) < names.index(parent)
    assert names[-1] == "Organization"
