"""The channel kinds. A new kind is one file here (a folder of its name, once it outgrows that), one line
below, its payloads and one test file."""

from hub_lambdas.channels.base import Kind
from hub_lambdas.channels.instagram import Instagram
from hub_lambdas.channels.messenger import Messenger
from hub_lambdas.channels.slack import Slack
from hub_lambdas.channels.telegram import Telegram
from hub_lambdas.channels.twilio import Twilio
from hub_lambdas.channels.webchat import WebChat
from hub_lambdas.channels.whatsapp import WhatsApp

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        WhatsApp(),
        Messenger(),
        Instagram(),
        Telegram(),
        Slack(),
        Twilio(),
        WebChat(),
    )
}
