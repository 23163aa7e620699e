"""The page with an organization's settings: what is entered is kept, refused with a reason, and logged."""

import html
from typing import Any

import pytest

from console.audit.models import Change
from console.channels.models import Channel
from console.organizations.models import Organization
from tests import factories
from tests.console.conftest import World, body, signed_in
from tests.console.test_members import settings_data

RULES = {
    "business_hours_0": "9-12.30, 14:00-18:00",
    "business_hours_4": "22:00-2:00",
    "closed_dates": "12-25 Christmas\r\n2026-12-31",
    "after_hours": "hand_over",
    "away_text": "Back {{back}}.",
    "request_phrases": "kto zywy",
    "handover_words": "refund\r\nmoney back",
    "handover_topics": "Complaint: not happy, bad",
    "handover_after_turns": "5",
}


def post(world: World, **changes: Any) -> str:
    url = f"/organizations/organization/{world.organization.pk}/change/"
    response = signed_in(world.admin).post(url, settings_data(world.organization) | changes)
    world.organization.refresh_from_db()
    return html.unescape(body(response))


def test_hours_and_rules_are_kept_as_they_were_meant(world: World) -> None:
    post(world, **RULES)
    found = world.organization
    assert found.business_hours == "monday 09:00-12:30, 14:00-18:00\nfriday 22:00-02:00"
    assert found.hours is not None
    assert found.rules.words == ("refund", "money back")
    assert [topic.label for topic in found.rules.topics] == ["Complaint"]
    assert (found.after_hours, found.handover_after_turns) == ("hand_over", 5)
    page = body(signed_in(world.admin).get(f"/organizations/organization/{found.pk}/change/"))
    assert 'value="09:00-12:30, 14:00-18:00"' in page


def test_the_audit_log_says_what_they_were(world: World) -> None:
    post(world, **RULES)
    change = Change.objects.filter(thing="organization").latest("pk")
    assert change.before["handover_words"] == ""
    assert change.after["business_hours"].startswith("monday 09:00-12:30")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"business_hours_1": "9 to 5"}, "Tuesday: “9 to 5” is no time span: write 09:00-18:00."),
        (
            {"business_hours_6": "9:00-12:00, 11:00-13:00"},
            "Sunday: “9:00-12:00, 11:00-13:00”: these hours overlap.",
        ),
        ({"closed_dates": "Christmas"}, "“Christmas” is no date"),
        ({"away_text": "Back {{soon}}."}, "There is no variable {{soon}}: write one of {{back}}."),
        ({"handover_topics": "Complaint"}, "“Complaint” is no topic"),
        ({"handover_words": "!!!"}, "“!!!” has no letter in it."),
        ({"retention_days": "0"}, "Ensure this value is greater than or equal to 1."),
        ({"other_languages": ["en"]}, "en is the organization's own language."),
    ],
)
def test_what_is_refused_is_said(world: World, changes: dict[str, Any], problem: str) -> None:
    page = post(world, **changes)
    assert problem in page
    assert 'class="hub-settings-wrong"' in page
    for text in changes.values():  # it is still there, to be mended
        assert isinstance(text, list) or text in page


def test_the_texts_that_a_language_lacks(world: World) -> None:
    page = body(signed_in(world.admin).get(f"/organizations/organization/{world.organization.pk}/change/"))
    assert "<b>Deutsch (de)</b>: Fallback, Apology, Limit line, Busy line, Media line, Away text" in page


def test_what_the_bot_does_on_each_channel(world: World) -> None:
    Channel.objects.filter(pk=world.channel.pk).update(bot="drafts")
    url = f"/organizations/organization/{world.organization.pk}/change/"
    page = body(signed_in(world.admin).get(url))
    assert "Zebra Line</a>: Writes drafts that staff send" in page
    page = body(signed_in(world.ops).get(url))
    assert "Zebra Line" in page
    assert 'name="handover_words"' not in page, "ops read the settings"


def test_a_channels_bot_is_chosen_on_its_page(world: World, semaphore: object) -> None:
    channel = factories.make_channel(world.organization, kind="semaphore", credentials={"token": "right"})
    data = {"name": channel.name, "bot": "silent", "option_greeting": "", "option_flags": ""}
    url = f"/channels/channel/{channel.pk}/change/"
    assert signed_in(world.admin).post(url, data).status_code == 302
    channel.refresh_from_db()
    assert (channel.bot, channel.tells_contacts) == ("silent", False)
    assert ">Off<" in "".join(body(signed_in(world.admin).get("/channels/channel/")).split())
    page = body(signed_in(world.admin).post(url, data | {"bot": "sings"}))
    assert "sings is not one of the available choices" in page
    assert Organization.objects.count() == 2
