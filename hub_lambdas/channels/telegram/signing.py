"""Who may deliver: whoever knows the secret that the hub registered with its address."""

import hmac

from hub_lambdas.channels.base import Account, SignatureError
from hub_lambdas.http import Request

SIGNATURE_HEADER = "x-telegram-bot-api-secret-token"


def verify(request: Request, account: Account) -> None:
    """Raise SignatureError for a request without the channel's secret."""
    expected = account.credentials.get("webhook_secret")
    if not isinstance(expected, str) or not expected:
        raise SignatureError("The channel has no webhook secret: save it again, which makes one.")
    given = request.headers.get(SIGNATURE_HEADER, "")
    # As bytes: compare_digest raises on a str that is not ASCII.
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode()):
        raise SignatureError("The secret token is missing or wrong.")
