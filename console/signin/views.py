"""The pages of the second factor."""

from collections.abc import Callable
from typing import Any, TypeVar

import segno
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from console.organizations.models import User
from console.signed_in import user_of
from console.signin import second_factor, sessions, throttle
from console.signin.visitor import address_of

ResultT = TypeVar("ResultT")


@never_cache
@login_required
def ask(request: HttpRequest) -> HttpResponse:
    """Ask for a code, after the password."""
    user = user_of(request)
    if not second_factor.is_set_up(user):
        return redirect("second_factor_set_up")
    is_right, problem = _try(request, lambda code: second_factor.check(user, code))
    if is_right:
        second_factor.pass_session(request, user)
        return redirect(_next(request))
    return _page(request, "ask", {"problem": problem})


@never_cache
@login_required
def set_up(request: HttpRequest) -> HttpResponse:
    """Show the QR code, and count the app once it has shown a right code."""
    user = user_of(request)
    if second_factor.is_set_up(user):
        return redirect("admin:index")
    factor = second_factor.begin(user)
    codes, problem = _try(request, lambda code: second_factor.confirm(user, code))
    if codes:
        sessions.end_all(user, but=request.session.session_key)
        second_factor.pass_session(request, user)
    picture = segno.make(second_factor.address(factor)).svg_inline(scale=5, border=3, light="#fff")
    context = {
        "problem": problem,
        "codes": codes,
        "is_required": second_factor.is_required(user),
        "picture": mark_safe(picture),  # noqa: S308 - drawn here, with no text in it
        "secret": factor.secret["base32"],
        "next": _next(request),
    }
    return _page(request, "set_up", context)


def _try(request: HttpRequest, use: Callable[[str], ResultT]) -> tuple[ResultT | None, str]:
    """What comes of the code that was sent, or what is wrong. After a few wrong ones none is looked at."""
    if request.method != "POST":
        return None, ""
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(
            pk=user_of(request).pk
        )  # one code after the other
        if minutes := throttle.wait_minutes_for_code(user):
            problem = _("Too many codes that were not right: try again in %(minutes)s min.")
            return None, problem % {"minutes": minutes}
        if result := use(request.POST.get("code", "")):
            throttle.code_was_right(user)
            return result, ""
        throttle.failed(user.email, address_of(request), code_of=user)
    return None, _("This code is not right, or was used already. Wait for the next one.")


def _next(request: HttpRequest) -> str:
    asked = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(asked, {request.get_host()}, request.is_secure())
    return asked if is_ours else reverse("admin:index")


def _page(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    shared = {**admin.site.each_context(request), "title": _("Second factor")}
    return TemplateResponse(request, f"admin/signin/{name}.html", shared | context)
