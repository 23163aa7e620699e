"""A stored channel as its kind sees it."""

from console.channels.models import Channel
from hub_lambdas.channels.base import Account


def account(channel: Channel) -> Account:
    """The channel without its place in the database."""
    return Account(channel.pk, channel.credentials, channel.options)
