"""The part of the reply box that asks the LLM for an answer, and waits for it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from console.conversations.models import Conversation
from console.exact_text import printable
from console.inbox import pane
from console.inbox.models import Suggestion
from console.signed_in import user_of
from hub_lambdas import suggestions


@require_POST
def ask(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Ask the LLM what to answer."""
    conversation = pane.find(request, conversation_id, "change")
    try:
        suggestion = suggestions.ask(conversation, user_of(request))
    except suggestions.NothingToAnswer:
        return _show(request, conversation, problem=_("The contact has written no words yet."))
    return _show(request, conversation, suggestion)


def look(request: HttpRequest, conversation_id: int, suggestion_id: object) -> HttpResponse:
    """Whether the answer that the user asked for is there, and what it is."""
    conversation = pane.find(request, conversation_id, "change")
    own = Suggestion.objects.filter(turn__conversation=conversation, asked_by=user_of(request))
    suggestion = get_object_or_404(own, pk=suggestion_id)
    return _show(request, conversation, suggestion, _problem(suggestion))


def _problem(suggestion: Suggestion) -> str:
    if suggestion.state == Suggestion.State.FAILED or suggestions.is_lost(suggestion, timezone.now()):
        return _("The LLM did not answer. Try again, or write yourself.")
    if suggestion.state == Suggestion.State.COMPLETED and not suggestion.text:
        return _("The LLM knows no answer: the organization's prompts do not say it.")
    return ""


def _show(
    request: HttpRequest,
    conversation: Conversation,
    suggestion: Suggestion | None = None,
    problem: str = "",
) -> HttpResponse:
    context = {
        "conversation": conversation,
        "suggestion": suggestion,
        "text": printable(suggestion.text) if suggestion else "",
        "is_pending": not problem and suggestion and suggestion.state == Suggestion.State.PENDING,
        "problem": problem,
        "is_overtaken": bool(suggestion and suggestions.is_overtaken(suggestion)),
    }
    return TemplateResponse(request, "admin/inbox/suggestion.html", context)
