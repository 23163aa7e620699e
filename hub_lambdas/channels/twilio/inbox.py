"""Where Twilio posts what people write to a sender: of a number, a WhatsApp sender or a messaging service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import Account, CredentialRejected, SendRejected
from hub_lambdas.channels.twilio.api import RETRIES, account_url, call, credential, is_service, messaging_url
from hub_lambdas.sentences import stored

MAX_SENDERS = 1000
"""Of one account; the most that a page of Twilio's lists holds."""


@dataclass(frozen=True)
class Inbox:
    """Where Twilio posts what people write to a sender; `change` makes the request body that sets another
    address at `resource`."""

    url: str
    method: str
    resource: str
    change: Callable[[str], Mapping[str, Any]]


def find(account: Account) -> Inbox | None:
    """The inbox of the channel's sender; None where Twilio's API does not know it. Raises ChannelError."""
    sender = credential(account, "sender")
    if is_service(sender):
        return _service_inbox(account, sender)
    if sender.startswith("whatsapp:"):
        return _whatsapp_inbox(account, sender)
    return _number_inbox(account, sender)


def _number_inbox(account: Account, sender: str) -> Inbox | None:
    """`PhoneNumber` finds numbers that contain it. A TwiML app, where one is set, goes before the address."""
    numbers_url = f"{account_url(account)}/IncomingPhoneNumbers"
    numbers = call(account, "GET", f"{numbers_url}.json?{urlencode({'PhoneNumber': sender})}")
    found = _matching(numbers, "incoming_phone_numbers", "phone_number", sender)
    if found is None:
        return None
    app = payloads.text(found, "sms_application_sid")
    return Inbox(
        app or payloads.text(found, "sms_url"),
        payloads.text(found, "sms_method"),
        f"{numbers_url}/{_own_sid(found)}.json",
        lambda address: {"form": {"SmsUrl": address, "SmsMethod": "POST", "SmsApplicationSid": ""}},
    )


def _service_inbox(account: Account, sender: str) -> Inbox:
    """A service may leave the choice of the address to its numbers."""
    resource = f"{messaging_url()}/v1/Services/{sender}"
    found = call(account, "GET", resource)
    leaves_it = payloads.find(found, "use_inbound_webhook_on_number") is True
    return Inbox(
        "" if leaves_it else payloads.text(found, "inbound_request_url"),
        payloads.text(found, "inbound_method"),
        resource,
        lambda address: {
            "form": {
                "InboundRequestUrl": address,
                "InboundMethod": "POST",
                "UseInboundWebhookOnNumber": "false",
            }
        },
    )


def _whatsapp_inbox(account: Account, sender: str) -> Inbox | None:
    """The sandbox is in no list, and not every account may use this API: then it is done by hand."""
    senders_url = f"{messaging_url()}/v2/Channels/Senders"
    query = urlencode({"Channel": "whatsapp", "PageSize": MAX_SENDERS})
    try:
        senders = call(account, "GET", f"{senders_url}?{query}")
    except (SendRejected, CredentialRejected):
        return None
    found = _matching(senders, "senders", "sender_id", sender)
    if found is None:
        return None
    return Inbox(
        payloads.text(found, "webhook", "callback_url"),
        payloads.text(found, "webhook", "callback_method"),
        f"{senders_url}/{_own_sid(found)}",
        lambda address: {"content": {"webhook": {"callback_url": address, "callback_method": "POST"}}},
    )


def _matching(page: Any, field: str, name: str, value: str) -> Any:
    items = payloads.find(page, field)
    return next((each for each in items or [] if payloads.find(each, name) == value), None)


def _own_sid(resource: Any) -> str:
    return quote(payloads.text(resource, "sid"), safe="")


def problem_of(inbox: Inbox | None, sender: str, webhook_url: str) -> str:
    """What keeps messages from coming here, in a sentence for an org admin; "" where nothing does."""
    if inbox is None:
        return stored(
            "Twilio's API does not know %(sender)s in this account: check it, or enter "
            "%(address)s%(retries)s at Twilio as “When a message comes in” of the number, sender or sandbox.",
            sender=sender[:50],
            address=webhook_url,
            retries=RETRIES,
        )
    address, _, retries = inbox.url.partition("#")
    if not address:
        return stored("Twilio delivers no messages: save the channel again to register its address.")
    if address != webhook_url or inbox.method.upper() not in ("", "POST"):
        return stored(
            "Twilio delivers to another address: save the channel again, and make sure that no other program "
            "or channel uses this number."
        )
    return (
        "" if retries else stored("Twilio gives up on a message after one failure: save the channel again.")
    )
