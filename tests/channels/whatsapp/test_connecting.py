"""How a number is connected and looked after."""

import time
from datetime import UTC, datetime

import pytest
from pytest_django import Settings

from hub_lambdas.channels.base import (
    Account,
    CredentialRejected,
    InboundMessage,
    Receipt,
    SendRejected,
    Validity,
)
from hub_lambdas.channels.subscriptions import NOT_SUBSCRIBED
from tests.channels.whatsapp.conftest import ANN, BOB, KIND, NUMBER, TOKEN, WABA, hub, send
from tests.fakes.whatsapp import OBJECT, WINDOW_SECONDS, FakeWhatsApp


def test_an_own_app_is_pointed_at_the_channels_address(platform: FakeWhatsApp, own: Account) -> None:
    with hub(own) as (url, taken):
        health = KIND.register(own, url)
        assert (health.account, list(health.problems), health.address) == (
            "Lakeside Clinic +49 30 901820",
            [],
            NUMBER,
        )
        assert list(KIND.check(own, url).problems) == []
        platform.write(NUMBER, ANN, "hello")
        platform.wait_until_delivered()
    (message,) = taken
    assert isinstance(message, InboundMessage)
    assert (message.text, message.sender.platform_id, message.sender.alias) == (
        "hello",
        ANN.user_id,
        ANN.phone,
    )


def knowing_its_app(own: Account) -> Account:
    """The same where the app's id was entered too."""
    return Account(own.channel_id, {**own.credentials, "app_id": "200"})


def test_an_own_app_that_delivers_nothing_yet_is_subscribed_to_messages(
    platform: FakeWhatsApp, own: Account
) -> None:
    known = knowing_its_app(own)
    with hub(known) as (url, _):
        assert list(KIND.register(known, url).problems) == []
        assert (platform.apps["200"].callbacks, platform.apps["200"].fields) == (
            {OBJECT: url},
            {OBJECT: ["messages"]},
        )
        assert list(KIND.check(known, url).problems) == []


def test_what_an_own_app_delivers_to_others_stays_and_what_it_leaves_out_is_said(
    platform: FakeWhatsApp, own: Account
) -> None:
    known, app = knowing_its_app(own), platform.apps["200"]
    app.callbacks[OBJECT], app.fields[OBJECT] = "https://elsewhere.example", ["account_update"]
    with hub(known) as (url, _):
        KIND.register(known, url)
        assert app.callbacks == {OBJECT: "https://elsewhere.example"}
        checked = KIND.check(known, url)
        assert list(checked.problems) == [NOT_SUBSCRIBED]
        assert checked.delivers_here is False
        app.fields[OBJECT] = ["account_update", "messages"]
        assert list(KIND.check(known, url).problems) == []


def test_a_wrong_app_secret_is_said_once_and_keeps_nothing_from_arriving(
    platform: FakeWhatsApp, own: Account
) -> None:
    wrong = Account(own.channel_id, {**knowing_its_app(own).credentials, "app_secret": "another"})
    with hub(wrong) as (url, _):
        assert list(KIND.register(wrong, url).problems) == []
        assert len(KIND.check(wrong, url).problems) == 1


def test_what_it_sent_is_reported_with_its_reference(platform: FakeWhatsApp, own: Account) -> None:
    with hub(own) as (url, taken):
        KIND.register(own, url)
        platform.write(NUMBER, ANN, "hello")
        platform_id = send(own, contact=ANN.user_id)
        platform.report(platform_id, "read")
        platform.wait_until_delivered()
    receipts = [each for each in taken if isinstance(each, Receipt)]
    assert {each.reached.value for each in receipts} == {"sent", "delivered", "read"}
    assert {(each.reference, each.message_platform_id) for each in receipts} == {("77", platform_id)}


def test_after_24_hours_the_report_says_that_it_failed(platform: FakeWhatsApp, own: Account) -> None:
    window = KIND.reply_window(own, ANN.phone)
    assert window is not None
    assert window.bot.total_seconds() == window.staff.total_seconds() == WINDOW_SECONDS
    with hub(own) as (url, taken):
        KIND.register(own, url)
        platform.write(NUMBER, ANN, "hello")
        later = time.time() + WINDOW_SECONDS + 60
        platform.now = lambda: later
        send(own, contact=ANN.user_id)
        platform.wait_until_delivered()
    (failed,) = [each for each in taken if isinstance(each, Receipt)]
    assert "24 hours" in failed.failure
    assert "131047" in failed.failure


def test_a_webhook_comes_again_until_it_is_taken(platform: FakeWhatsApp, own: Account) -> None:
    with hub(own) as (url, taken):
        KIND.register(own, url)
        platform.apps["200"].secret = "renewed"
        platform.write(NUMBER, ANN, "hello")
        platform.wait_until(lambda fake: [each.status for each in fake.deliveries].count(401) >= 2)
        assert not taken
        platform.apps["200"].secret = "own-secret"
        platform.wait_until_delivered()
    assert len(taken) == 1


def test_the_hubs_app_needs_no_address_of_the_channels(platform: FakeWhatsApp, shared: Account) -> None:
    hubs_own = KIND.shared_account()
    with hub(shared, hubs_own) as (url, taken):
        platform.apps["100"].callbacks[OBJECT] = url.removesuffix("/one")
        platform.subscriptions[WABA, "100"] = "https://elsewhere.example/from-before"
        health = KIND.register(shared, url)
        assert (list(health.problems), health.address) == ([], NUMBER)
        assert platform.subscriptions == {(WABA, "100"): ""}
        assert list(KIND.check(shared, url).problems) == []
        platform.add_number("7", WABA)
        platform.deliver(platform.compose(NUMBER, ANN, "one"), platform.compose("7", BOB, "two"))
        platform.wait_until_delivered()
    assert [(each.address, each.type) for each in taken] == [(NUMBER, "message"), ("7", "message")]
    assert len(platform.deliveries) == 1


