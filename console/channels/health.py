"""How a channel is, in words: what its platform said when it was asked last, and what has come since."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

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
        Fact(_("Checked"), age(channel.checked_at, now) if channel.checked_at else _("not yet")),
        Fact(_("Account"), channel.account or _("not known yet"), is_bad=not channel.account),
        *_credential(channel, now),
        _webhook(channel),
        Fact(_("Last webhook"), age(channel.last_webhook_at, now) if channel.last_webhook_at else _("never")),
    ]


def _credential(channel: Channel, now: datetime) -> Iterator[Fact]:
    kind, said = KINDS.get(channel.kind), channel.health or {}
    if kind is None or not any(field.secret and field.required for field in kind.fields):
        return
    if channel.is_held:
        yield Fact(_("Credential"), _("not accepted"), is_bad=True)
        return
    ends_at = parse_datetime(said.get("ends_at") or "")
    if ends_at is not None:
        until = date_format(localtime(ends_at), "LONG_DATE")
        left = length(ends_at - now) if ends_at > now else _("over")
        yield Fact(
            _("Credential"),
            _("valid until %(day)s (%(left)s)") % {"day": until, "left": left},
            is_bad=ends_at < now + SOON,
        )
    else:
        endless = _("does not end") if said.get("is_endless") else _("the platform does not say when it ends")
        yield Fact(_("Credential"), endless)
    missing = said.get("missing_permissions")
    if missing is not None:
        yield Fact(
            _("Permissions"),
            _("missing: %(permissions)s") % {"permissions": ", ".join(missing)} if missing else _("complete"),
            bool(missing),
        )


def is_address_to_enter(channel: Channel) -> bool:
    """Whether somebody still has to enter the channel's address at its platform: nothing has come there."""
    return bool((channel.health or {}).get("is_by_hand")) and channel.last_webhook_at is None


def _webhook(channel: Channel) -> Fact:
    if is_address_to_enter(channel):
        return Fact(_("Webhook"), _("to be entered there"), is_bad=True)
    match (channel.health or {}).get("delivers_here"):
        case True:
            return Fact(_("Webhook"), _("leads here"))
        case False:
            return Fact(_("Webhook"), _("not as it should be"), is_bad=True)
    return Fact(_("Webhook"), _("not known"))


def age(at: datetime, now: datetime) -> str:
    """How long ago something was."""
    return (
        _("%(time)s ago") % {"time": length(now - at)} if now - at >= timedelta(minutes=1) else _("just now")
    )
