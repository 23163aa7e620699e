"""A test message on its whole way: answered like any, sent to nobody, counted nowhere."""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from console.channels import trial
from console.channels.models import Channel
from console.conversations import export_file
from console.conversations.models import Contact, Conversation, Export, Message
from console.conversations.report import Scope, dead_letters, report
from console.organizations.models import Member, Organization, User
from hub_lambdas import inbound, outbound, staff, sweep
from hub_lambdas.channels.base import ChannelError
from tests.channels.listening import hub_listening
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.test_pipeline import answer, outcomes, run

pytestmark = pytest.mark.django_db(transaction=True)
Write = Callable[..., dict[str, Any]]
QUESTION = "How much is a whitening?"


@pytest.fixture
def hub(channel: Channel, sqs: FakeSqs, settings: Settings) -> Iterator[str]:
    """The webhook behind HTTP, where the console finds it."""
    with hub_listening() as url:
        settings.WEBHOOK_URL = url
        yield url


def progress(contact: Contact) -> trial.Progress:
    return trial.progress(contact, timezone.now())


def test_it_goes_the_whole_way_and_not_to_the_platform(
    channel: Channel, hub: str, sqs: FakeSqs, pigeon: Pigeon
) -> None:
    contact = trial.begin(channel, QUESTION)
    assert [step.at for step in progress(contact).steps] == [None] * 5
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    asked = progress(contact)
    assert (asked.question, asked.is_over) == (QUESTION, False)
    assert [step.label for step in asked.steps if step.at] == ["Webhook took it", "Stored", "LLM asked"]
    answer(sqs)
    assert sqs.run("dm-outbound.fifo", outbound.handler) == 0
    done = progress(contact)
    assert (done.is_answered, done.is_over, done.answer, done.problem) == (True, True, "240 €.", "")
    seconds = [step.seconds for step in done.steps]
    assert None not in seconds
    assert done.seconds == seconds[-1]
    assert (pigeon.sent, pigeon.typing) == ([], [])
    channel.refresh_from_db()
    assert channel.last_webhook_at is None, "the platform has delivered nothing"


def test_it_counts_nowhere(channel: Channel, hub: str, sqs: FakeSqs, write: Write) -> None:
    organization = channel.organization
    Organization.objects.update(answers_per_day=1, turns_per_minute=1)
    trial.begin(channel, QUESTION)
    run(sqs)
    write()
    run(sqs)
    assert outcomes() == [("answered", ""), ("answered", "")], "the test has used up no answer of the day"
    assert report(Scope([organization.pk]), ()).total.counts["turns"] == 1
    assert dead_letters(Scope([organization.pk])).stored == 0
    file = StringIO()
    export_file.write(Export.objects.create(organization=organization), file)
    assert "ann" in file.getvalue()
    assert QUESTION not in file.getvalue()


def test_it_takes_nobodys_place_at_the_llm(
    channel: Channel, hub: str, sqs: FakeSqs, write: Write, settings: Settings
) -> None:
    settings.LLM_REQUESTS_PER_ORGANIZATION = 1
    trial.begin(channel, QUESTION)
    write()
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert len(sqs.requests()) == 2
    write(contact="bob")
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    assert len(sqs.requests()) == 2, "contacts are held off all the same"


def test_staff_hear_nothing_of_it_and_it_says_why_it_is_not_answered(
    channel: Channel, hub: str, sqs: FakeSqs, pigeon: Pigeon
) -> None:
    user = User.objects.create_user("ann@example.com")
    Member.objects.create(organization=channel.organization, user=user, role="admin", gets_alerts=True)
    contact = trial.begin(channel, "Can I bring my dog?")
    assert sqs.run("dm-inbound.fifo", inbound.handler) == 0
    answer(sqs, "[STAFF]")
    assert sqs.run("dm-outbound.fifo", outbound.handler) == 0
    assert outcomes() == [("handed_over", "not_known")]
    assert report(Scope([channel.organization_id])).reasons["handed_over"] == []
    sweep.handler({}, None)
    assert mail.outbox == []
    done = progress(contact)
    assert (done.is_answered, done.is_over) == (False, True)
    assert "this is for a person to answer. Add a canned prompt" in done.problem
    conversation = Conversation.objects.get()
    staff.reply(conversation.pk, user, "Dogs are welcome.")
    assert sqs.run("dm-outbound.fifo", outbound.handler) == 0
    assert Message.objects.get(purpose="staff").state == "sent"
    assert pigeon.sent == [], "nor does what staff answer there leave the hub"


def test_it_says_where_it_hangs(channel: Channel, hub: str) -> None:
    contact = trial.begin(channel, QUESTION)
    assert progress(contact).problem == ""
    later = timezone.now() + 2 * trial.SLOW_AFTER
    hung = trial.progress(contact, later)
    assert "has waited 20 s for “Webhook took it”" in hung.problem
    assert not hung.is_over
    assert trial.progress(contact, later + trial.WATCHED_FOR).is_over


def test_a_contact_of_the_platforms_is_no_test(
    channel: Channel, hub: str, sqs: FakeSqs, write: Write
) -> None:
    """Only whom the hub wrote down before is one, and nobody can guess who comes next."""
    write(contact=f"test-{'0' * 32}")
    run(sqs)
    assert not Contact.objects.filter(is_test=True).exists()
    contacts = {trial.begin(channel, QUESTION).platform_id for _ in range(2)}
    assert len(contacts) == 2


def test_a_webhook_that_takes_nothing_is_said_at_once(
    channel: Channel, hub: str, settings: Settings, pigeon: Pigeon
) -> None:
    Channel.objects.update(credentials=Channel(credentials={"ring": "another"}).credentials)
    with pytest.raises(ChannelError, match="answered with 401"):
        trial.begin(channel, QUESTION)
    settings.WEBHOOK_URL = "http://127.0.0.1:9"
    with pytest.raises(ChannelError, match="Nobody answers at http://127"):
        trial.begin(channel, QUESTION)
    assert not Contact.objects.exists()
    channel.status = Channel.Status.PAUSED
    with pytest.raises(ChannelError, match="The channel is paused"):
        trial.begin(channel, QUESTION)


class TestTheCommand:
    def test_it_prints_the_steps_and_the_answer(
        self, channel: Channel, hub: str, sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The hub works while the command waits."""
        monkeypatch.setattr("time.sleep", lambda _: run(sqs))
        said = StringIO()
        call_command("test_channel", "loft/pigeon/Loft", "--text", QUESTION, stdout=said)
        lines = said.getvalue().splitlines()
        assert lines[0] == f"“{QUESTION}”"
        assert [line.rpartition("  ")[2] for line in lines[1:-1]] == [*trial._HINTS]
        assert lines[-1] == "“240 €.”"

    def test_it_fails_without_an_answer(self, channel: Channel, hub: str) -> None:
        with pytest.raises(CommandError, match=r"No answer within 0\.3 s"):
            call_command("test_channel", str(channel.pk), "--timeout-seconds", "0.3", stdout=StringIO())

    @pytest.mark.parametrize("name", ["loft/pigeon/Other", "no-uuid"])
    def test_a_channel_that_is_not_there_is_said(self, channel: Channel, name: str) -> None:
        with pytest.raises(CommandError, match=f"There is no channel {name}"):
            call_command("test_channel", name, stdout=StringIO())
