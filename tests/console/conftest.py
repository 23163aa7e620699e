"""An organization with something in every table, another beside it, and people with each role."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyotp
import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from console.audit.models import Change
from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, DeadLetter, Export
from console.deployments import jobs
from console.inbox.models import Draft, Label, Note, Suggestion
from console.operations import cloudwatch
from console.organizations.models import Invitation, Organization, Translation, User
from console.protection.models import Erasure, Purge
from console.signin import second_factor
from console.workshop.models import Case, CaseRun
from hub_lambdas import channels, queues
from hub_lambdas.channels.base import Account, ChannelError, Field, Health, Sample
from tests import factories
from tests.fakes.cloudwatch import FakeCloudWatch
from tests.fakes.repository import Repository

TOKEN = "9876:the-very-secret-token"


@dataclass(frozen=True)
class World:
    """The organization that others must not see into, and everybody who might try."""

    organization: Organization
    other: Organization
    channel: Channel
    conversation: Conversation
    export: Export
    admin: User
    agent: User
    outsider: User
    outside_agent: User
    ops: User

    settings_markers: ClassVar[Sequence[str]] = (
        "Zebra Clinic",
        "Zebra Line",
        "zebra-admin@example.com",
        "@zebra_bot",
        "zebra holding line in German",
        "zebra-guest@example.com",
        "zebra change",
    )
    text_markers: ClassVar[Sequence[str]] = (
        "Zebra Contact",
        "zebra message text",
        "zebra answer text",
        "zebra prompt text",
        "zebra canned question",
        "zebra canned answer",
        "zebra-export-file",
        "zebra-attachment",
        "zebra file content",
        "zebra letter text",
        "zebra cause",
        "zebra label",
        "zebra note text",
        "zebra case question",
        "zebra case answer",
        "zebra rehearsal question",
    )
    secret_markers: ClassVar[Sequence[str]] = (TOKEN, "zebra-webhook-secret")


@pytest.fixture
def world(db: None) -> World:
    organization = factories.make_organization("zebra-clinic", name="Zebra Clinic", other_languages=["de"])
    other = factories.make_organization("heron-bakery", name="Heron Bakery")
    channel = factories.make_channel(
        organization,
        name="Zebra Line",
        account="@zebra_bot",
        credentials={"bot_token": TOKEN, "webhook_secret": "zebra-webhook-secret"},
    )
    conversation = factories.make_conversation(channel, "Zebra Contact")
    prompt = factories.make_prompt(organization, "zebra prompt text")
    turn = factories.make_answered_turn(
        conversation, "zebra message text", "zebra answer text", prompt=prompt
    )
    factories.make_media(turn, b"%PDF- zebra file content", "application/pdf", name="zebra-attachment")
    factories.make_canned_prompt(organization, "zebra canned question", answer="zebra canned answer")
    Label.objects.create(organization=organization, name="zebra label").conversations.add(conversation)
    Note.objects.create(conversation=conversation, text="zebra note text")
    Suggestion.objects.create(turn=turn, text="zebra suggestion")
    case = Case.objects.create(organization=organization, question="zebra case question")
    run = CaseRun.objects.create(organization=organization, state=CaseRun.State.DONE)
    factories.make_rehearsal(organization, "zebra rehearsal question")
    factories.make_rehearsal(organization, case.question, text="zebra case answer", run=run, case=case)
    Draft.objects.create(turn=turn, request=turn.requests.get())
    export = Export.objects.create(
        organization=organization, state=Export.State.DONE, messages_count=2, finished_at=timezone.now()
    )
    export.file.save("zebra-export-file.csv", ContentFile(b"zebra message text"))
    gone = Contact.objects.create(channel=channel, platform_id="erased-0", erased_at=timezone.now())
    Erasure.objects.create(organization=organization, contact=gone, state=Erasure.State.DONE)
    Purge.objects.create(
        organization=organization,
        state=Purge.State.DONE,
        deleted={"messages": 1234, "files": 5},
        began_at=timezone.now(),
    )
    Translation.objects.create(
        organization=organization,
        purpose="holding_line",
        language="de",
        text="zebra holding line in German",
    )
    Invitation.objects.create(organization=organization, email="zebra-guest@example.com")
    Change.objects.create(
        organization=organization, who="zebra-admin@example.com", thing="zebra change", action="changed"
    )
    _fill(other)
    return World(
        organization=organization,
        other=other,
        channel=channel,
        conversation=conversation,
        export=export,
        admin=factories.make_member(organization, "admin", email="zebra-admin@example.com"),
        agent=factories.make_member(organization, "agent", email="zebra-agent@example.com"),
        outsider=factories.make_member(other, "admin", email="heron-admin@example.com"),
        outside_agent=factories.make_member(other, "agent", email="heron-agent@example.com"),
        ops=factories.make_user("ops@example.com", is_ops=True),
    )


def in_s3(settings: Settings) -> dict[str, Any]:
    """`STORAGES` with the files in a bucket that is called "files"."""
    options = {"bucket_name": "files", "access_key": "a", "secret_key": "b", "signature_version": "s3v4"}
    return {
        **settings.STORAGES,
        "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options},
    }


def make_letter(organization: Organization | None, **fields: Any) -> DeadLetter:
    """A dead letter that waits."""
    number = DeadLetter.objects.count()
    defaults = {"queue": queues.LLM_REQUESTS, "body": "{}", "queue_message_id": f"letter-{number}"}
    return DeadLetter.objects.create(organization=organization, **{**defaults, **fields})


def _fill(other: Organization) -> None:
    conversation = factories.make_conversation(
        factories.make_channel(other, name="Heron Line"), "Heron Contact"
    )
    turn = factories.make_answered_turn(conversation, "heron message text", "heron answer text")
    factories.make_media(turn, b"%PDF- heron file content", "application/pdf")
    factories.make_prompt(other, "heron prompt text")
    factories.make_canned_prompt(other, "heron canned question")
    Label.objects.create(organization=other, name="heron label")
    Export.objects.create(organization=other)
    Change.objects.create(
        organization=other, who="heron-admin@example.com", thing="channel", action="changed"
    )
    Invitation.objects.create(organization=other, email="heron-guest@example.com")


def everything_stored() -> str:
    """All rows of all tables, as text."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')  # noqa: S608 - the database names it
            found += [f"{table} {row[0]}" for row in cursor.fetchall()]
    return "\n".join(found)


