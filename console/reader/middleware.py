"""The language and the time zone of whoever reads: pages are written in both, e-mails in their language.

They are kept with the user, who changes them on *Language and time zone*. Until they are, the browser says:
by Accept-Language, and by a cookie with its zone that console.js sets.
"""

from collections.abc import Callable
from datetime import UTC
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from console.organizations.models import User
from console.zones import find_zone

ZONE_COOKIE = "hub_zone"


class Reader:
    """Middleware behind the sign-in: what comes after it speaks as the reader does."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user if request.user.is_authenticated else User()
        language = user.language or translation.get_language_from_request(request)
        zone = find_zone(user.time_zone) or find_zone(request.COOKIES.get(ZONE_COOKIE, "")) or UTC
        with translation.override(language), timezone.override(zone):
            response = self.get_response(request)
        patch_vary_headers(response, ["Accept-Language"])
        response.setdefault("Content-Language", language)
        return response


@receiver(user_logged_in)
def keep(request: HttpRequest, user: User, **_: Any) -> None:
    """What the browser says at the first sign-in is kept: e-mails have no browser to ask."""
    zone = request.COOKIES.get(ZONE_COOKIE, "")
    said = {
        "language": translation.get_language_from_request(request),
        "time_zone": zone if find_zone(zone) else "",
    }
    for name, value in said.items():
        User.objects.filter(pk=user.pk, **{name: ""}).update(**{name: value})
    user.refresh_from_db(fields=list(said))
