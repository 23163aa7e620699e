"""What an organization's admins do for a contact who asks what is known of them, or that it be erased."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from console import confirmation
from console.confirmation import Question
from console.conversations.exporting import queue_export
from console.conversations.models import Conversation, Export
from console.exact_text import printable
from console.inbox import pane
from console.protection.jobs import erase_contact
from console.protection.models import Erasure
from console.queued_job import UNREACHABLE, queue_job
from console.signed_in import user_of


@require_POST
def export(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Have a file made of all that there is of the contact."""
    conversation = _find(request, conversation_id, "conversations.add_export")
    row = Export.objects.create(
        organization=conversation.organization,
        contact=conversation.contact,
        requested_by=user_of(request),
        format=Export.Format.ZIP,
    )
    queue_export(request, row)
    return redirect("admin:conversations_export_changelist")


@require_POST
def erase(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Have the contact made unknown, once the user has confirmed it. A second time it goes on with what is
    left of it."""
    conversation = _find(request, conversation_id, "protection.add_erasure")
    if not confirmation.is_confirmed(request):
        return _ask(request, conversation)
    row, _is_new = Erasure.objects.get_or_create(
        contact=conversation.contact,
        defaults={"organization": conversation.organization, "requested_by": user_of(request)},
    )
    queue_job(erase_contact, row.pk, lambda: messages.error(request, _(UNREACHABLE)))
    return redirect("admin:protection_erasure_changelist")


def _find(request: HttpRequest, conversation_id: int, permission: str) -> Conversation:
    conversation = pane.find(request, conversation_id, "view")
    if not user_of(request).has_perm(permission, conversation):
        raise PermissionDenied
    return conversation


def _ask(request: HttpRequest, conversation: Conversation) -> HttpResponse:
    question = Question(
        title=_("Erase %(name)s for ever?") % {"name": printable(str(conversation.contact))},
        text=_(
            "Nobody can bring it back. What is counted stays true; if they write again, it is as somebody "
            "new. This is erased:"
        ),
        items=[
            _("their name and what the platform calls them"),
            _("every message, to them and from them, with its files"),
            _("notes, labels and suggested answers"),
            _("what dead letters and the audit log hold of them"),
            _("exports that were made before, for they hold these messages: request them again"),
        ],
        button=_("Erase"),
        cancel_url=reverse("admin:inbox_conversation", args=[conversation.pk]),
        is_harmful=True,
    )
    return confirmation.ask(request, admin.site._registry[Conversation], question)
