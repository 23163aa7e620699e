"""Messages to contacts by Twilio, and the files that they sent."""

from collections.abc import Sequence
from urllib.parse import urlencode

from django.conf import settings

from hub_lambdas.channels import payloads
from hub_lambdas.channels import text as texts
from hub_lambdas.channels.base import Account, FetchedMedia, Media
from hub_lambdas.channels.download import Download, is_at
from hub_lambdas.channels.twilio.api import RETRIES, account_url, authorization, call, credential, is_service
from hub_lambdas.channels.twilio.form import printable
from hub_lambdas.channels.twilio.receiving import REFERENCE


def send(
    account: Account, contact: str, text: str, reference: str, choices: Sequence[str], receipts_url: str
) -> str:
    """Send a message, whose receipts go to `receipts_url`; returns Twilio's id for it. Raises
    ChannelError."""
    sender = credential(account, "sender")
    form = {
        "MessagingServiceSid" if is_service(sender) else "From": sender,
        "To": contact,
        "Body": printable(f"{text}{_numbered(choices)}"),
        "StatusCallback": f"{receipts_url}?{urlencode({REFERENCE: reference})}{RETRIES}",
    }
    sent = call(account, "POST", f"{account_url(account)}/Messages.json", form=form)
    return payloads.text(sent, "sid") or f"sent:{reference}"


def split(text: str, choices: Sequence[str], limit: int) -> Sequence[str]:
    """Twilio says "1600 characters" and counts an SMS in UTF-16 code units: the stricter of the two."""
    size = sum(texts.utf16_units(character) for character in _numbered(choices))
    return texts.split(text, limit - size, texts.utf16_units)


def fetch(account: Account, media: Media, limit_bytes: int) -> FetchedMedia:
    """Twilio keeps a file until somebody deletes it there, and sends whoever may have it on to where it
    lies."""
    is_api = is_at(media.reference, settings.TWILIO_API_URL)
    headers = authorization(account) if is_api else {}
    return Download("Twilio", limit_bytes, settings.TWILIO_API_URL, headers).fetch(media.reference)


def _numbered(choices: Sequence[str]) -> str:
    """What is put below a text: a line for each choice, with the number to answer with."""
    return "".join(f"\n{number}. {choice}" for number, choice in enumerate(choices, start=1))
