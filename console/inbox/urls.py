"""The addresses of the inbox. They are the admin site's, so that its sign-in stands before each."""

from collections.abc import Callable

from django.contrib import admin
from django.http import HttpResponse
from django.urls import URLPattern, path

from console.inbox import actions, drafting, suggesting, views

_VIEWS: dict[str, tuple[str, Callable[..., HttpResponse]]] = {
    "inbox": ("", views.inbox),
    "inbox_list": ("list/", views.conversation_list),
    "inbox_conversation": ("<int:conversation_id>/", views.conversation),
    "inbox_conversation_news": ("<int:conversation_id>/news/", views.news),
    "inbox_conversation_reply": ("<int:conversation_id>/reply/", actions.reply),
    "inbox_conversation_take_over": ("<int:conversation_id>/take-over/", actions.take_over),
    "inbox_conversation_assign": ("<int:conversation_id>/assign/", actions.assign),
    "inbox_conversation_return_to_bot": ("<int:conversation_id>/return-to-bot/", actions.return_to_bot),
    "inbox_conversation_suggest": ("<int:conversation_id>/suggest/", suggesting.ask),
    "inbox_suggestion": ("<int:conversation_id>/suggestion/<uuid:suggestion_id>/", suggesting.look),
    "inbox_draft_send": ("<int:conversation_id>/draft/<int:draft_id>/send/", drafting.send),
    "inbox_draft_discard": ("<int:conversation_id>/draft/<int:draft_id>/discard/", drafting.discard),
    "inbox_conversation_note": ("<int:conversation_id>/note/", actions.note),
    "inbox_conversation_label": ("<int:conversation_id>/label/", actions.label),
    "inbox_conversation_feedback": ("<int:conversation_id>/feedback/", actions.feedback),
    "inbox_conversation_close": ("<int:conversation_id>/close/", actions.close),
}

urlpatterns: list[URLPattern] = [
    path(f"inbox/{end}", admin.site.admin_view(view), name=name) for name, (end, view) in _VIEWS.items()
]
