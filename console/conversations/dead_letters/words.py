"""What a dead letter means, in plain words."""

import json
from collections.abc import Mapping

from console.conversations.models import DeadLetter
from console.exact_text import printable
from hub_lambdas import queues

WHAT_FAILED: Mapping[str, str] = {
    queues.INBOUND: "A contact's message could not be stored",
    queues.WAKEUPS: "A turn could not be looked at when it was due",
    queues.LLM_REQUESTS: "The LLM could not answer a question",
    queues.LLM_REPLIES: "The LLM's reply could not be stored",
    queues.OUTBOUND: "A message could not be sent",
    queues.ERRANDS: "A file or a contact's name could not be fetched",
    "console-jobs": "A job of the console could not be done",
}
WHAT_REPLAY_DOES: Mapping[str, str] = {
    queues.INBOUND: "The message is stored if it is not there yet, and its turn answered or handed over.",
    queues.WAKEUPS: "The turn is looked at once more.",
    queues.LLM_REQUESTS: "The LLM gets the question once more.",
    queues.LLM_REPLIES: "The reply is stored if its question still waits for one.",
    queues.OUTBOUND: "The message is sent if it still has to be.",
    queues.ERRANDS: "It is fetched if it is not there yet.",
    "console-jobs": "The job is done if it is not done yet.",
}
NO_CAUSE = "whoever worked on it was stopped each time, or ran out of time"
_CAUSES: Mapping[str, str] = {
    **dict.fromkeys(("OperationalError", "InterfaceError"), "the database could not be reached"),
    **dict.fromkeys(("DataError", "IntegrityError"), "the database did not accept it"),
    **dict.fromkeys(
        (
            "JSONDecodeError",
            "KeyError",
            "TypeError",
            "ValueError",
            "UnicodeDecodeError",
            "StillUnread",
            "RecursionError",
        ),
        "it could not be read",
    ),
    "DoesNotExist": "what it speaks of is not there",
    **dict.fromkeys(
        ("Unsent", "QueueError", "ClientError", "EndpointConnectionError", "ConnectTimeoutError"),
        "a queue could not be reached",
    ),
}


def what_failed(letter: DeadLetter) -> str:
    """What a dead letter means for whoever reads the list."""
    return WHAT_FAILED.get(letter.queue, f"A message of the queue {letter.queue} could not be processed")


def kind_of_error(letter: DeadLetter) -> str:
    """The part of its cause that quotes no message."""
    return letter.cause.partition(":")[0].strip()


def why(letter: DeadLetter) -> str:
    """Its cause in plain words: the second half of a sentence."""
    kind = kind_of_error(letter)
    return _CAUSES.get(kind, "a fault in the hub") if kind else NO_CAUSE


def content(letter: DeadLetter) -> str:
    """Its body as it can be shown: JSON with a line for each fact, anything else as it is."""
    try:
        text = json.dumps(json.loads(letter.body), indent=2, ensure_ascii=False)
    except ValueError:
        text = letter.body
    return printable(text)
