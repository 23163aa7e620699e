"""What migrations do to the rows and tables of a hub that is at work."""

from collections.abc import Iterable
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection
from django.db.migrations import AddIndex, CreateModel, Migration
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from console.conversations.models import Conversation
from console.organizations.models import BUSY_LINE, Organization, Translation
from tests import factories
from tests.console.conftest import World

RELEASED = "0007_test_contacts"
busy_line = import_module("console.organizations.migrations.0011_busy_line")
who_waits = import_module("console.conversations.migrations.0011_who_waits")


def test_indexes_of_the_ledger_are_built_while_messages_keep_coming() -> None:
    for name, migration in _of_conversations():
        if name <= RELEASED:
            continue
        made = {each.name_lower for each in migration.operations if isinstance(each, CreateModel)}
        indexes = [each for each in migration.operations if isinstance(each, AddIndex)]
        locking = [each for each in indexes if not isinstance(each, AddIndexConcurrently)]
        assert [each for each in locking if each.model_name_lower not in made] == [], name
        dropped = [getattr(each, "sql", "") for each in migration.operations]
        for index in indexes:
            assert f"DROP INDEX CONCURRENTLY IF EXISTS {index.index.name}" in dropped, name


def _of_conversations() -> Iterable[tuple[str, Migration]]:
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        if app == "conversations":
            yield name, migration


class TestWhoWaits:
    """Conversations of staff from before the inbox, of which nobody had noted who waits."""

    def test_since_their_first_unanswered_message(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(who_waits, "BATCH_SIZE", 1)
        at = timezone.now() - timedelta(hours=1)
        waits, answered, noted = (factories.make_conversation(world.channel) for _ in range(3))
        for conversation in (waits, answered, noted):
            factories.make_handed_over_turn(conversation, at=at)
        factories.make_handed_over_turn(waits, at=at + timedelta(minutes=1))
        factories.make_outbound(answered, purpose="staff")
        factories.make_outbound(waits, purpose="staff", state="failed")
        Conversation.objects.filter(pk=noted.pk).update(waiting_since=at + timedelta(minutes=5))
        for _ in range(2):
            who_waits.fill(None, SimpleNamespace(connection=connection))
            found = dict(Conversation.objects.values_list("pk", "waiting_since"))
            assert found[waits.pk] == at
            assert found[answered.pk] is None
            assert found[noted.pk] == at + timedelta(minutes=5)
            assert found[world.conversation.pk] is None


@pytest.mark.django_db
def test_an_organization_with_words_of_its_own_for_limits_keeps_them_for_all() -> None:
    own, silent, usual = (
        factories.make_organization(**fields)
        for fields in ({"limit_line": "Demasiado."}, {"limit_line": ""}, {})
    )
    for organization in (own, usual):
        organization.translations.create(purpose="limit_line", language="de", text="Zu viel.")
    for _ in range(2):
        busy_line.keep_own_words(apps, None)
    said = {each.slug: each.busy_line for each in Organization.objects.all()}
    assert said == {own.slug: "Demasiado.", silent.slug: "", usual.slug: BUSY_LINE}
    translated = Translation.objects.filter(purpose="busy_line").values_list("organization", "text")
    assert list(translated) == [(own.pk, "Zu viel.")], "the usual ones speak of the contact"
