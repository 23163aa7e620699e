"""What of the LLM's text a contact gets."""

import re

from console.conversations.models import LlmRequest
from console.exact_text import printable


def to_send(request: LlmRequest) -> str:
    """What of the LLM's text the contact gets."""
    return sendable(request.text, request.finish_reason)


def sendable(text: str, finish_reason: str) -> str:
    """The LLM's text as it may be sent: an answer that was cut ends with its last whole sentence."""
    text = printable(text).strip()
    return whole_sentences(text) if finish_reason == "length" else text


def whole_sentences(text: str) -> str:
    """`text` without an unfinished last sentence; all of it when it holds no finished one."""
    ends = [match.end() for match in re.finditer(r"[.!?…。！？؟](?=\s|$)", text)]
    return text[: ends[-1]] if ends else text
