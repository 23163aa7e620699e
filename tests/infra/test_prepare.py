"""What `make run` prepares: the demo organizations, connected to the simulator."""

from pathlib import Path

import pytest
from pytest_django import Settings

from console.channels.connection import connect
from console.channels.models import Channel
from console.organizations.models import Organization
from infra.local.prepare import connect_simulator, import_demos
from tests import factories
from tests.simulating import django_settings, simulating

# The platforms are called after the commit.
pytestmark = pytest.mark.django_db(transaction=True)

HUB = "http://127.0.0.1:9"
KINDS = ["instagram", "messenger", "telegram", "twilio", "whatsapp"]


def channels() -> list[Channel]:
    return list(Channel.objects.exclude(kind="webchat").order_by("organization__name", "kind"))


def test_the_demo_has_a_channel_of_every_kind_also_at_a_simulator_that_has_forgotten_it(
    tmp_path: Path, settings: Settings
) -> None:
    settings.WEBHOOK_URL = HUB
    assert import_demos()
    assert not import_demos()
    with simulating(tmp_path, HUB) as simulator:
        for name, value in django_settings(simulator).items():
            setattr(settings, name, value)
        assert connect_simulator(tmp_path) == 10
        assert connect_simulator(tmp_path) == 0

    assert [each.kind for each in channels()] == KINDS * 2
    assert {each.status_reason for each in channels()} == {""}
    paused = channels()[0]
    Channel.objects.filter(pk=paused.pk).update(status=Channel.Status.PAUSED)

    (tmp_path / "state.json").unlink()
    with simulating(tmp_path, HUB) as simulator:
        for name, value in django_settings(simulator).items():
            setattr(settings, name, value)
        assert connect_simulator(tmp_path) == 0
        known = simulator.records.values()
        webhooks = [simulator.platforms[each.kind].webhook_of(each.address) for each in known]
        assert sorted(map(bool, webhooks)) == [False] + [True] * 9  # what somebody paused is left alone
    assert {each.status_reason for each in channels()} == {""}


def test_organizations_of_ones_own_are_not_connected(tmp_path: Path, settings: Settings) -> None:
    factories.make_organization("own")
    with simulating(tmp_path, HUB):
        assert connect_simulator(tmp_path) == 0

    assert list(Organization.objects.values_list("slug", flat=True)) == ["own"]


def test_a_real_token_is_told_that_this_is_the_simulator(tmp_path: Path, settings: Settings) -> None:
    with simulating(tmp_path, HUB) as simulator:
        for name, value in django_settings(simulator).items():
            setattr(settings, name, value)
        channel = factories.make_channel(factories.make_organization(), credentials={"bot_token": "123:real"})
        problems = connect(channel).problems

    assert problems[0].startswith("This is the simulator; it knows the accounts that were opened at http://")
    assert "make run PLATFORMS=real" in problems[0]
