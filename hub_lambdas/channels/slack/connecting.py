"""An app in a workspace: whose it is, and what it may."""

import re
from dataclasses import replace

from hub_lambdas.channels import payloads
from hub_lambdas.channels.base import Account, Health, Validity
from hub_lambdas.channels.client import Answer
from hub_lambdas.channels.slack.api import call
from hub_lambdas.sentences import stored

SCOPES = ("chat:write", "files:read", "im:history", "im:read", "reactions:read", "users:read")


def identify(account: Account) -> Health:
    return replace(check(account), problems=())


def check(account: Account) -> Health:
    """Where Slack delivers to, its API does not tell."""
    return _health(call(account, "auth.test"))


def _health(asked: Answer) -> Health:
    """Whose token it is, and which scopes it lacks: they stand in a header of each answer."""
    team, user = (payloads.text(asked.content, name) for name in ("team_id", "user_id"))
    given = asked.headers.get("x-oauth-scopes")
    missing = None if given is None else [each for each in SCOPES if each not in re.split(r"[,\s]+", given)]
    lack = stored(
        "The app lacks the permission %(missing)s: add it at Slack and install the app again.",
        missing=", ".join(missing or ()),
    )
    return Health(
        f"@{payloads.line(asked.content, 'user')}, {payloads.line(asked.content, 'team')}",
        [lack] if missing else [],
        address=f"{team}:{user}",
        validity=Validity(is_endless=True, missing_permissions=missing),
        is_by_hand=True,
    )
