"""The console in other languages: catalogues are complete, and no page has a text that is left in English."""

from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.db.models import BooleanField
from django.test import Client
from django.utils import timezone, translation

from console.audit.models import Change
from console.audit.recording import AUDITED, audited_fields
from console.conversations.models import Contact
from console.deployments import jobs
from console.deployments.models import Deploy, Stage
from console.deployments.steps import Step, take
from console.operations import cloudwatch
from console.organizations.models import Organization, User
from console.protection.models import Erasure
from console.protection.record import note_purge
from console.stored_sentences import translate_stored
from hub_lambdas import alerts
from infra import catalogue
from infra.deployment.deployment import Deployment
from infra.deployment.errors import StageError
from infra.deployment.stage import load_stage
from infra.packages import build
from infra.packages.errors import PackageError
from tests import factories
from tests.console import walk
from tests.console.conftest import World, make_letter, signed_in, text, with_factor
from tests.fakes.cloudwatch import FakeCloudWatch
from tests.fakes.sqs import FakeSqs

SAME = (
    "channels hub webhook telegram whatsapp messenger instagram twilio sms web chat slack csv json llm "
    "prompt prompts bot token sticker sql utc color error video no id url admin total normal español english "
    "ms min bytes nov ctrl esc dm inbound outbound fifo errands replies requests wakeups console jobs mb "
    "sweep letters dead deploys tokens text general deutsch de"
)
"""Words that are the same in both languages, and names."""
RELEASE = "012345678901"
DATA = ("zebra", "heron", "example.com", "semaphore", "letter-", "smollm2", "contact ")


@pytest.mark.parametrize("language", catalogue.LANGUAGES)
class TestCatalogue:
    def test_has_every_text_of_the_sources_and_no_other(self, language: str) -> None:
        there = {_key(message) for message in catalogue.read(language) if message.id}
        assert there == catalogue.found(), "run: make translations"

    def test_translates_each_with_its_values(self, language: str) -> None:
        catalog = catalogue.read(language)
        assert [message.id for message in catalogue.untranslated(catalog)] == []
        assert [(message.id, str(error)) for message, errors in catalog.check() for error in errors] == []

    def test_is_compiled(self, language: str) -> None:
        compiled = catalogue.po_path(language).with_suffix(".mo").read_bytes()
        assert compiled == catalogue.compiled(catalogue.read(language))


def _key(message: Any) -> catalogue.Key:
    return (tuple(message.id) if isinstance(message.id, list) else message.id), message.context


# --- pages --------------------------------------------------------------------------------------------------


class Shown(HTMLParser):
    """What a page says: its texts, and what its attributes say to whoever cannot see them."""

    SPOKEN = ("title", "aria-label", "placeholder", "alt")
    UNSEEN = ("script", "style", "code", "pre", "option", "textarea", "kbd")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: set[str] = set()
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts |= {_plain(value) for name, value in attrs if value and name in self.SPOKEN}
        if tag in self.UNSEEN or "material-symbols" in str(dict(attrs).get("class")):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            self.texts.add(_plain(data))


def _plain(said: str) -> str:
    return " ".join(said.split())


def _is_english(said: str) -> bool:
    words = [
        word
        for word in "".join(each if each.isalpha() else " " for each in said).lower().split()
        if len(word) > 1
    ]
    return bool(set(words) - set(SAME.split())) and not any(each in said.lower() for each in DATA)


def make_change(organization: Organization) -> None:
    """A change of every field that the audit log may tell of."""
    for model in AUDITED:
        fields = audited_fields(model)
        with translation.override(None):
            thing = str(model._meta.verbose_name)
        Change.objects.create(
            organization=organization,
            thing=thing,
            action=Change.Action.CHANGED,
            before={field.name: _example(field, 0) for field in fields},
            after={field.name: _example(field, 1) for field in fields},
        )


def _example(field: Any, number: int) -> str:
    if field.flatchoices:
        return str(field.flatchoices[-number][0])
    return str(bool(number)) if isinstance(field, BooleanField) else str(number)


