"""The page of one's own sessions: where one is signed in, and signing out there."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from console.signed_in import user_of
from console.signin import sessions
from console.signin.devices import device


@never_cache
@login_required
def session_page(request: HttpRequest) -> HttpResponse:
    """The list (GET); POST signs out of the one that `end` names, or of all others."""
    user, own = user_of(request), request.session.session_key
    if request.method == "POST":
        if "everywhere" in request.POST:
            sessions.end_all(user, but=own)
            messages.success(request, _("You are signed out everywhere else."))
        elif sessions.end(user, request.POST.get("end", "")):
            messages.success(request, _("You are signed out there."))
        return redirect("sessions")
    rows: list[dict[str, Any]] = [
        {
            "handle": sessions.handle_of(row),
            "device": device(row.agent),
            "agent": row.agent,
            "address": row.address,
            "began_at": row.began_at,
            "seen_at": row.seen_at,
            "is_own": row.session_key == own,
        }
        for row in sessions.of(user)
    ]
    context = {**admin.site.each_context(request), "title": _("Sessions"), "rows": rows}
    return TemplateResponse(request, "admin/signin/sessions.html", context)
