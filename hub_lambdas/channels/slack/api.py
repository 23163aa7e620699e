"""Slack's Web API, the token that it is called with, and what its errors mean."""

import os
import re

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import (
    Account,
    ChannelError,
    CredentialRejected,
    SendRefused,
    SendRejected,
    SendUnknown,
)
from hub_lambdas.channels.client import CLIENT, Answer
from hub_lambdas.sentences import stored

_MEANINGS = {
    "account_inactive": stored("the app's bot was removed: install the app again and copy its token"),
    "channel_not_found": stored("the conversation does not exist, or is not the app's"),
    "invalid_auth": stored("it does not accept the token: copy the bot token from the app's page again"),
    "is_archived": stored("the conversation was closed"),
    "messages_tab_disabled": stored(
        "the app takes no messages: switch on the Messages tab on its page App Home"
    ),
    "missing_scope": stored(
        "the token lacks a permission: add it on the app's page and install the app again"
    ),
    "msg_too_long": stored("the message is too long"),
    "not_authed": stored("no token was sent: copy the bot token from the app's page"),
    "token_expired": stored("the token has ended: switch off token rotation on the app's page"),
    "token_revoked": stored("the token was revoked: install the app again and copy its token"),
}
_LATER = {"accesslimited", "rate_limited", "ratelimited", "service_unavailable", "team_added_to_org"}
_UNCLEAR = {"fatal_error", "internal_error", "request_timeout"}
_GONE = {"channel_not_found", "is_archived", "user_disabled", "user_not_found"}
_BROKEN = {
    *("access_denied", "account_inactive", "ekm_access_denied", "enterprise_is_restricted", "invalid_auth"),
    *("messages_tab_disabled", "missing_scope", "no_permission", "not_allowed_token_type", "not_authed"),
    *("org_login_required", "team_access_not_granted", "token_expired", "token_revoked"),
}
_TOKEN = re.compile(r"xoxb-[A-Za-z0-9-]+")


def api_url() -> str:
    """Where the Web API is: a trial may point at a fake one."""
    return os.environ.get("HUB_SLACK_API_URL", "").rstrip("/") or "https://slack.com/api"


def call(account: Account, method: str, **parameters: str) -> Answer:
    """Call a method of the Web API. Raises ChannelError."""
    headers = {"authorization": f"Bearer {token(account)}"}
    answer = CLIENT.call("Slack", "POST", f"{api_url()}/{method}", form=parameters, headers=headers)
    if answer.status != 200 or payloads.find(answer.content, "ok") is not True:
        raise _error(answer, method)
    return answer


def token(account: Account) -> str:
    found = payloads.text(dict(account.credentials), "bot_token").strip()
    if not _TOKEN.fullmatch(found):
        raise CredentialRejected(
            "No usable bot token is stored: copy the Bot User OAuth Token, which begins with xoxb-, from the "
            "app's page. One that begins with xoxe. ends after hours: switch off token rotation there."
        )
    return found


def _error(answer: Answer, method: str) -> ChannelError:
    """Only the API's own JSON proves that a request was refused: it answers errors with status 200."""
    code = payloads.text(answer.content, "error")
    meaning = _MEANINGS.get(code, stored("it refused %(method)s", method=method))
    sentence = stored(
        "Slack: %(meaning)s (%(status)s).",
        meaning=meaning,
        status=payloads.line(answer.content, "error") or answer.status,
    )
    if answer.status == 429 or code in _LATER:
        return SendRefused(sentence, max(answer.retry_after_seconds or 0.0, 1.0))
    if answer.status >= 500 or payloads.find(answer.content, "ok") is not False or code in _UNCLEAR:
        return SendUnknown(
            stored(
                "Slack answered %(method)s with status %(status)s and no clear result.",
                method=method,
                status=answer.status,
            )
        )
    if code in _BROKEN:
        return CredentialRejected(sentence)
    return SendRejected(sentence, contact_gone=code in _GONE)