def make_deploy() -> None:
    """A deploy with every step that there is, on a stage where nothing runs."""
    nobody: Any = None
    deployment = Deployment(*[nobody] * 8)
    steps = [*deployment.deploying(RELEASE), *deployment.restarting(RELEASE), *deployment.restoring(RELEASE)]
    told: list[Step] = []
    for name in (jobs.FETCH, *(step.name for step in steps)):
        take(told, {"began": name})
        take(told, {"ended": name, "note": "kept from before", "seconds": 1})
    Deploy.objects.create(
        pk=1,
        stage="zebra",
        task="deploy",
        release=RELEASE,
        state="failed",
        steps=told,
        reason="The lock of this stage was lost before “keep”, and somebody else may be at it: nothing was "
        "put back. See `make releases`; then deploy again, or roll back.",
    )
    entry = {"task": "restart", "release": RELEASE, "who": "zebra", "finished": "", "reason": ""}
    entry |= {"outcome": "cancelled", "started": "2026-11-29T10:00:00.000+00:00"}
    problem = "It is not started: a deploy starts it."
    Stage.objects.create(name="zebra", place="zebra", problem=problem, history=[entry])


def pages(client: Client, world: World) -> Iterator[tuple[str, set[str]]]:
    """What every page says that may be opened in a browser."""
    for address in walk.addresses(world.organization):
        response = client.get(address)
        content = text(response)
        if response.status_code == 200 and response["Content-Type"].startswith("text/html"):
            yield address, Shown(content).texts


