"""Where a channel is reached from outside."""

from collections.abc import Mapping

from django.conf import settings

from console.channels.models import Channel
from hub_lambdas.channels import KINDS


def webhook_url(channel: Channel) -> str:
    """Where the platform, or the chat page, delivers what contacts write."""
    return f"{settings.WEBHOOK_URL}/{channel.kind}/{channel.pk}"


def page_urls(channel: Channel) -> Mapping[str, str]:
    """What people open below the webhook's address, by what it is ("page", "script")."""
    pages = KINDS[channel.kind].pages if channel.kind in KINDS else {}
    return {name: f"{webhook_url(channel)}/{path}".rstrip("/") for name, path in pages.items()}
