"""What a browser may load and do on the console's pages.

django-unfold sets the limits: its Alpine evaluates what stands in attributes ('unsafe-eval'), and its pages
bring their colours in a style element ('unsafe-inline' for styles). No script stands in a page, and none
comes from elsewhere but from where a deploy put the console's own.
"""

from collections.abc import Callable, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponse


def content_security_policy(files_origins: Sequence[str], static_origins: Sequence[str]) -> str:
    """The policy of every page; `files_origins` is where stored files lie, besides here, `static_origins`
    where the console's own scripts, styles, fonts and pictures do."""
    own = " ".join(("'self'", *static_origins))
    media = " ".join(dict.fromkeys(("'self'", *static_origins, *files_origins)))
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {own} 'unsafe-eval'",
            f"style-src {own} 'unsafe-inline'",
            f"img-src {media} data:",
            f"media-src {media}",
            f"font-src {own}",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


class SecurityHeaders:
    """Middleware that sets them where a page has not set stricter ones itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.policy = content_security_policy(settings.FILES_ORIGINS, settings.STATIC_ORIGINS)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()"
        )
        return response
