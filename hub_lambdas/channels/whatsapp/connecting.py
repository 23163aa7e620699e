"""A number of WhatsApp: whose it is, where its messages go, and what is wrong with it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hub_lambdas.channels import meta, payloads, subscriptions
from hub_lambdas.channels.base import Account, ChannelError, Health
from hub_lambdas.channels.whatsapp.api import GRAPH, business_account_id, phone_number_id
from hub_lambdas.channels.whatsapp.receiving import OBJECT
from hub_lambdas.sentences import stored

PERMISSIONS = ("whatsapp_business_messaging", "whatsapp_business_management")
_STATUS = re.compile(r"[A-Z_]{1,40}")


def identify(account: Account) -> Health:
    """Which number it is stands in the channel, also where Meta does not say whose."""
    number_id = phone_number_id(account)
    try:
        return Health(_account_name(_ask_number(account)), address=number_id)
    except ChannelError as error:
        return Health("", [str(error)], number_id)


def register(account: Account, webhook_url: str) -> Health:
    """Subscribe the app that the token belongs to.

    An organization's own app may have any address, or none, so its messages are sent here by an override
    for the whole business account. The hub's own app has the right address, for all organizations: a
    subscription without a body also takes away an override from before.
    """
    number_id, name = phone_number_id(account), _account_name(_ask_number(account))
    override = None
    if _has_own_app(account):
        verify_token = account.credentials.get("verify_token")
        override = {"override_callback_uri": webhook_url, "verify_token": verify_token}
    elif meta.shared_account() is None:
        missing = stored("This hub has no Meta app of its own: enter the app secret of yours.")
        return Health(name, [missing], number_id)
    waba_id = business_account_id(account)
    GRAPH.call(meta.token(account), "POST", f"{waba_id}/subscribed_apps", override)
    if override:
        _subscribe_app(account, webhook_url)
    return Health(name, address=number_id, parent=waba_id)


def _subscribe_app(account: Account, webhook_url: str) -> None:
    """Have an organization's own app deliver messages, where it delivers nothing of WhatsApp yet. One that
    does is left as it is: a subscription has one address, which somebody else may rely on."""
    if subscriptions.find(GRAPH, account, OBJECT) == []:
        subscriptions.subscribe(GRAPH, account, OBJECT, [subscriptions.MESSAGES], webhook_url)


def check(account: Account, webhook_url: str) -> Health:
    number, has_own_app = _ask_number(account), _has_own_app(account)
    waba_id = business_account_id(account)
    path = f"{waba_id}/subscribed_apps"

    def delivery_problems() -> list[str]:
        subscribed = GRAPH.call(meta.token(account), "GET", path)
        return [*_webhook_problems(number, subscribed, webhook_url, has_own_app)]

    undelivered = [
        *meta.asked_beside(delivery_problems),
        *_app_problems(account),
    ]
    validity, token_problems = meta.inspect_token(GRAPH, account, PERMISSIONS)
    problems = [*_number_problems(number), *undelivered, *token_problems]
    return Health(
        _account_name(number), problems, phone_number_id(account), waba_id, validity, not undelivered
    )


def unregister(account: Account) -> None:
    """Of the app that the token belongs to, for all numbers of the business account."""
    GRAPH.call(meta.token(account), "DELETE", f"{business_account_id(account)}/subscribed_apps")


def renew(account: Account) -> Mapping[str, Any] | None:
    """The token that Meta's "API setup" page shows ends after a day: it is exchanged for one of 60 days.
    That of a system user may have no end."""
    return meta.exchange(GRAPH, account, lambda token: payloads.find(_ask_number(account, token), "id"))


def _has_own_app(account: Account) -> bool:
    return bool(meta.app_secrets(account))


def _ask_number(account: Account, token: str = "") -> Any:
    fields = "status,display_phone_number,verified_name,quality_rating,webhook_configuration"
    return GRAPH.call(token or meta.token(account), "GET", phone_number_id(account), query={"fields": fields})


def _account_name(number: Any) -> str:
    parts = payloads.text(number, "verified_name"), payloads.text(number, "display_phone_number")
    return " ".join(filter(None, parts))


def _app_problems(account: Account) -> list[str]:
    found = subscriptions.find(GRAPH, account, OBJECT)
    has_messages = found is None or any(each.has_messages for each in found)
    return [] if has_messages else [subscriptions.NOT_SUBSCRIBED]


def _number_problems(number: Any) -> Iterator[str]:
    status = payloads.text(number, "status")
    if status != "CONNECTED":
        said = status if _STATUS.fullmatch(status) else "in a state that it does not name"
        yield stored("The number is %(said)s: open it in WhatsApp Manager, which says what to do.", said=said)
    if payloads.text(number, "quality_rating") == "RED":
        yield stored(
            "Contacts often block or report this number: WhatsApp may soon let it send less, or nothing."
        )


def _webhook_problems(number: Any, subscribed: Any, webhook_url: str, has_own_app: bool) -> Iterator[str]:
    """Messages go to the address of the number, else to that of its business account, else to the app's.
    Several numbers of one account share the second: any channel's address of the hub will do, for each
    message finds its own channel; and the hub's own app delivers to one address for all."""
    if not payloads.find(subscribed, "data"):
        yield stored("WhatsApp delivers no messages: save the channel again, which subscribes to them.")
        return
    known = payloads.find(number, "webhook_configuration")
    levels = ("phone_number", "whatsapp_business_account", "application")
    delivers_to = next(filter(None, (payloads.text(known, level) for level in levels)), "")
    shared_url = webhook_url.rpartition("/")[0]
    if delivers_to.startswith(f"{shared_url}/") or (delivers_to == shared_url and not has_own_app):
        return
    if has_own_app:
        yield (
            stored(
                "WhatsApp delivers to another address: save the channel again, and make sure that no other "
                "program sets the webhook of this number."
            )
        )
    else:
        yield (
            stored(
                "WhatsApp delivers to another address: use a token of the hub's Meta app, or enter the app "
                "secret of your own."
            )
        )
