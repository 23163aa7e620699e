"""Nobody passes without the second factor that they have, or that they must have."""

from collections.abc import Callable
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from console.signin import second_factor

OPEN = ("/second-factor/", "/login/", "/logout/", "/healthz")


class SecondFactorGate:
    """Middleware behind the sign-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        page = "" if request.path_info.startswith(OPEN) else _missing(request)
        if not page:
            return self.get_response(request)
        return redirect(f"{reverse(page)}?{urlencode({'next': request.get_full_path()}, safe='/')}")


def _missing(request: HttpRequest) -> str:
    """The page to go to first."""
    user = request.user
    if not user.is_authenticated or request.session.get(second_factor.SESSION_KEY) == user.pk:
        return ""
    if second_factor.is_set_up(user):
        return "second_factor"
    return "second_factor_set_up" if second_factor.is_required(user) else ""