def signed_in(user: User | None) -> Client:
    """A browser in which `user` is signed in; None for nobody."""
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def with_factor(user: User) -> Client:
    """A browser in which one of ops is signed in, and has shown a code."""
    factor = second_factor.begin(user)
    second_factor.confirm(user, pyotp.TOTP(factor.secret["base32"]).now())
    client = signed_in(user)
    session = client.session
    session[second_factor.SESSION_KEY] = user.pk
    session.save()
    return client


def cookies(client: Client, url: str) -> list[Any]:
    """What a browser keeps that was where `client` was, as Playwright takes it. `url`: of the console."""
    return [{"name": name, "value": each.value, "url": url} for name, each in client.cookies.items()]


def text(response: Any) -> str:
    """The whole body of an answer, of a stream too."""
    content: bytes = b"".join(response.streaming_content) if response.streaming else response.content
    return content.decode()


def body(response: Any) -> str:
    """The whole text of an answer, headers included."""
    return f"{dict(response.headers)}\n{text(response)}"


class Semaphore:
    """A channel kind for tests that refuses the token "wrong" and stumbles over "crash"."""

    name: ClassVar[str] = "semaphore"
    label: ClassVar[str] = "Semaphore"
    fields: ClassVar[Sequence[Field]] = (
        Field("token", "Token", secret=True),
        Field("station", "Station", required=False),
    )
    options: ClassVar[Sequence[Field]] = (
        Field("greeting", "Greeting", required=False),
        Field("flags", "Flags", required=False, shape="list"),
        Field("at_night", "Also at night", required=False, shape="switch"),
    )
    pages: ClassVar[Mapping[str, str]] = {"page": "", "script": "embed.js"}

    def __init__(self) -> None:
        self.registered: list[tuple[Account, str]] = []
        self.unregistered: list[str] = []

    def new_secrets(self) -> Mapping[str, str]:
        return {"webhook_secret": f"made-by-the-hub-{len(self.registered)}"}

    def identify(self, account: Account) -> Health:
        return Health("@semaphore_station")

    def register(self, account: Account, webhook_url: str) -> Health:
        self.registered.append((account, webhook_url))
        if account.credentials.get("token") == "wrong":
            raise ChannelError("The platform does not accept the token: enter the right one.")
        if account.credentials.get("token") == "crash":
            raise RuntimeError(f"https://platform.example/{account.credentials['token']}/setWebhook")
        return Health("@semaphore_station")

    def check(self, account: Account, webhook_url: str) -> Health:
        return Health("@semaphore_station")

    def unregister(self, account: Account, webhook_url: str) -> None:
        if account.credentials.get("token") == "wrong":
            raise ChannelError("The platform does not accept the token: enter the right one.")
        self.unregistered.append(webhook_url)

    def renew(self, account: Account) -> Mapping[str, Any] | None:
        return None

    def sample(self, account: Account, address: str, text: str) -> Sample:
        raise ChannelError("Nobody stands on the other hill.")


@pytest.fixture
def semaphore(monkeypatch: pytest.MonkeyPatch) -> Semaphore:
    kind = Semaphore()
    monkeypatch.setitem(channels.KINDS, kind.name, kind)
    return kind


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloudWatch]:
    """CloudWatch, without any figures yet."""
    fake = FakeCloudWatch()
    cloudwatch.forget()
    monkeypatch.setattr(cloudwatch, "client", lambda: fake)
    yield fake
    cloudwatch.forget()


@pytest.fixture
def repository(tmp_path: Path, settings: Settings) -> Repository:
    """What is deployed, with one commit, and its stage."""
    found = Repository(tmp_path)
    settings.DEPLOY_REPOSITORY, settings.HUB_HOME = str(found.root), tmp_path / "hub"
    settings.DEPLOY_STAGES, settings.DEPLOYER = ["trial"], found.installed
    return found


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was put on the queue of deploys."""
    sent: list[Any] = []
    monkeypatch.setattr(jobs.run_deploy, "delay", sent.append)
    monkeypatch.setattr(jobs.look_at_releases, "delay", lambda: sent.append("look"))
    return sent
