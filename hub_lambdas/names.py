"""The names of contacts whose webhooks do not tell them: asked for once, as an errand."""

import logging
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Contact
from hub_lambdas.accounts import account
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import ChannelError, SendRefused, SendUnknown

log = logging.getLogger(__name__)

ASKED_AGAIN_AFTER = timedelta(days=7)
"""Who did not tell their name may have agreed to it since."""


def is_wanted(contact: Contact, channel: Channel, now: datetime) -> bool:
    """Whether the platform is to be asked for a contact's name."""
    is_asked = contact.looked_up_at is not None and contact.looked_up_at > now - ASKED_AGAIN_AFTER
    return not contact.name and not is_asked and not KINDS[channel.kind].names_contacts


def look_up(contact_id: int) -> None:
    """Ask the platform for a contact's name, unless it was asked lately. Where it does not answer, the
    contact's next message has it asked again."""
    now = timezone.now()
    nameless = Contact.objects.filter(pk=contact_id, name="", erased_at=None)
    unasked = Q(looked_up_at=None) | Q(looked_up_at__lt=now - ASKED_AGAIN_AFTER)
    if not nameless.filter(unasked).update(looked_up_at=now):
        return
    contact = Contact.objects.select_related("channel").get(pk=contact_id)
    try:
        found = KINDS[contact.channel.kind].look_up(account(contact.channel), contact.platform_id)
    except ChannelError as error:
        log.warning("channel %s does not tell a contact's name: %s", contact.channel_id, error)
        if isinstance(error, SendRefused | SendUnknown):
            nameless.update(looked_up_at=None)
        return
    if found is not None:
        nameless.update(name=found.name)
