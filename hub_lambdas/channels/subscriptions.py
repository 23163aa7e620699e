"""What a Meta app delivers, and where: its subscriptions, one for each kind of object
(developers.facebook.com/docs/graph-api/reference/app/subscriptions). Only the app's own token may ask."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from hub_lambdas.channels import meta, payloads
from hub_lambdas.channels.base import Account, CredentialRejected
from hub_lambdas.sentences import stored

MESSAGES = "messages"
"""The field without which nothing that contacts write arrives."""
NOT_SUBSCRIBED = stored(
    "The Meta app leaves out the field messages: subscribe to it on the app's page Webhooks."
)


@dataclass(frozen=True)
class Subscription:
    """Where an app delivers what happens to an object ("page"), and which fields of it; None where Meta does
    not tell."""

    address: str
    fields: Collection[str] | None

    def leads_to(self, webhook_url: str) -> bool:
        """Whether it delivers to the hub: to any of its channels' addresses, or to the one that serves
        all."""
        base = webhook_url.rpartition("/")[0]
        return self.address == base or self.address.startswith(f"{base}/")

    @property
    def has_messages(self) -> bool:
        return self.fields is None or MESSAGES in self.fields


def find(graph: meta.Graph, account: Account, object_: str) -> Sequence[Subscription] | None:
    """The subscriptions of a channel's app to an object, one at most; None where nobody can ask: the app's id
    or secret is not known, or wrong, which `meta.inspect_token` says. Raises ChannelError."""
    app_token = meta.app_token(account)
    if not app_token:
        return None
    try:
        listed = payloads.find(graph.call(app_token, "GET", _path(app_token)), "data")
    except CredentialRejected:
        return None
    return [_subscription(each) for each in _items(listed) if _is_active(each, object_)]


def subscribe(
    graph: meta.Graph, account: Account, object_: str, fields: Sequence[str], webhook_url: str
) -> None:
    """Have an app deliver to a channel. Meta asks there at once whether it is meant. Raises ChannelError."""
    app_token = meta.app_token(account)
    wanted = {
        "object": object_,
        "callback_url": webhook_url,
        "verify_token": account.credentials.get("verify_token", ""),
        "fields": ",".join(fields),
    }
    graph.call(app_token, "POST", _path(app_token), wanted)


def _path(app_token: str) -> str:
    return f"{app_token.partition('|')[0]}/subscriptions"


def _is_active(item: Any, object_: str) -> bool:
    return payloads.find(item, "object") == object_ and payloads.find(item, "active") is not False


def _subscription(item: Any) -> Subscription:
    """Meta lists fields as objects with a name."""
    fields = payloads.find(item, "fields")
    names = {payloads.text(each, "name") for each in _items(fields)} - {""}
    return Subscription(payloads.text(item, "callback_url"), names or None)


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
