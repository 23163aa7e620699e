"""Exports: requested, made by the job, downloaded."""

import csv
import io
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from console.conversations import export_file, jobs
from console.conversations.models import Export, Message
from tests import factories
from tests.console.conftest import World, body, in_s3, signed_in


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was put on the queue of console jobs."""
    sent: list[int] = []
    monkeypatch.setattr(jobs.make_export, "delay", sent.append)
    return sent


def request_export(world: World, export_format: str = "csv") -> Export:
    return Export.objects.create(organization=world.organization, format=export_format)


def again(world: World) -> str:
    return f"/conversations/export/add/?organization={world.organization.pk}&amp;format=csv"


def test_a_file_is_requested_made_and_downloaded(
    world: World, queued: list[int], django_capture_on_commit_callbacks: object
) -> None:
    client = signed_in(world.admin)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        client.post("/conversations/export/add/", {"organization": world.organization.pk, "format": "csv"})
    export = Export.objects.get(pk=queued[0])
    assert export.requested_by == world.admin
    assert "looks again by itself" in body(client.get("/conversations/export/"))
    jobs.make_export(export.pk)
    export.refresh_from_db()
    assert (export.state, export.messages_count) == ("done", 2)
    assert "looks again by itself" not in body(client.get("/conversations/export/"))
    response = client.get(f"/conversations/export/{export.pk}/download/")
    assert response["Content-Disposition"].startswith('attachment; filename="zebra-clinic-')
    content = body(response).split("\n", 1)[1]
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [row["text"] for row in rows] == ["zebra message text", "zebra answer text"]
    assert rows[0]["outcome"] == "answered"
    assert "heron" not in content


def test_in_s3_it_lies_behind_an_address_for_minutes(world: World, settings: Settings) -> None:
    export = request_export(world, "jsonl")
    jobs.make_export(export.pk)
    export.refresh_from_db()
    settings.STORAGES = in_s3(settings)
    response = signed_in(world.admin).get(f"/conversations/export/{export.pk}/download/")
    assert response.status_code == 302
    address = urlsplit(response["Location"])
    assert address.path == f"/files/{export.file.name}"
    given = dict(parse_qsl(address.query))
    assert given["response-content-type"] == "application/x-ndjson"
    name = export.file.name.removeprefix("exports/")
    assert given["response-content-disposition"] == f'attachment; filename="{name}"'


def test_json_lines_hold_any_text(world: World) -> None:
    for text in ("مرحبا", "two\nlines", "NUL \x00 and \ud800", '{"a": 1}'):
        factories.make_outbound(world.conversation, text)
    export = request_export(world, "jsonl")
    jobs.make_export(export.pk)
    export.refresh_from_db()
    with export.file.open() as file:
        texts = [json.loads(line)["text"] for line in file.read().decode().splitlines()]
    assert texts[2:] == ["مرحبا", "two\nlines", "NUL \ufffd and \ufffd", '{"a": 1}']


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str, world: World) -> None:
    factories.make_outbound(world.conversation, text)
    file = io.StringIO(newline="")
    export_file.write(request_export(world), file)
    rows = list(csv.DictReader(io.StringIO(file.getvalue(), newline="")))
    assert rows[-1]["text"] == f"'{text}"


@pytest.mark.parametrize("export_format", ["csv", "jsonl"])
def test_the_list_says_how_far_a_file_is(
    export_format: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = request_export(world, export_format)
    client = signed_in(world.admin)
    bars: list[str] = []
    written = export_file._row

    def look(message: Message) -> dict[str, Any]:
        bars.append(body(client.get("/conversations/export/")))
        return written(message)

    monkeypatch.setattr(export_file, "CHUNK", 1)
    monkeypatch.setattr(export_file, "_row", look)
    jobs.make_export(export.pk)
    assert len(bars) == 2
    for page, percent in zip(bars, (0, 50), strict=True):
        assert f'<progress max="100" value="{percent}" aria-label="Progress">' in page


def test_running_twice_makes_one_file(world: World) -> None:
    export = request_export(world)
    jobs.make_export(export.pk)
    export.refresh_from_db()
    first = export.file.name
    jobs.make_export(export.pk)
    Export.objects.filter(pk=export.pk).update(state="running")  # as a worker leaves it that is killed
    jobs.make_export(export.pk)
    export.refresh_from_db()
    assert export.file.name == first
    made = [name for name in default_storage.listdir("exports")[1] if name.endswith(f"-{export.pk}.csv")]
    assert len(made) == 1


def test_a_job_for_a_row_that_is_gone_does_nothing(db: None) -> None:
    jobs.make_export(987_654)


def test_a_failure_is_a_state_not_a_crash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    export = request_export(world)

    def fail(*_: object) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(export_file, "write", fail)
    jobs.make_export(export.pk)
    export.refresh_from_db()
    assert export.state == "failed"
    page = body(signed_in(world.admin).get("/conversations/export/"))
    assert "The file could not be made." in page
    assert again(world) in page


def test_a_queue_that_is_away_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: object
) -> None:
    from kombu.exceptions import OperationalError

    def refuse(_: int) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(jobs.make_export, "delay", refuse)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        data = {"organization": world.organization.pk, "format": "csv"}
        signed_in(world.admin).post("/conversations/export/add/", data)
    assert Export.objects.filter(organization=world.organization, state="failed").exists()


@pytest.mark.parametrize("state", ["waiting", "running"])
def test_a_lost_job_is_a_failure_to_be_requested_again(state: str, world: World) -> None:
    client = signed_in(world.admin)
    export = request_export(world)
    Export.objects.filter(pk=export.pk).update(state=state)
    assert "looks again by itself" in body(client.get("/conversations/export/"))
    Export.objects.filter(pk=export.pk).update(created_at=timezone.now() - timedelta(minutes=61))
    page = body(client.get("/conversations/export/"))
    assert "Its job was lost." in page
    assert "Failed" in page
    assert "looks again by itself" not in page
    assert again(world) in page
    form = client.get("/conversations/export/add/?format=jsonl")
    assert '<option value="jsonl" selected>' in body(form)


@pytest.mark.parametrize(
    ("asked", "part", "said"),
    [
        ("bytes=0-4", b"zebra", "bytes 0-4/18"),
        ("bytes=14-", b"text", "bytes 14-17/18"),
        ("bytes=-4", b"text", "bytes 14-17/18"),
        ("bytes=6-999", b"message text", "bytes 6-17/18"),
    ],
)
def test_a_download_goes_on_where_it_broke_off(asked: str, part: bytes, said: str, world: World) -> None:
    client, address = signed_in(world.admin), f"/conversations/export/{world.export.pk}/download/"
    whole = client.get(address)
    assert b"".join(whole.streaming_content) == b"zebra message text"
    assert (whole.status_code, whole["Accept-Ranges"]) == (200, "bytes")
    headers = {"range": asked, "if-range": whole["ETag"]}
    response = client.get(address, headers=headers)
    assert (response.status_code, response["Content-Range"]) == (206, said)
    assert response["Content-Length"] == str(len(part))
    assert b"".join(response.streaming_content) == part
    assert response["Content-Disposition"] == whole["Content-Disposition"]


def test_what_is_not_there_is_refused_and_what_has_changed_sent_whole(world: World) -> None:
    client, address = signed_in(world.admin), f"/conversations/export/{world.export.pk}/download/"
    beyond = client.get(address, headers={"range": "bytes=18-"})
    assert (beyond.status_code, beyond["Content-Range"]) == (416, "bytes */18")
    for headers in (
        {"range": "bytes=0-4", "if-range": '"older"'},
        {"range": "bytes=0-1,4-5"},
        {"range": "x"},
    ):
        response = client.get(address, headers=headers)
        assert (response.status_code, b"".join(response.streaming_content)) == (200, b"zebra message text")
