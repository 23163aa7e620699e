"""A sender at Twilio: whose it is, whether its messages come here, and having them come here."""

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import Account, CredentialRejected, Health, Validity
from hub_lambdas.channels.twilio import inbox as inboxes
from hub_lambdas.channels.twilio.api import RETRIES, account_url, call, credential
from hub_lambdas.sentences import stored


def identify(account: Account) -> Health:
    """A number or service has one webhook: it can be one channel only."""
    return Health(_name(account), address=credential(account, "sender"))


def register(account: Account, webhook_url: str) -> Health:
    """Have the sender's messages posted to `webhook_url`, where Twilio's API knows the sender."""
    name = _name(account)
    inbox = inboxes.find(account)
    if inbox is not None:
        call(account, "POST", inbox.resource, **inbox.change(f"{webhook_url}{RETRIES}"))
    return Health(name)


def unregister(account: Account, webhook_url: str) -> None:
    """A sender whose messages go elsewhere is let be."""
    inbox = inboxes.find(account)
    if inbox is not None and inbox.url.partition("#")[0] == webhook_url:
        call(account, "POST", inbox.resource, **inbox.change(""))


def check(account: Account, webhook_url: str) -> Health:
    """Whether the account is in order, and its sender's messages come to `webhook_url`."""
    name = _name(account)
    inbox = inboxes.find(account)
    problem = inboxes.problem_of(inbox, credential(account, "sender"), webhook_url)
    delivers_here = None if inbox is None else inbox.url.partition("#")[0] == webhook_url
    validity = Validity(is_endless=True)
    return Health(name, [problem] if problem else [], validity=validity, delivers_here=delivers_here)


def _name(account: Account) -> str:
    """Whose account it is, and the sender. Raises CredentialRejected where the account is closed."""
    found = call(account, "GET", f"{account_url(account)}.json")
    status = payloads.text(found, "status")
    if status not in ("", "active"):
        raise CredentialRejected(
            stored("The Twilio account is %(status)s: settle that in the Twilio console.", status=status[:20])
        )
    return f"{payloads.text(found, 'friendly_name')} {credential(account, 'sender')}".strip()