def test_who_leaves_is_subscribed_no_more_and_other_apps_are(platform: FakeWhatsApp, shared: Account) -> None:
    platform.subscriptions |= {(WABA, "100"): "", (WABA, "200"): ""}
    KIND.unregister(shared, "https://hub.example/whatsapp/one")
    assert platform.subscriptions == {(WABA, "200"): ""}


def test_without_any_app_the_secret_is_asked_for(
    platform: FakeWhatsApp, shared: Account, settings: Settings
) -> None:
    settings.META_APP_SECRET = ""
    health = KIND.register(shared, "https://hub.example/whatsapp/one")
    assert "app secret" in " ".join(health.problems)
    assert not platform.subscriptions


def test_an_address_that_meta_cannot_verify_is_said(platform: FakeWhatsApp, own: Account) -> None:
    other = Account(own.channel_id, {**own.credentials, "verify_token": "another"})
    with hub(other) as (url, _), pytest.raises(SendRejected, match="verification failed"):
        KIND.register(own, url)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"access_token": "other"}, "190"),
        ({"phone_number_id": "1"}, "100/33"),
        ({"waba_id": "x"}, "account id"),
    ],
)
def test_a_wrong_credential_cannot_be_registered(
    platform: FakeWhatsApp, own: Account, wrong: dict[str, str], said: str
) -> None:
    with pytest.raises(CredentialRejected, match=said):
        KIND.register(Account(own.channel_id, {**own.credentials, **wrong}), "http://127.0.0.1:9/whatsapp/x")


def test_the_hubs_verify_token_is_new_for_each_channel() -> None:
    first, second = KIND.new_secrets(), KIND.new_secrets()
    assert first != second
    assert len(first["verify_token"]) > 30


URL = "https://hub.example/whatsapp/one"


def check_own(platform: FakeWhatsApp, own: Account, delivers_to: str = URL) -> str:
    platform.subscriptions[WABA, "200"] = delivers_to
    return " ".join(KIND.check(own, URL).problems)


def test_problems_of_the_number_are_told_in_plain_words(platform: FakeWhatsApp, own: Account) -> None:
    assert check_own(platform, own) == ""
    platform.numbers[NUMBER].quality = "YELLOW"
    assert check_own(platform, own) == ""
    platform.numbers[NUMBER].quality = "RED"
    assert "block or report" in check_own(platform, own)
    platform.numbers[NUMBER].status = "BANNED"
    assert "BANNED" in check_own(platform, own)


def test_a_webhook_that_went_elsewhere_is_noticed(platform: FakeWhatsApp, own: Account) -> None:
    assert "another address" in check_own(platform, own, "https://elsewhere.example/hook")
    assert "another address" in check_own(platform, own, "https://hub.example/whatsapp"), "another's secret"
    assert check_own(platform, own, "https://hub.example/whatsapp/two") == "", (
        "of another number of the account"
    )
    platform.subscriptions.clear()
    assert "delivers no messages" in " ".join(KIND.check(own, URL).problems)


def test_a_token_of_another_app_is_noticed(platform: FakeWhatsApp, shared: Account) -> None:
    platform.apps["100"].callbacks[OBJECT] = "https://elsewhere.example/hook"
    platform.subscriptions[WABA, "100"] = ""
    assert "app secret" in " ".join(KIND.check(shared, URL).problems)


def test_a_token_is_complained_about_before_it_ends(platform: FakeWhatsApp, shared: Account) -> None:
    platform.apps["100"].callbacks[OBJECT] = "https://hub.example/whatsapp"
    platform.subscriptions[WABA, "100"] = ""
    assert list(KIND.check(shared, URL).problems) == []
    platform.tokens["of-the-hub"].expires_at = time.time() + 3 * 86400
    assert "ends on" in " ".join(KIND.check(shared, URL).problems)


def check_token(platform: FakeWhatsApp, own: Account) -> Validity:
    platform.subscriptions[WABA, "200"] = URL
    return KIND.check(own, URL).validity


def test_the_end_of_a_token_of_ones_own_app_is_known_where_it_can_be(
    platform: FakeWhatsApp, own: Account
) -> None:
    """By the app's id, or where the token is a developer's and may inspect itself."""
    token = platform.tokens[TOKEN]
    token.expires_at = time.time() + 3 * 86400
    assert check_token(platform, own) == Validity()
    with_id = Account(own.channel_id, {**own.credentials, "app_id": "200"})
    until = datetime.fromtimestamp(int(token.expires_at), UTC)
    assert check_token(platform, with_id) == Validity(until, missing_permissions=[])
    token.is_developers = True
    assert check_token(platform, own) == Validity(until, missing_permissions=[])
    assert "ends on" in " ".join(KIND.check(own, URL).problems)
    token.scopes = ("whatsapp_business_messaging",)
    assert "lacks the permission whatsapp_business_management" in " ".join(KIND.check(own, URL).problems)


def test_a_token_of_a_day_is_exchanged_for_one_of_sixty(platform: FakeWhatsApp, own: Account) -> None:
    platform.tokens[TOKEN].expires_at = time.time() + 86400
    assert KIND.renew(own) is None, "without the app's id there is nothing to exchange it with"
    account = Account(own.channel_id, {**own.credentials, "app_id": "200"})
    changed = KIND.renew(account)
    assert changed is not None
    longer = Account(own.channel_id, {**account.credentials, **changed})
    ends_at = check_token(platform, longer).ends_at
    assert ends_at is not None
    assert ends_at.timestamp() > time.time() + 59 * 86400
    assert KIND.renew(longer) is None
