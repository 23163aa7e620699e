"""Files and names that a message only refers to: fetched beside the answer, kept, shown, taken away."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from console.channels.models import Channel
from console.conversations.models import Contact, Message, MessageMedia, Turn
from console.organizations.models import Organization, Translation
from hub_lambdas import errands, inbound, media, queues, sweep
from hub_lambdas.channels.base import (
    ChannelError,
    CredentialRejected,
    FetchedMedia,
    MediaGone,
    SendUnknown,
)
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.steps import Write, send, wake

PNG = FetchedMedia(b"\x89PNG\r\n\x1a\n and more", "image/png")
pytestmark = pytest.mark.usefixtures("channel")


def store(sqs: FakeSqs, write: Write, **fields: Any) -> None:
    write(**fields)
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0


def run_errands(sqs: FakeSqs, *, times: int = 1) -> int:
    return sqs.run("errands", errands.handler, times=times)


def picture(sqs: FakeSqs, write: Write, *files: str, **fields: Any) -> list[MessageMedia]:
    """A message with files, stored."""
    store(sqs, write, **{"kind": "image", "text": "", "files": files or ("f1",), **fields})
    return list(MessageMedia.objects.order_by("pk"))


def later(minutes: float) -> None:
    """Let time pass since the files were tried."""
    for row in MessageMedia.objects.all():
        passed = timedelta(minutes=minutes)
        tried = row.attempted_at and row.attempted_at - passed
        MessageMedia.objects.filter(pk=row.pk).update(attempted_at=tried, stored_at=row.stored_at - passed)


def stored_files() -> list[str]:
    folder = "media/loft"
    return default_storage.listdir(folder)[1] if default_storage.exists(folder) else []


@pytest.fixture(autouse=True)
def _own_folder(settings: Settings, tmp_path: Any) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }


def test_a_file_is_fetched_after_its_message_is_stored_and_kept(
    sqs: FakeSqs, write: Write, pigeon: Pigeon
) -> None:
    pigeon.files["f1"] = PNG
    (waiting,) = picture(sqs, write)
    assert (waiting.state, waiting.reference, pigeon.fetched) == ("waiting", "f1", [])
    assert sqs.bodies("errands") == [{"media": waiting.pk}]
    assert run_errands(sqs, times=2) == 0
    kept = MessageMedia.objects.get()
    assert (kept.state, kept.media_type, kept.size_bytes) == ("kept", "image/png", len(PNG.content))
    with kept.file.open() as file:
        assert file.read() == PNG.content
    assert str(kept.file).startswith("media/loft/")
    assert pigeon.fetched == ["f1"]
    assert (kept.reference, len(stored_files())) == ("", 1)


def test_every_file_of_an_album_has_its_own_errand(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    names = [f"f{number}" for number in range(12)]
    pigeon.files |= dict.fromkeys(names, PNG)
    pigeon.files["f3"] = MediaGone("It is gone.")
    picture(sqs, write, *names)
    assert len(sqs.bodies("errands")) == 12
    run_errands(sqs)
    states = MessageMedia.objects.order_by("position").values_list("state", flat=True)
    assert list(states) == ["kept"] * 3 + ["failed"] + ["kept"] * 8


def test_a_message_delivered_again_has_its_files_once(sqs: FakeSqs, write: Write) -> None:
    for _ in range(2):
        picture(sqs, write, message_id="m1")
    assert MessageMedia.objects.count() == 1
    assert len(sqs.bodies("errands")) == 1


@pytest.mark.parametrize(
    ("found", "state", "reason"),
    [
        (MediaGone("The pigeon lost it."), "failed", "The pigeon lost it."),
        (FetchedMedia(b"<html>", "text/html"), "refused", "The hub keeps no files of this kind (text/html)."),
        (FetchedMedia(b"<svg/>", "image/svg+xml"), "refused", "keeps no files of this kind (image/svg+xml)."),
        (SendUnknown("It did not answer."), "waiting", "It did not answer."),
        (CredentialRejected("The token is not valid."), "waiting", "The token is not valid."),
    ],
)
def test_what_is_not_kept_says_why(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, found: Any, state: str, reason: str
) -> None:
    pigeon.files["f1"] = found
    picture(sqs, write)
    assert run_errands(sqs) == 0
    row = MessageMedia.objects.get()
    assert (row.state, reason in row.reason) == (state, True)
    assert stored_files() == []
    assert (row.reference == "") is (state != "waiting")
    assert Channel.objects.get().status == "active"


def test_a_file_that_does_not_come_is_tried_again_and_then_given_up(
    sqs: FakeSqs, write: Write, pigeon: Pigeon
) -> None:
    pigeon.files["f1"] = ChannelError("It did not answer.")
    picture(sqs, write)
    run_errands(sqs)
    for minutes in (2, 4, 8, 16):
        assert sweep.handler({}, None)["errands"] == 0, "not before its time"
        later(minutes + 0.1)
        assert sweep.handler({}, None)["errands"] == 1
        run_errands(sqs)
    row = MessageMedia.objects.get()
    assert (row.state, row.reason, row.attempts) == ("failed", "It did not answer.", 5)
    later(1000)
    assert sweep.handler({}, None)["errands"] == 0
    assert len(pigeon.fetched) == 5


def test_an_errand_that_dies_each_time_is_given_up_too(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    pigeon.files["f1"] = MemoryError()
    picture(sqs, write)
    for _ in range(6):
        run_errands(sqs)
        later(60)
        sweep.handler({}, None)
    row = MessageMedia.objects.get()
    assert (row.state, row.reason) == ("failed", "It could not be fetched.")
    assert len(pigeon.fetched) == 5


def test_a_lost_errand_is_found(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    sqs.broken.add("errands")
    pigeon.files["f1"] = PNG
    (row,) = picture(sqs, write)  # the record does not fail: no answer waits for it
    sqs.broken.clear()
    assert sweep.handler({}, None)["errands"] == 0, "the queue may still have it"
    later(1)
    assert sweep.handler({}, None)["errands"] == 1
    run_errands(sqs)
    row.refresh_from_db()
    assert row.state == "kept"


def test_nothing_is_fetched_from_a_channel_that_waits_for_its_repair(sqs: FakeSqs, write: Write) -> None:
    picture(sqs, write)
    later(1)
    Channel.objects.get().hold("The token is not valid.")
    assert media.due(timezone.now(), timezone.now()) == []


def test_the_limit_holds_before_and_after(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, settings: Settings
) -> None:
    settings.MEDIA_MAX_BYTES = 10
    (row,) = picture(sqs, write)
    MessageMedia.objects.filter(pk=row.pk).update(size_bytes=11)
    run_errands(sqs)
    row.refresh_from_db()
    assert (row.state, row.reason) == ("refused", "The file is larger than 10 bytes.")
    assert pigeon.fetched == []


def test_nothing_of_a_blocked_contact_is_fetched(sqs: FakeSqs, write: Write, pigeon: Pigeon) -> None:
    picture(sqs, write)
    Contact.objects.update(is_blocked=True)
    run_errands(sqs)
    assert (MessageMedia.objects.get().state, pigeon.fetched) == ("refused", [])


# --- taken back ---------------------------------------------------------------------------------------------


def take_back(sqs: FakeSqs, write: Write) -> None:
    store(sqs, write, kind="unsend", of="m1", message_id="u1")


@pytest.mark.parametrize("is_kept", [True, False])
def test_what_a_contact_takes_back_is_taken_away(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, is_kept: bool
) -> None:
    pigeon.files["f1"] = PNG
    picture(sqs, write, message_id="m1")
    MessageMedia.objects.update(name="my passport.png")
    if is_kept:
        run_errands(sqs)
    take_back(sqs, write)
    row = MessageMedia.objects.get()
    assert (row.state, row.reference, row.name) == ("removed", "", "")
    run_errands(sqs, times=2)
    row.refresh_from_db()
    assert (row.state, row.file.name, stored_files()) == ("removed", "", [])
    assert pigeon.fetched == (["f1"] if is_kept else [])


def test_what_is_taken_back_while_it_is_fetched_is_not_kept(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*_: Any) -> FetchedMedia:
        take_back(sqs, write)
        return PNG

    monkeypatch.setattr(pigeon, "fetch_media", fetch)
    picture(sqs, write, message_id="m1")
    run_errands(sqs)
    run_errands(sqs)
    assert (MessageMedia.objects.get().state, stored_files()) == ("removed", [])


def test_a_file_that_cannot_be_taken_away_now_is_taken_away_later(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
) -> None:
    pigeon.files["f1"] = PNG
    picture(sqs, write, message_id="m1")
    run_errands(sqs)
    take_back(sqs, write)
    with monkeypatch.context() as broken:
        broken.setattr("django.core.files.storage.FileSystemStorage.delete", _refuse)
        assert run_errands(sqs) == 1
    later(10)
    sqs.queues["errands"] = []
    assert sweep.handler({}, None)["errands"] == 1
    run_errands(sqs)
    assert (MessageMedia.objects.get().file.name, stored_files()) == ("", [])


def _refuse(*_: object) -> None:
    raise OSError("the storage is out of order")


def test_a_file_is_stored_anew_where_an_attempt_died_at_it(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
) -> None:
    pigeon.files["f1"] = PNG
    picture(sqs, write)
    with monkeypatch.context() as dying:
        dying.setattr(MessageMedia, "save", _die_when_kept(MessageMedia.save))
        assert run_errands(sqs) == 1
    later(10)
    run_errands(sqs)
    assert MessageMedia.objects.get().state == "kept"
    assert len(stored_files()) == 1


def _die_when_kept(save: Callable[..., None]) -> Callable[..., None]:
    def die(row: MessageMedia, **more: Any) -> None:
        if row.state == "kept":
            raise MemoryError
        save(row, **more)

    return die


def test_a_picture_taken_back_before_it_came_is_never_fetched(sqs: FakeSqs, write: Write) -> None:
    take_back(sqs, write)
    assert picture(sqs, write, message_id="m1") == []
    assert sqs.bodies("errands") == []


# --- names --------------------------------------------------------------------------------------------------


@pytest.fixture
def nameless(pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch) -> Pigeon:
    monkeypatch.setattr(Pigeon, "names_contacts", False)
    pigeon.names["ann"] = "Ann Archer"
    return pigeon


def test_a_contact_without_a_name_is_asked_for_once(sqs: FakeSqs, write: Write, nameless: Pigeon) -> None:
    store(sqs, write)
    assert sqs.bodies("errands") == [{"contact": Contact.objects.get().pk}]
    assert run_errands(sqs, times=2) == 0
    assert (Contact.objects.get().name, nameless.asked_for) == ("Ann Archer", ["ann"])
    store(sqs, write)
    assert sqs.bodies("errands") == []


@pytest.mark.parametrize("contact", ["bob", "ann"])
def test_who_does_not_tell_is_not_asked_again_soon(
    sqs: FakeSqs, write: Write, nameless: Pigeon, contact: str
) -> None:
    nameless.faults = [] if contact == "bob" else [CredentialRejected("Consent is required.")]
    store(sqs, write, contact=contact)
    assert run_errands(sqs) == 0
    store(sqs, write, contact=contact)
    assert (Contact.objects.get().name, sqs.bodies("errands")) == ("", [])
    Contact.objects.update(looked_up_at=timezone.now() - timedelta(days=8))
    store(sqs, write, contact=contact)
    run_errands(sqs)
    assert nameless.asked_for == [contact, contact]


def test_a_platform_that_does_not_answer_is_asked_with_the_next_message(
    sqs: FakeSqs, write: Write, nameless: Pigeon
) -> None:
    nameless.faults = [SendUnknown("no answer")]
    for _ in range(2):
        store(sqs, write)
        run_errands(sqs)
    assert Contact.objects.get().name == "Ann Archer"


def test_a_name_that_came_meanwhile_stays(sqs: FakeSqs, write: Write, nameless: Pigeon) -> None:
    store(sqs, write)
    Contact.objects.update(name="Annie")
    run_errands(sqs)
    assert (Contact.objects.get().name, nameless.asked_for) == ("Annie", [])


# --- what the contact is told -------------------------------------------------------------------------------


@pytest.fixture
def explaining(channel: Channel) -> Organization:
    """The organization, which says what its bot can read."""
    Organization.objects.update(media_policy="explain", media_line="Words only, please.")
    return Organization.objects.get()


def answer(sqs: FakeSqs) -> None:
    (request,) = sqs.requests()
    sqs.put("llm-replies", {"id": request["id"], "status": "completed", "text": "Certainly."})
    from hub_lambdas import replies

    sqs.run("llm-replies", replies.handler)
    send(sqs)


def test_staff_get_files_unless_the_organization_says_otherwise(
    sqs: FakeSqs, write: Write, pigeon: Pigeon
) -> None:
    picture(sqs, write, text="Is this the right form?")
    turn = Turn.objects.get()
    assert (turn.state, turn.reason) == ("handed_over", "not_text")


@pytest.mark.parametrize("kind", ["image", "voice", "document", "sticker", "video_note"])
def test_who_sends_a_file_without_a_word_is_told_what_the_bot_reads(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, explaining: Organization, kind: str
) -> None:
    picture(sqs, write, kind=kind)
    wake(sqs)
    send(sqs)
    turn = Turn.objects.get()
    assert (turn.state, turn.reason, turn.conversation.owner) == ("declined", "files_only", "bot")
    assert pigeon.sent == [("ann", "Words only, please.")]
    assert sqs.requests() == []


def test_in_their_own_language(sqs: FakeSqs, write: Write, pigeon: Pigeon, explaining: Organization) -> None:
    store(sqs, write)
    Contact.objects.update(language="de")
    Organization.objects.update(other_languages=["de"])
    Translation.objects.create(
        organization=explaining, purpose="media_line", language="de", text="Nur Worte, bitte."
    )
    Turn.objects.update(state="declined", settled_at=timezone.now())
    picture(sqs, write)
    wake(sqs)
    send(sqs)
    assert pigeon.sent == [("ann", "Nur Worte, bitte.")]


def test_a_caption_is_answered_and_the_llm_knows_of_the_picture(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, explaining: Organization
) -> None:
    picture(sqs, write, text="Is this the right form?")
    wake(sqs)
    (request,) = sqs.requests()
    assert "Is this the right form?" in request["messages"][-1]["content"]
    assert "You cannot see it." in request["messages"][-1]["content"]
    answer(sqs)
    assert (Turn.objects.get().state, pigeon.sent) == ("answered", [("ann", "Certainly.")])


def test_a_word_within_the_burst_window_belongs_to_the_picture(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, explaining: Organization
) -> None:
    Organization.objects.update(burst_window_seconds=30)
    picture(sqs, write)
    store(sqs, write, text="Is this right?")
    assert Turn.objects.get().state == "open"
    assert pigeon.sent == []
    Message.objects.update(received_at=timezone.now() - timedelta(seconds=31))
    wake(sqs)
    answer(sqs)
    assert pigeon.sent == [("ann", "Certainly.")]


def test_other_things_than_files_are_for_staff_all_the_same(
    sqs: FakeSqs, write: Write, explaining: Organization
) -> None:
    picture(sqs, write, kind="location", text="The office")
    assert Turn.objects.get().reason == "not_text"


def test_a_line_that_the_platform_refuses_changes_no_outcome(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, explaining: Organization
) -> None:
    pigeon.faults.append(SendUnknown("no answer"))
    picture(sqs, write)
    wake(sqs)
    send(sqs)
    sweep.handler({}, None)
    send(sqs)
    assert (Turn.objects.get().state, pigeon.sent) == ("declined", [])
    assert queues.ERRANDS in sqs.queues
