"""Who may deliver: Slack signs the time and the body.

docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hashlib
import hmac
import time
from collections.abc import Mapping

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import Account, SignatureError
from hub_lambdas.channels.slack.receiving import SECONDS
from hub_lambdas.http import Request

SIGNATURE_HEADER = "x-slack-signature"
TIMESTAMP_HEADER = "x-slack-request-timestamp"
MAX_SKEW_SECONDS = 300


def verify(request: Request, account: Account) -> None:
    """Raise SignatureError unless the app signed the request just now: an old one that somebody has caught
    counts for nothing."""
    secret, at = _signing_secret(account), request.headers.get(TIMESTAMP_HEADER, "")
    if not SECONDS.fullmatch(at) or abs(time.time() - int(at)) > MAX_SKEW_SECONDS:
        raise SignatureError("The request is not of the last five minutes.")
    given = request.headers.get(SIGNATURE_HEADER, "").encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(given, _signature(secret, at, request.body).encode()):
        raise SignatureError("The signature is missing or wrong.")


def signed(account: Account, at: str, body: bytes) -> Mapping[str, str]:
    """The headers with which the app posts `body` at a time, in seconds since 1970."""
    return {SIGNATURE_HEADER: _signature(_signing_secret(account), at, body), TIMESTAMP_HEADER: at}


def _signing_secret(account: Account) -> str:
    secret = payloads.text(dict(account.credentials), "signing_secret").strip()
    if not secret:
        raise SignatureError("The channel has no signing secret: enter it in the channel.")
    return secret


def _signature(secret: str, at: str, body: bytes) -> str:
    signed = b":".join((b"v0", at.encode(), body))
    return f"v0={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
