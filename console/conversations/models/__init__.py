"""The ledger: contacts, conversations, turns, messages, requests to the LLM; and what else is kept of them.

The constraints back the guarantee.
"""

from console.conversations.models.contacts import Contact, Conversation
from console.conversations.models.dead_letters import DeadLetter
from console.conversations.models.exports import Export
from console.conversations.models.messages import Message, MessageMedia
from console.conversations.models.platform_events import PlatformEvent
from console.conversations.models.requests import LlmRequest
from console.conversations.models.turns import Turn

__all__ = [
    "Contact",
    "Conversation",
    "DeadLetter",
    "Export",
    "LlmRequest",
    "Message",
    "MessageMedia",
    "PlatformEvent",
    "Turn",
]
