"""What members do to a conversation in the inbox. Each goes back to the page that it came from."""

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from console import confirmation
from console.confirmation import Question
from console.conversations.models import Conversation
from console.exact_text import printable
from console.feedback import opinions
from console.inbox import pane
from console.inbox.listing import number
from console.inbox.models import Label, Note
from console.inbox.notes import NoteForm
from console.inbox.replies import ReplyForm
from console.inbox.views import show
from console.signed_in import user_of
from hub_lambdas import staff


@require_POST
def reply(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Send the contact a text; what is not sent stays in the reply box, with the reason."""
    conversation = pane.find(request, conversation_id, "change")
    form = ReplyForm(request.POST)
    if form.is_valid():
        form.demand_open_window(conversation)
    if form.is_valid():
        sent = form.cleaned_data
        try:
            staff.reply(conversation_id, user_of(request), sent["text"], sent["seen"])
        except staff.StaffError as problem:
            form.add_error("text", str(problem))
            conversation = pane.find(request, conversation_id, "change")
        else:
            return _back(request, conversation_id)
    return show(request, conversation, form, status=422)


@require_POST
def take_over(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Make the user the one who answers."""
    pane.find(request, conversation_id, "change")
    staff.take_over(conversation_id, user_of(request))
    messages.success(request, _("You answer this conversation now; the bot keeps out of it."))
    return _back(request, conversation_id)


@require_POST
def assign(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Make a colleague the one who answers."""
    conversation = pane.find(request, conversation_id, "change")
    colleagues = pane.colleagues(conversation)
    colleague = get_object_or_404(colleagues, pk=number(request.POST.get("user", "")))
    staff.take_over(conversation_id, colleague)
    messages.success(request, _("%(colleague)s answers this conversation now.") % {"colleague": colleague})
    return _back(request, conversation_id)


@require_POST
def return_to_bot(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Let the bot answer what comes next; whose contact waits, only after a question."""
    conversation = pane.find(request, conversation_id, "change")
    if conversation.waiting_since and not confirmation.is_confirmed(request):
        return _ask_whether_to_return(request, conversation)
    try:
        staff.return_to_bot(conversation_id, _seen(request))
    except staff.StaffError as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, _("The bot answers the next message."))
    return _back(request, conversation_id)


def _ask_whether_to_return(request: HttpRequest, conversation: Conversation) -> HttpResponse:
    here = reverse("admin:inbox_conversation", args=[conversation.pk])
    question = Question(
        title=_("Back to the bot?"),
        text=_(
            "%(contact)s waits for an answer by staff. The bot answers only what they write from now on: "
            "nobody will answer what they have written."
        )
        % {"contact": printable(str(conversation))},
        button=_("To the bot"),
        cancel_url=f"{here}?{request.GET.urlencode()}",
        fields=[("seen", str(_seen(request)))],
    )
    return confirmation.ask(request, admin.site.get_model_admin(Conversation), question)


@require_POST
def close(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Be done with the conversation, and go back to the list."""
    conversation = pane.find(request, conversation_id, "change")
    try:
        staff.close(conversation_id, _seen(request))
    except staff.StaffError as problem:
        messages.error(request, str(problem))
        return _back(request, conversation_id)
    said = _("The conversation with %(contact)s is closed. If they write again, the bot answers.")
    messages.success(request, said % {"contact": printable(str(conversation))})
    return _to(request, reverse("admin:inbox"))


@require_POST
def note(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Leave a note to the other members."""
    conversation = pane.find(request, conversation_id, "change")
    form = NoteForm(request.POST)
    if form.is_valid():
        Note.objects.create(
            conversation=conversation, author=user_of(request), text=form.cleaned_data["text"]
        )
    else:
        messages.error(request, _("A note needs words, and at most 4,000 characters."))
    return _back(request, conversation_id)


@require_POST
def label(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Put a label on the conversation, or take it off."""
    conversation = pane.find(request, conversation_id, "change")
    labels = Label.objects.filter(organization=conversation.organization_id)
    chosen = get_object_or_404(labels, pk=number(request.POST.get("label", "")))
    if conversation.labels.filter(pk=chosen.pk).exists():
        conversation.labels.remove(chosen)
    else:
        conversation.labels.add(chosen)
    return _back(request, conversation_id)


@require_POST
def feedback(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Say whether an answer helped; the same once more takes it back."""
    conversation = pane.find(request, conversation_id, "change")
    answers = opinions.answers().filter(conversation=conversation)
    answer = get_object_or_404(answers, pk=number(request.POST.get("message", "")))
    opinions.give(answer, user_of(request), is_good=request.POST.get("verdict") == "good")
    return _back(request, conversation_id)


def _seen(request: HttpRequest) -> int:
    """The newest message that the user had before them, as their page said."""
    return number(request.POST.get("seen", "")) or 0


def _back(request: HttpRequest, conversation_id: int) -> HttpResponse:
    return _to(request, reverse("admin:inbox_conversation", args=[conversation_id]))


def _to(request: HttpRequest, address: str) -> HttpResponse:
    """Redirect within the same queue."""
    query = request.GET.urlencode()
    return redirect(f"{address}?{query}" if query else address)
