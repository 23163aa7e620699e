"""What becomes of a channel whose platform is asked how it is."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from console.channels.connection import TAKEN, connect, due_for_examination, resume
from console.channels.models import Channel
from console.organizations.models import Member, Organization, User
from hub_lambdas import sweep, wakeups
from hub_lambdas.channels.base import (
    CredentialRejected,
    Field,
    Health,
    SendRefused,
    SendRejected,
    Validity,
)
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon
from tests.hub_lambdas.test_pipeline import outcomes, run

pytestmark = pytest.mark.django_db(transaction=True)
Write = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def member(channel: Channel, sqs: FakeSqs) -> None:
    Channel.objects.update(checked_at=None)
    user = User.objects.create_user("ann@example.com")
    Member.objects.create(organization=Organization.objects.get(), user=user, role="admin", gets_alerts=True)


def says(monkeypatch: pytest.MonkeyPatch, check: object, register: object = None) -> None:
    """What the platform says when it is asked, and when the channel is connected anew."""
    register = register or Health("pigeon")
    for name, said in (("check", check), ("identify", register), ("register", register)):

        def tell(self: Pigeon, account: object, url: str = "", said: Any = said) -> Any:
            if isinstance(said, Exception):
                raise said
            return said

        monkeypatch.setattr(Pigeon, name, tell)


def test_the_sweep_asks_each_channel_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, Health("The Loft"))
    assert sweep.handler({}, None)["examined"] == 1
    assert sweep.handler({}, None)["examined"] == 0
    channel = Channel.objects.get()
    assert (channel.account, channel.status_reason) == ("The Loft", "")
    assert due_for_examination(timezone.now() + timedelta(hours=25)) == [channel.pk]


@pytest.mark.parametrize("state", [{"status": "retired"}, {"status": "paused"}, {"kind": "gone"}])
def test_it_leaves_what_is_not_connected(state: dict[str, str]) -> None:
    Channel.objects.update(**state)
    assert due_for_examination(timezone.now()) == []


def test_a_token_that_is_not_accepted_pauses_the_channel_and_its_admins_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    says(monkeypatch, CredentialRejected("The token ended."))
    sweep.handler({}, None)
    assert Channel.objects.get().is_held
    sweep.handler({}, None)
    [message] = mail.outbox
    assert "is paused: The token ended." in message.body


def test_what_was_held_goes_on_when_the_token_is_good_again(
    sqs: FakeSqs, write: Write, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    run(sqs)
    Channel.objects.get().hold("The token ended.")
    write(message_id="2")
    run(sqs)
    assert outcomes()[1] == ("open", "")
    says(monkeypatch, Health("pigeon"))
    sweep.handler({}, None)
    assert sqs.run("wakeups", wakeups.handler) == 0
    run(sqs)
    assert outcomes()[1] == ("answered", "")
    assert len(pigeon.sent) == 2


def test_a_platform_out_of_reach_says_nothing_of_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, SendRefused("no connection"))
    assert sweep.handler({}, None)["examined"] == 1
    channel = Channel.objects.get()
    assert (channel.status, channel.status_reason) == ("active", "")
    assert due_for_examination(timezone.now()) == []


def test_what_connecting_anew_mends_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    said = [Health("pigeon", ["The webhook leads elsewhere."]), Health("pigeon")]
    monkeypatch.setattr(Pigeon, "check", lambda self, account, url: said.pop(0))
    sweep.handler({}, None)
    assert Channel.objects.get().status_reason == ""
    assert mail.outbox == []


def test_what_it_does_not_mend_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, Health("pigeon", ["The token ends on 1 December."]))
    for _ in range(2):
        Channel.objects.update(checked_at=None)
        sweep.handler({}, None)
        sweep.handler({}, None)
    [message] = mail.outbox
    assert message.subject == "1 channel needs attention · The Loft"
    assert "needs attention: The token ends on 1 December." in message.body


class TestTwoChannelsOfOneAccount:
    @pytest.fixture(autouse=True)
    def other(self, channel: Channel, monkeypatch: pytest.MonkeyPatch) -> Channel:
        self.registered: list[object] = []
        known = Health("pigeon", address="7")
        monkeypatch.setattr(Pigeon, "identify", lambda kind, account: known)
        monkeypatch.setattr(
            Pigeon, "register", lambda kind, account, url: self.registered.append(account) or known
        )
        return Channel.objects.create(
            organization=channel.organization,
            kind="pigeon",
            name="Other",
            address="7",
            checked_at=timezone.now(),
        )

    def test_the_first_keeps_it_and_the_platform_is_told_nothing(self, channel: Channel) -> None:
        assert connect(channel).problems == [TAKEN]
        channel.refresh_from_db()
        assert (channel.address, channel.status_reason) == ("", TAKEN)
        assert self.registered == []

    def test_one_whose_credential_is_broken_gives_way(self, channel: Channel, other: Channel) -> None:
        other.hold("The token ended.")
        assert connect(channel).problems == []
        channel.refresh_from_db()
        other.refresh_from_db()
        assert (channel.address, other.address, other.status) == ("7", "", "paused")

    def test_a_retired_one_comes_back_without_it(self, channel: Channel, other: Channel) -> None:
        Channel.objects.filter(pk=other.pk).update(status="retired")
        assert connect(channel).problems == []
        other.refresh_from_db()
        resume(other)
        assert connect(other).problems == [TAKEN]


def test_one_that_stumbles_is_no_longer_first_in_line(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, UnicodeEncodeError("latin-1", "", 0, 1, "a token with an odd character"))
    assert sweep.handler({}, None)["examined"] == 1
    assert sweep.handler({}, None)["examined"] == 0


def test_the_command_says_how_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, Health("pigeon"))
    said = StringIO()
    call_command("check_channels", stdout=said)
    assert said.getvalue().splitlines() == [
        "loft/pigeon/Loft (pigeon): active, well",
        "    webhook: not known",
        "    last webhook: never",
        "1 checked, 0 with problems.",
    ]
    says(monkeypatch, CredentialRejected("The token ended."))
    with pytest.raises(SystemExit):
        call_command("check_channels", "--organization", "loft", stdout=said)
    assert "paused, The token ended." in said.getvalue()


class TestACredentialThatEndsBeforeLong:
    def renews(self, monkeypatch: pytest.MonkeyPatch, said: object) -> None:
        def renew(kind: Pigeon, account: object) -> Any:
            if isinstance(said, Exception):
                raise said
            return said

        monkeypatch.setattr(Pigeon, "renew", renew)

    def test_it_is_renewed_in_the_daily_examination(
        self, channel: Channel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.renews(monkeypatch, {"ring": "the-new-ring"})
        sweep.handler({}, None)
        channel.refresh_from_db()
        assert channel.credentials == {"ring": "the-new-ring"}
        assert (channel.status, channel.status_reason) == ("active", "")
        assert "the-new-ring" not in caplog.text

    def test_that_it_is_refused_is_told_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.renews(monkeypatch, SendRejected("The ring ends on 3 December and was not renewed."))
        for _ in range(2):
            Channel.objects.update(checked_at=None)
            sweep.handler({}, None)
            sweep.handler({}, None)
        [message] = mail.outbox
        assert "needs attention: The ring ends on 3 December and was not renewed." in message.body
        self.renews(monkeypatch, None)
        Channel.objects.update(checked_at=None)
        sweep.handler({}, None)
        assert Channel.objects.get().status_reason == ""

    def test_that_nobody_could_be_asked_is_no_news(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.renews(monkeypatch, SendRefused("no connection"))
        sweep.handler({}, None)
        assert Channel.objects.get().status_reason == ""

    def test_what_an_admin_enters_meanwhile_counts(
        self, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def renew(kind: Pigeon, account: object) -> dict[str, str]:
            other = Channel.objects.get()
            other.credentials = {"ring": "by-hand"}
            other.save()
            return {"ring": "the-new-ring"}

        monkeypatch.setattr(Pigeon, "renew", renew)
        connect(channel)
        assert Channel.objects.get().credentials == {"ring": "by-hand"}


def test_what_the_platform_says_is_kept_in_words(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    ends_at = timezone.now() + timedelta(days=40, minutes=1)
    secret = Field("ring", "Ring", secret=True)
    monkeypatch.setattr(Pigeon, "fields", (secret,))
    validity = Validity(ends_at, missing_permissions=[])
    says(monkeypatch, Health("The Loft", validity=validity, delivers_here=True))
    said = StringIO()
    call_command("check_channels", stdout=said)
    assert said.getvalue().splitlines()[1:-1] == [
        f"    credential: valid until {ends_at:%-d %B %Y} (40 d)",
        "    permissions: complete",
        "    webhook: leads here",
        "    last webhook: never",
    ]
    says(monkeypatch, CredentialRejected("The token ended."))
    with pytest.raises(SystemExit):
        call_command("check_channels", stdout=said)
    assert "    credential: not accepted" in said.getvalue()
