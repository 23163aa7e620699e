"""The bot's draft in a conversation: what is shown of it, and the two buttons that settle it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from console.conversations.models import Conversation
from console.conversations.reply_window import reply_window
from console.inbox import pane
from console.inbox.models import Draft
from console.inbox.replies import MAX_LENGTH
from console.signed_in import user_of
from hub_lambdas import drafts, staff


@require_POST
def send(request: HttpRequest, conversation_id: int, draft_id: int) -> HttpResponse:
    """Send the draft, as it is or as the member changed it."""
    conversation = _find(request, conversation_id, draft_id)
    text = request.POST.get("text", "").strip()[:MAX_LENGTH]
    window = reply_window(conversation)
    if not text:
        messages.error(request, _("The draft has no words any more: write some, or discard it."))
    elif window and not window.is_open:
        messages.error(request, window.sentence)
    else:
        try:
            drafts.send(conversation_id, draft_id, user_of(request), text)
        except staff.StaffError as problem:
            messages.error(request, str(problem))
        else:
            messages.success(request, _("The draft is on its way."))
    return _back(request, conversation_id)


@require_POST
def discard(request: HttpRequest, conversation_id: int, draft_id: int) -> HttpResponse:
    """Do without the draft."""
    _find(request, conversation_id, draft_id)
    try:
        drafts.discard(conversation_id, draft_id, user_of(request))
    except staff.StaffError as problem:
        messages.error(request, str(problem))
    return _back(request, conversation_id)


def _find(request: HttpRequest, conversation_id: int, draft_id: int) -> Conversation:
    conversation = pane.find(request, conversation_id, "change")
    get_object_or_404(Draft, pk=draft_id, turn__conversation=conversation)
    return conversation


def _back(request: HttpRequest, conversation_id: int) -> HttpResponse:
    address = reverse("admin:inbox_conversation", args=[conversation_id])
    return redirect(f"{address}?{request.GET.urlencode()}" if request.GET else address)