@pytest.mark.parametrize("role", ["admin", "ops"])
def test_no_page_says_anything_in_english(
    role: str, world: World, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudwatch.forget()
    monkeypatch.setattr(cloudwatch, "client", FakeCloudWatch)
    user: User = getattr(world, role)
    make_letter(world.organization, turn=world.conversation.turns.get())
    make_change(world.organization)
    make_deploy()
    client = with_factor(user) if user.is_ops else signed_in(user)
    User.objects.filter(pk=user.pk).update(language="en")
    english = dict(pages(client, world))
    User.objects.filter(pk=user.pk).update(language="es")
    spanish = dict(pages(client, world))
    organizations = (world.organization, world.other)
    own = {str(value) for each in organizations for value in vars(each).values()}  # what contacts are told
    left = {
        said: address
        for address, texts in spanish.items()
        for said in texts & english.get(address, set())
        if said not in own and _is_english(said)
    }
    assert not left, "\n".join(f"{said}  ({address})" for said, address in sorted(left.items()))


# --- whose language and time it is --------------------------------------------------------------------------


def test_a_visitor_reads_what_their_browser_asks_for(client: Client, db: None) -> None:
    page = client.get("/login/", headers={"accept-language": "es-MX,es;q=0.9,en;q=0.5"})
    assert "Contraseña" in text(page)
    assert 'lang="es"' in text(page)
    assert page["Content-Language"] == "es"
    assert "Password" in text(client.get("/login/", headers={"accept-language": "de"}))


def test_what_the_browser_says_at_the_first_sign_in_is_kept(client: Client, world: World) -> None:
    client.cookies["hub_zone"] = "America/Bogota"
    headers = {"accept-language": "es"}
    client.post(
        "/login/",
        {"username": world.admin.email, "password": "correct horse battery staple"},
        headers=headers,
    )
    world.admin.refresh_from_db()
    assert (world.admin.language, world.admin.time_zone) == ("es", "America/Bogota")
    client.post("/login/", {"username": world.admin.email, "password": "correct horse battery staple"})
    world.admin.refresh_from_db()
    assert world.admin.language == "es", "what is kept is changed on its page only"


@pytest.mark.parametrize("zone", ["", "../../etc/passwd", "America", "Middle/Earth", "x" * 5000])
def test_a_zone_that_is_none_is_no_error(client: Client, world: World, zone: str) -> None:
    client.force_login(world.admin)
    client.cookies["hub_zone"] = zone
    assert client.get("/").status_code == 200


def test_preferences_are_chosen_and_count_at_once(world: World) -> None:
    client = signed_in(world.admin)
    page = client.post("/preferences/", {"language": "es", "time_zone": "Asia/Kolkata"}, follow=True)
    assert "Idioma y zona horaria" in text(page)
    assert "IST" in text(page)
    page = client.post("/preferences/", {"language": "es", "time_zone": "America/Bogota"}, follow=True)
    assert "UTC-05" in text(page)
    assert client.post("/preferences/", {"language": "xx", "time_zone": "Mars"}).status_code == 200
    world.admin.refresh_from_db()
    assert (world.admin.language, world.admin.time_zone) == ("es", "America/Bogota")


def test_times_are_the_readers(world: World) -> None:
    letter = make_letter(world.organization)
    type(letter).objects.filter(pk=letter.pk).update(stored_at="2026-07-01T22:30:15Z")
    User.objects.filter(pk=world.admin.pk).update(time_zone="Europe/Madrid", language="es")
    page = text(signed_in(world.admin).get(f"/conversations/deadletter/{letter.pk}/change/"))
    assert "2 de julio de 2026, 00:30:15 CEST" in page


def test_an_invitation_is_in_the_language_of_whom_it_is_for(
    world: World, django_capture_on_commit_callbacks: Any
) -> None:
    User.objects.filter(pk=world.admin.pk).update(language="es")
    User.objects.filter(pk=world.outsider.pk).update(language="en")
    client = signed_in(world.admin)
    with django_capture_on_commit_callbacks(execute=True):
        for address in ("new@example.com", world.outsider.email):
            post = {"organization": world.organization.pk, "email": address, "role": "agent"}
            client.post("/organizations/invitation/add/", post)
    subjects = [message.subject for message in mail.outbox]
    assert subjects == ["Únase a Zebra Clinic en channels-hub", "Join Zebra Clinic on channels-hub"]


def test_alerts_are_in_the_language_of_each(world: World) -> None:
    conversation = factories.make_conversation(world.channel)
    turn = factories.make_inbound(conversation).turn
    assert turn is not None
    at = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    type(turn).objects.filter(pk=turn.pk).update(
        state="handed_over", reason="no_answer", settled_at=timezone.now(), first_message_at=at
    )
    User.objects.filter(pk=world.admin.pk).update(language="es", time_zone="Europe/Madrid")
    alerts.send(world.organization.pk)
    told = {message.to[0]: message for message in mail.outbox}
    assert told[world.admin.email].subject == "1 conversación espera · Zebra Clinic"
    assert "00:30 CEST: El LLM no tuvo respuesta." in told[world.admin.email].body
    assert told[world.agent.email].subject == "1 conversation waits · Zebra Clinic"


# --- sentences that are stored ------------------------------------------------------------------------------


def test_a_stored_sentence_is_read_in_any_language() -> None:
    said = (
        "Telegram refused sendMessage: Bad Request. The queue could not be reached. Some words of a platform."
    )
    assert translate_stored(said) == said
    with translation.override("es"):
        assert translate_stored(said) == (
            "Telegram rechazó sendMessage: Bad Request. No se pudo contactar con la cola. Some words of "
            "a platform."
        )
        assert translate_stored("") == ""
        assert translate_stored("Nothing runs on prod yet: `make deploy STAGE=prod`.") == (
            "Todavía no funciona nada en prod: `make deploy STAGE=prod`."
        )


def test_why_no_package_or_stage_came_about_is_read_in_any_language(tmp_path: Path) -> None:
    with pytest.raises(StageError) as no_stage:
        load_stage("nowhere", tmp_path)
    with pytest.raises(PackageError) as no_commit:
        build.export("0" * 40)
    with translation.override("es"):
        assert translate_stored(str(no_stage.value)).startswith("No hay ningún entorno «nowhere»")
        assert translate_stored(str(no_commit.value)).startswith("Los paquetes se construyen a partir de un")


def test_what_has_no_name_is_called_in_the_readers_language(world: World) -> None:
    gone = Contact.objects.get(erased_at__isnull=False)
    User.objects.filter(pk=world.admin.pk).update(language="es")
    client = signed_in(world.admin)
    with translation.override(None):
        row = str(Erasure.objects.get(contact=gone))
    assert row == f"Contact no. {gone.pk} on Zebra Line"
    common = {"organization": world.organization, "who": "channels-hub", "action": "removed"}
    Change.objects.create(thing="erasure", row=row, **common)
    note_purge(world.organization, {"messages": 12})
    Change.objects.create(thing="label", row="Files", **common)
    for address in ("/protection/erasure/", "/audit/change/"):
        assert f"Contacto n.º {gone.pk} en Zebra Line" in text(client.get(address)), address
    page = text(client.get("/audit/change/"))
    assert "Mensajes: 12." in page
    assert ">Files<" in page, "a name that somebody gave stays"


def test_the_settings_name_what_is_translated() -> None:
    assert {code for code, _ in settings.LANGUAGES} == {settings.LANGUAGE_CODE, *catalogue.LANGUAGES}
