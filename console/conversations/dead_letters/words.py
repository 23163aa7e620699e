"""What a dead letter means, in plain words."""

import json
from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from console.conversations.models import DeadLetter
from console.exact_text import printable
from hub_lambdas import queues

_WHAT_FAILED: Mapping[str, str] = {
    queues.INBOUND: gettext_noop("A contact's message could not be stored"),
    queues.WAKEUPS: gettext_noop("A turn could not be looked at when it was due"),
    queues.LLM_REQUESTS: gettext_noop("The LLM could not answer a question"),
    queues.LLM_REPLIES: gettext_noop("The LLM's reply could not be stored"),
    queues.OUTBOUND: gettext_noop("A message could not be sent"),
    "errands/media": gettext_noop(
        "A contact's file could not be fetched, or not be deleted when they took it back"
    ),
    "errands/contact": gettext_noop("The platform could not be asked for a contact's name"),
    "console-jobs": gettext_noop("A job of the console could not be done"),
    "deploys": gettext_noop("A deploy could not be gone on with"),
}
_WHAT_REPLAY_DOES: Mapping[str, str] = {
    queues.INBOUND: gettext_noop(
        "The message is stored if it is not there yet, and its turn answered or handed over."
    ),
    queues.WAKEUPS: gettext_noop("The turn is looked at once more."),
    queues.LLM_REQUESTS: gettext_noop("The LLM gets the question once more."),
    queues.LLM_REPLIES: gettext_noop("The reply is stored if its question still waits for one."),
    queues.OUTBOUND: gettext_noop("The message is sent if it still has to be."),
    "errands/media": gettext_noop(
        "The file is fetched if it is not there yet, or deleted if the contact took it back."
    ),
    "errands/contact": gettext_noop("The platform is asked for the name once more."),
    "console-jobs": gettext_noop("The job is done if it is not done yet."),
    "deploys": gettext_noop("The deploy goes on if it is not done yet."),
}
NO_CAUSE = gettext_noop("whoever worked on it was stopped each time, or ran out of time")
_CAUSES: Mapping[str, str] = {
    **dict.fromkeys(
        ("OperationalError", "InterfaceError"), gettext_noop("the database could not be reached")
    ),
    **dict.fromkeys(("DataError", "IntegrityError"), gettext_noop("the database did not accept it")),
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
        gettext_noop("it could not be read"),
    ),
    "DoesNotExist": gettext_noop("what it speaks of is not there"),
    **dict.fromkeys(
        ("Unsent", "QueueError", "ClientError", "EndpointConnectionError", "ConnectTimeoutError"),
        gettext_noop("a queue could not be reached"),
    ),
}


def what_failed(letter: DeadLetter) -> str:
    """What a dead letter means for whoever reads the list."""
    said = _WHAT_FAILED.get(_subject(letter))
    other = _("A message of the queue %(queue)s could not be processed")
    return _(said) if said else other % {"queue": letter.queue}


def what_replay_does(letter: DeadLetter) -> str:
    """What becomes of it on its queue; "" where nobody knows."""
    said = _WHAT_REPLAY_DOES.get(_subject(letter))
    return _(said) if said else ""


def _subject(letter: DeadLetter) -> str:
    """Its queue; of an errand, which of them: a body names what it is for."""
    if letter.queue != queues.ERRANDS:
        return letter.queue
    try:
        named = list(json.loads(letter.body))
    except (ValueError, TypeError):
        named = []
    return "/".join([letter.queue, *named[:1]])


def kind_of_error(letter: DeadLetter) -> str:
    """The part of its cause that quotes no message."""
    return letter.cause.partition(":")[0].strip()


def why(letter: DeadLetter) -> str:
    """Its cause in plain words: the second half of a sentence."""
    kind = kind_of_error(letter)
    return _(_CAUSES.get(kind, gettext_noop("a fault in the hub")) if kind else NO_CAUSE)


def content(letter: DeadLetter) -> str:
    """Its body as it can be shown: JSON with a line for each fact, anything else as it is."""
    try:
        text = json.dumps(json.loads(letter.body), indent=2, ensure_ascii=False)
    except ValueError:
        text = letter.body
    return printable(text)
