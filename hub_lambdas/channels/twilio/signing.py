"""Who may deliver: Twilio signs the public address and the form (twilio.com/docs/usage/security)."""

import base64
import hashlib
import hmac
import re
from dataclasses import replace

from django.conf import settings

from hub_lambdas.channels.base import SignatureError
from hub_lambdas.channels.twilio.form import CONTENT_TYPE, fields
from hub_lambdas.http import Request

SIGNATURE_HEADER = "x-twilio-signature"
_BODY_HASH = "bodySHA256"


def verify(request: Request, token: str) -> None:
    """Raise SignatureError unless the account with the auth `token` signed the request."""
    if not token:
        raise SignatureError("The channel has no auth token: enter it in the channel.")
    given = request.headers.get(SIGNATURE_HEADER, "").encode("utf-8", "surrogatepass")
    signed_fields = _signed_fields(request)
    if not any(
        hmac.compare_digest(given, _signature(token, address, signed_fields))
        for address in _public_addresses(request)
    ):
        raise SignatureError("The signature is missing or wrong: is HUB_WEBHOOK_URL what Twilio calls?")


def signed(request: Request, token: str) -> Request:
    """The request as the account with the auth `token` signs it."""
    _, address = _public_addresses(request)
    made = _signature(token, address, _signed_fields(request)).decode()
    return replace(request, headers={**request.headers, SIGNATURE_HEADER: made})


def _signed_fields(request: Request) -> list[tuple[str, str]]:
    """What is signed beside the address: the form, or nothing where the address holds the body's hash."""
    is_form = request.headers.get("content-type", "").lower().startswith(CONTENT_TYPE)
    hash_given = request.query.get(_BODY_HASH)
    if hash_given is None or is_form:
        try:
            return fields(request.body, "surrogateescape")
        except ValueError:
            raise SignatureError("The form has more fields than Twilio sends.") from None
    hash_made = hashlib.sha256(request.body).hexdigest()
    if not hmac.compare_digest(hash_given.encode("utf-8", "surrogatepass"), hash_made.encode()):
        raise SignatureError("The body is not the one that was signed.")
    return []


def _public_addresses(request: Request) -> tuple[str, str]:
    """The address that Twilio called, with and without its port, for it signs now one and now the other. From
    the setting: what a request says of its host and scheme, the gateways on its way have changed."""
    scheme, _, rest = f"{settings.WEBHOOK_URL}{request.path}".partition("://")
    host, slash, path = rest.partition("/")
    bare = re.sub(r":\d+$", "", host)
    with_port = host if host != bare else f"{bare}:{443 if scheme == 'https' else 80}"
    query = f"?{request.raw_query}" if request.raw_query else ""
    return f"{scheme}://{with_port}{slash}{path}{query}", f"{scheme}://{bare}{slash}{path}{query}"


def _signature(token: str, address: str, fields: list[tuple[str, str]]) -> bytes:
    signed = address + "".join(name + value for name, value in sorted(set(fields)))
    mac = hmac.new(token.encode(), signed.encode("utf-8", "surrogateescape"), hashlib.sha1)
    return base64.b64encode(mac.digest())
