"""Having a sender's messages come here, and knowing that they do."""

from typing import Any

import pytest
from pytest_django import Settings

from hub_lambdas.channels import client
from hub_lambdas.channels.base import (
    CredentialRejected,
)
from hub_lambdas.channels.twilio.api import RETRIES
from tests.channels.twilio.conftest import CHANNEL, KIND, account
from tests.fakes.platform import Fault
from tests.fakes.twilio import ACCOUNT_SID, NUMBER, SERVICE_SID, WHATSAPP, ApiError, FakeTwilio

WEBHOOK = f"https://hub.example/twilio/{CHANNEL}"
SENDERS = {"number": NUMBER, "whatsapp": WHATSAPP, "service": SERVICE_SID}


def inbox(platform: FakeTwilio, sender: str) -> tuple[Any, Any]:
    """Where the fake delivers to, and how."""
    if sender == SERVICE_SID:
        return platform.service["inbound_request_url"], platform.service["inbound_method"]
    if sender == WHATSAPP:
        webhook = platform.whatsapp[WHATSAPP]["webhook"]
        return webhook["callback_url"], webhook["callback_method"]
    return platform.numbers[NUMBER]["sms_url"], platform.numbers[NUMBER]["sms_method"]


@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS.keys())
def test_registration_points_the_sender_here(platform: FakeTwilio, sender: str) -> None:
    own = account(sender=sender)
    assert "delivers no messages" in " ".join(KIND.check(own, WEBHOOK).problems)
    health = KIND.register(own, WEBHOOK)
    assert (health.account, list(health.problems), health.address) == (f"Bright Smile {sender}", [], "")
    assert inbox(platform, sender) == (f"{WEBHOOK}{RETRIES}", "POST")
    checked = KIND.check(own, WEBHOOK)
    assert (checked.account, list(checked.problems)) == (health.account, [])


@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS.keys())
def test_a_sender_that_leaves_posts_nowhere_and_one_that_posts_elsewhere_is_let_be(
    platform: FakeTwilio, sender: str
) -> None:
    own = account(sender=sender)
    KIND.register(own, WEBHOOK)
    KIND.unregister(own, f"{WEBHOOK}-of-another")
    assert inbox(platform, sender)[0] == f"{WEBHOOK}{RETRIES}"
    KIND.unregister(own, WEBHOOK)
    assert inbox(platform, sender)[0] == ""


def test_registration_touches_no_other_number(platform: FakeTwilio) -> None:
    """Twilio's search for a number finds those that contain it."""
    KIND.register(account(), WEBHOOK)
    assert [number for number, each in platform.numbers.items() if each["sms_url"]] == [NUMBER]


def test_an_app_that_went_before_the_address_is_taken_off(platform: FakeTwilio) -> None:
    platform.numbers[NUMBER] |= {"sms_url": WEBHOOK + RETRIES, "sms_application_sid": "AP1"}
    assert "another address" in " ".join(KIND.check(account(), WEBHOOK).problems)
    KIND.register(account(), WEBHOOK)
    assert platform.numbers[NUMBER]["sms_application_sid"] == ""
    assert not KIND.check(account(), WEBHOOK).problems


@pytest.mark.parametrize("sender", ["+1999", "whatsapp:+1999", "55512", ""])
def test_what_the_api_does_not_know_is_to_be_entered_by_hand(platform: FakeTwilio, sender: str) -> None:
    own = account(sender=sender)
    assert not KIND.register(own, WEBHOOK).problems
    (problem,) = KIND.check(own, WEBHOOK).problems
    assert f"{WEBHOOK}{RETRIES}" in problem
    assert "When a message comes in" in problem
    assert len(problem) <= 300


def test_an_account_without_the_api_for_whatsapp_senders_does_it_by_hand(platform: FakeTwilio) -> None:
    platform.fail_next("Senders", Fault(ApiError(403, 20403, "Forbidden")))
    assert not KIND.register(account(sender=WHATSAPP), WEBHOOK).problems


def test_a_wrong_token_cannot_be_registered(platform: FakeTwilio) -> None:
    with pytest.raises(CredentialRejected, match="copy both"):
        KIND.register(account(auth_token="wrong"), WEBHOOK)


def test_a_service_that_is_not_there_cannot_be_registered(platform: FakeTwilio) -> None:
    with pytest.raises(CredentialRejected, match="messaging service does not exist"):
        KIND.register(account(sender=f"MG{'9' * 32}"), WEBHOOK)


@pytest.mark.parametrize("state", ["suspended", "closed"])
def test_an_account_that_was_closed_is_no_account(platform: FakeTwilio, state: str) -> None:
    platform.account_resource["status"] = state
    with pytest.raises(CredentialRejected, match=state):
        KIND.check(account(), WEBHOOK)


@pytest.mark.parametrize(
    ("url", "method", "expected"),
    [
        (WEBHOOK + RETRIES, "POST", ""),
        (WEBHOOK + "#rc=2", "POST", ""),
        (WEBHOOK, "POST", "gives up on a message after one failure"),
        (WEBHOOK + RETRIES, "GET", "another address"),
        ("https://elsewhere.example/#rc=5&rp=all", "POST", "another address"),
        ("", "POST", "delivers no messages"),
    ],
)
def test_problems_are_told_in_plain_words(platform: FakeTwilio, url: str, method: str, expected: str) -> None:
    platform.numbers[NUMBER] |= {"sms_url": url, "sms_method": method}
    problems = " ".join(KIND.check(account(), WEBHOOK).problems)
    assert expected in problems
    assert bool(problems) is bool(expected)


def test_services_and_whatsapp_senders_are_asked_at_a_host_of_their_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TWILIO_API_URL = "https://api.twilio.com"
    asked: list[str] = []

    def call(platform: str, method: str, url: str, **_: Any) -> client.Answer:
        asked.append(f"{method} {url}")
        return client.Answer(200, {"senders": [{"sender_id": WHATSAPP, "sid": "XE1"}]})

    monkeypatch.setattr(client.CLIENT, "call", call)
    KIND.register(account(sender=WHATSAPP), WEBHOOK)
    assert [each.partition("?")[0] for each in asked] == [
        f"GET https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}.json",
        "GET https://messaging.twilio.com/v2/Channels/Senders",
        "POST https://messaging.twilio.com/v2/Channels/Senders/XE1",
    ]
