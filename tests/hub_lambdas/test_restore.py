"""A database that is put back to an earlier moment: what was under way then is finished, and what came after
that moment is gone.

The server of these tests plays the one that is lost. As with RDS, a base backup and the log of what was
written since make a new server of it, as it was at any moment in between.
"""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from console.conversations.models import Contact, LlmRequest, Message, Turn
from hub_lambdas import sweep, wakeups
from infra.local import postgres
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.steps import Write, age, ask, send
from tests.hub_lambdas.test_pipeline import answer, outcomes, run
from tests.infra.conftest import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

SLOT = "archive"
ANSWER = "240 €."
NUMBERS_LOST = 5000
AFTERWARDS = timedelta(seconds=30)
"""Longer than the sweep takes for the time in which queues see to things themselves."""


class Archive:
    """A base backup of the server that Django is connected to, and its log from then on."""

    def __init__(self, folder: Path) -> None:
        self._home, self._log = folder / "restored", folder / "log"
        for made in (self._home, postgres.data_folder(self._home), self._log):
            made.mkdir(mode=0o700)
        for owned in (postgres.data_folder(self._home), self._log):
            postgres._own(owned)

    def begin(self) -> None:
        """Take the backup; from here on the server keeps its log for the archive."""
        query("SELECT pg_create_physical_replication_slot(%s, true)", SLOT)
        copied = postgres.data_folder(self._home)
        self._run("pg_basebackup", "--pgdata", copied, "--checkpoint=fast", "--wal-method=none", "--no-sync")
        (copied / f"{postgres.SOCKET_NAME}.lock").unlink(missing_ok=True)  # that of the socket beside it

    def fetch(self) -> None:
        """Bring the log in, up to now."""
        query("SELECT pg_switch_wal()")
        end = query("SELECT pg_current_wal_insert_lsn()")
        query("SELECT pg_logical_emit_message(false, '', '', true)")  # beyond the end, so that it is reached
        self._run("pg_receivewal", "--directory", self._log, "--slot", SLOT, "--endpos", end, "--no-loop")

    @contextmanager
    def restored(self, moment: datetime) -> Iterator[None]:
        """A new server, as the other was at `moment`, that Django is connected to while it lasts."""
        data = postgres.data_folder(self._home)
        with (data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f'restore_command = \'cp "{self._log}/%f" "%p"\'\n')
            settings.write(f"recovery_target_time = '{moment.isoformat()}'\n")
            settings.write("recovery_target_action = 'promote'\n")
        signal, owner = data / "recovery.signal", data.stat()
        signal.touch()
        os.chown(signal, owner.st_uid, owner.st_gid)
        postgres._start(self._home, postgres._socket_folder_made(self._home))
        lost = connection.settings_dict["HOST"]
        try:
            _lead_to(str(postgres.socket_folder(self._home)))
            wait_until(lambda: not query("SELECT pg_is_in_recovery()"))
            yield
        finally:
            _lead_to(lost)
            postgres._control(self._home, "stop", "-m", "immediate")

    def _run(self, tool: str, *arguments: object) -> None:
        server = ["--host", connection.settings_dict["HOST"], "--username", connection.settings_dict["USER"]]
        postgres._run([postgres._binary(tool), *server, *map(str, arguments)], self._log)


def query(statement: str, *values: object) -> Any:
    """The one value that a statement gives."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0]


def _lead_to(host: str) -> None:
    connection.close()
    connection.settings_dict["HOST"] = host


@pytest.fixture
def archive(transactional_db: None) -> Iterator[Archive]:
    # Not in pytest's own folder, into which another run may let nobody else at any time.
    with tempfile.TemporaryDirectory() as folder:
        yield Archive(Path(folder))
        query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


def later() -> None:
    """Let the time pass after which the sweep looks at what is open."""
    age(AFTERWARDS.total_seconds())
    ago = timezone.now() - AFTERWARDS
    Message.objects.update(stored_at=ago)
    LlmRequest.objects.update(asked_at=ago)


def swept() -> dict[str, int]:
    """What the sweep found to do."""
    done = sweep.handler({}, None)
    return {name: done[name] for name in ("requests", "sends", "overdue")}


def heard(pigeon: Pigeon) -> dict[str, int]:
    """How many answers each contact got; a holding line is none."""
    contacts = [contact for contact, text in pigeon.sent if text == ANSWER]
    return {contact: contacts.count(contact) for contact in contacts}


@pytest.fixture
def moment(archive: Archive, sqs: FakeSqs, write: Write, pigeon: Pigeon) -> datetime:
    """A moment at which ann is answered, an answer for ben is on its way and the LLM is asked for cyd. The
    backup is older. After it ben and cyd are answered, eve too, who has not written before, and then the
    server is lost."""
    write(contact="ann", message_id="ann-1")
    run(sqs)
    archive.begin()
    ask(sqs, write, contact="ben")
    answer(sqs)
    ask(sqs, write, contact="cyd")
    moment: datetime = query("SELECT clock_timestamp()")
    send(sqs)
    answer(sqs)
    send(sqs)
    write(contact="eve", message_id="eve-1")
    run(sqs)
    query("SELECT setval('conversations_message_id_seq', %s)", NUMBERS_LOST)  # many more had written
    archive.fetch()
    assert outcomes() == 4 * [("answered", "")]
    assert heard(pigeon) == {"ann": 1, "ben": 1, "cyd": 1, "eve": 1}
    return moment


def test_each_turn_that_was_open_at_that_moment_gets_one_outcome(
    archive: Archive, moment: datetime, sqs: FakeSqs, pigeon: Pigeon
) -> None:
    with archive.restored(moment):
        assert outcomes() == [("answered", ""), ("asked", ""), ("asked", "")]
        later()
        assert swept() == {"requests": 1, "sends": 1, "overdue": 0}
        answer(sqs)
        send(sqs)

        assert outcomes() == 3 * [("answered", "")]
        later()
        assert swept() == {"requests": 0, "sends": 0, "overdue": 0}
        for turn in Turn.objects.all():
            assert turn.messages.filter(purpose="answer", state="sent").count() == 1
        assert heard(pigeon) == {"ann": 1, "ben": 2, "cyd": 2, "eve": 1}, "nobody knows what left since then"


def test_no_message_gets_the_number_of_a_lost_one(
    archive: Archive, moment: datetime, sqs: FakeSqs, write: Write
) -> None:
    with archive.restored(moment):
        call_command("skip_numbers", stdout=io.StringIO())
        ask(sqs, write, contact="fay")
        assert Message.objects.latest("pk").pk > NUMBERS_LOST


def test_what_came_after_that_moment_is_gone_until_its_platform_sends_it_again(
    archive: Archive, moment: datetime, sqs: FakeSqs, write: Write, pigeon: Pigeon
) -> None:
    with archive.restored(moment):
        assert not Message.objects.filter(platform_id="eve-1").exists()
        assert not Contact.objects.filter(platform_id="eve").exists()
        sqs.release("wakeups")
        assert sqs.run("wakeups", wakeups.handler) == 0, "one looks for a turn that is gone"

        write(contact="eve", message_id="eve-1")
        assert sqs.bodies("dm-inbound.fifo") == [], "within five minutes SQS takes it for the same"
        sqs.forget_ids()
        for contact in ("ann", "eve"):
            write(contact=contact, message_id=f"{contact}-1")
        run(sqs)
        assert Message.objects.filter(platform_id="ann-1").count() == 1, "it was known"
        assert outcomes()[-1] == ("answered", "")
        assert (heard(pigeon)["ann"], heard(pigeon)["eve"]) == (1, 2)
