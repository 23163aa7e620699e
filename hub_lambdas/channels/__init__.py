"""The channel kinds. A new kind is one file here, one line below, its payloads and one test file."""

from hub_lambdas.channels.base import Kind
from hub_lambdas.channels.telegram import Telegram
from hub_lambdas.channels.twilio import Twilio
from hub_lambdas.channels.webchat import WebChat

KINDS: dict[str, Kind] = {kind.name: kind for kind in (Telegram(), Twilio(), WebChat())}
