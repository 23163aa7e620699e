"""What a canned prompt or a test case begins with when it comes from a conversation (`?reply=`, a message of
staff; `?turn=`)."""

from typing import Any

from django.http import HttpRequest

from console import tenancy
from console.conversations.models import Message, Turn
from console.exact_text import printable
from console.inbox.listing import number
from console.organizations.models import Organization
from console.prompts.models import CannedPrompt
from console.signed_in import user_of
from console.workshop.models import Case
from hub_lambdas.questions import HISTORY_TURNS, OfTurn

READ = "conversations.view_conversation"
MAX_VALUES = 3
QUESTION_LENGTH: int = CannedPrompt._meta.get_field("question").max_length or 0


def canned_prompt(request: HttpRequest, organization: Organization) -> dict[str, Any]:
    """The question that a contact asked, and what staff answered."""
    reply = _reply(request, organization)
    turn = _turn_before(reply) if reply else _turn(request, organization)
    question = _asked(turn) if turn else ""
    return {
        "question": " ".join(question.split())[:QUESTION_LENGTH],
        "answer": printable(reply.text).strip() if reply else "",
        "is_active": True,
    }


def case(request: HttpRequest, organization: Organization) -> dict[str, Any]:
    """The question of a turn, what was said before, and what came of it: its prices, times and other values
    are what an answer must contain."""
    turn = _turn(request, organization)
    if turn is None:
        return {}
    is_answered = turn.state == Turn.State.ANSWERED
    expectation = Case.Expectation.ANSWERED if is_answered else Case.Expectation.HANDED_OVER
    history = [
        (printable(asked), printable(answered)) for asked, answered in OfTurn(turn).history[-HISTORY_TURNS:]
    ]
    said = "".join(each.text for each in turn.message_rows if each.purpose == Message.Purpose.ANSWER)
    return {
        "question": _asked(turn),
        "history": history,
        "expectation": expectation,
        "must_contain": "\n".join(_values(printable(said))),
    }


def _values(answer: str) -> list[str]:
    from hub_lambdas.grounding.claims import clauses  # its patterns cost a cold start

    found = [value.text for clause in clauses(answer) for value in clause.values]
    return list(dict.fromkeys(found))[:MAX_VALUES]


def _asked(turn: Turn) -> str:
    return printable(OfTurn(turn).text).strip()


def _reply(request: HttpRequest, organization: Organization) -> Message | None:
    found = Message.objects.filter(purpose=Message.Purpose.STAFF, conversation__organization=organization)
    key = number(request.GET.get("reply", ""))
    return tenancy.scope(found, user_of(request), READ).filter(pk=key or 0).first()


def _turn(request: HttpRequest, organization: Organization) -> Turn | None:
    found = Turn.objects.filter(organization=organization)
    key = number(request.GET.get("turn", ""))
    return tenancy.scope(found, user_of(request), READ).filter(pk=key or 0).first()


def _turn_before(reply: Message) -> Turn | None:
    """What staff answered with it: the last that the contact had written in words."""
    written = Message.objects.filter(
        conversation=reply.conversation_id,
        direction=Message.Direction.IN,
        turn__isnull=False,
        pk__lt=reply.pk,
    )
    asked = written.exclude(text="").order_by("-pk").select_related("turn").first()
    return asked.turn if asked else None
