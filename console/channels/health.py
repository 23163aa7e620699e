"""How a channel is, in words: what its platform said when it was asked last, and what has come since."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.dateparse import parse_datetime

from console.channels.models import Channel
from console.template_filters import length
from hub_lambdas.channels import KINDS

SOON = timedelta(days=10)


@dataclass(frozen=True)
class Fact:
    """One thing that is known. `is_bad`: whether somebody has to do something about it."""

    label: str
    value: str
    is_bad: bool = False


def facts(channel: Channel, now: datetime) -> list[Fact]:
    """What is known of a channel, as an org admin reads it."""
    return [
        Fact("Checked", _age(channel.checked_at, now) if channel.checked_at else "not yet"),
        Fact("Account", channel.account or "not known yet", is_bad=not channel.account),
        *_credential(channel, now),
        _webhook(channel),
        Fact("Last webhook", _age(channel.last_webhook_at, now) if channel.last_webhook_at else "never"),
    ]


def _credential(channel: Channel, now: datetime) -> Iterator[Fact]:
    kind, said = KINDS.get(channel.kind), channel.health or {}
    if kind is None or not any(field.secret and field.required for field in kind.fields):
        return
    if channel.is_held:
        yield Fact("Credential", "not accepted", is_bad=True)
        return
    ends_at = parse_datetime(said.get("ends_at") or "")
    if ends_at is not None:
        until = f"valid until {ends_at:%-d %B %Y}"
        left = length(ends_at - now) if ends_at > now else "over"
        yield Fact("Credential", f"{until} ({left})", is_bad=ends_at < now + SOON)
    else:
        endless = "does not end" if said.get("is_endless") else "the platform does not say when it ends"
        yield Fact("Credential", endless)
    missing = said.get("missing_permissions")
    if missing is not None:
        yield Fact("Permissions", f"missing: {', '.join(missing)}" if missing else "complete", bool(missing))


def _webhook(channel: Channel) -> Fact:
    match (channel.health or {}).get("delivers_here"):
        case True:
            return Fact("Webhook", "leads here")
        case False:
            return Fact("Webhook", "not as it should be", is_bad=True)
    return Fact("Webhook", "not known")


def _age(at: datetime, now: datetime) -> str:
    return f"{length(now - at)} ago" if now - at >= timedelta(minutes=1) else "just now"
