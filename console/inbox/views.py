"""The pages of the inbox: its list, one conversation, and what has changed of either."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from console import tenancy
from console.conversations.models import Conversation
from console.inbox import listing, pane, queues
from console.inbox.listing import Listing
from console.inbox.models import Label
from console.inbox.reading import mark_read
from console.inbox.replies import ReplyForm
from console.signed_in import user_of


def inbox(request: HttpRequest) -> HttpResponse:
    """The list alone."""
    return _page(request, None, {"listing": listing.read(request.GET, "unassigned")})


def conversation(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """A conversation, beside the list where there is room."""
    return show(request, pane.find(request, conversation_id, "view"), ReplyForm())


def show(
    request: HttpRequest, conversation: Conversation, form: ReplyForm, status: int = 200
) -> HttpResponse:
    """The page of a conversation with what its reply box holds."""
    live = pane.live(request, conversation)
    if live["is_newest"]:
        mark_read(user_of(request), conversation, live["seen_id"])
    context = {
        "listing": listing.read(request.GET, "all"),
        "title": live["contact_name"],
        "form": form,
        **live,
        **pane.writing(conversation),
    }
    return _page(request, conversation, context, status)


def conversation_list(request: HttpRequest) -> HttpResponse:
    """The list, if it is not what the page shows already (`shown`)."""
    asked = listing.read(request.GET, "unassigned")
    context = _list(request, asked, listing.number(request.GET.get("open", "")))
    if request.GET.get("shown") == context["list_token"]:
        return HttpResponse(status=204)
    return TemplateResponse(request, "admin/inbox/list.html", context)


def news(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """What changes by itself of a conversation, if it is not what the page shows already (`shown`)."""
    conversation = pane.find(request, conversation_id, "view")
    live = pane.live(request, conversation)
    if request.GET.get("shown") == live["token"]:
        return HttpResponse(status=204)
    mark_read(user_of(request), conversation, live["seen_id"])
    context = {**live, "listing": listing.read(request.GET, "all"), "is_news": True}
    return TemplateResponse(request, "admin/inbox/news.html", context)


def _list(request: HttpRequest, asked: Listing, opened: int | None) -> dict[str, Any]:
    user = user_of(request)
    if not user.has_perm("conversations.view_conversation"):
        raise PermissionDenied
    finds = asked.find(user)
    narrowed = asked.narrowed(finds)
    tabs = queues.tabs(user, narrowed)
    rows, has_more = queues.rows(user, asked.queue, asked.pages, narrowed, finds)
    labels = list(tenancy.scope_in_view(Label.objects.all(), user, "inbox.view_label"))
    minute = f"{timezone.now():%H:%M}"  # ages are news, too
    return {
        "listing": asked,
        "tabs": [(tab, asked.query_of(tab.queue)) for tab in tabs],
        "rows": rows,
        "more_pages": asked.pages + 1 if has_more and asked.pages < listing.MAX_PAGES else None,
        "opened": opened,
        "filter_labels": labels,
        "waiting": next(tab.waiting for tab in tabs if tab.queue.key == "all"),
        "list_token": pane.token(tabs, rows, labels, minute),
    }


def _page(
    request: HttpRequest, opened: Conversation | None, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    listed = _list(request, context["listing"], opened.pk if opened else None)
    whole = {
        **admin.site.each_context(request),
        "title": _("Inbox"),
        "is_fullwidth": "1",
        **listed,
        **context,
    }
    return TemplateResponse(request, "admin/inbox/page.html", whole, status=status)
