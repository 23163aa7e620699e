"""The Health page. It is for ops: it shows every organization's troubles."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from console.operations.facts import gather
from console.operations.verdict import troubles
from console.signed_in import user_of

LOOK_AGAIN_MS = 10_000


def health(request: HttpRequest) -> HttpResponse:
    """How the platform is now; the page looks again by itself."""
    user = user_of(request)
    if not user.has_perm("operations.view_health"):
        raise PermissionDenied
    facts = gather(user, timezone.now())
    context = {
        **admin.site.each_context(request),
        "title": _("Health"),
        "facts": facts,
        "troubles": troubles(facts),
        "look_again_ms": LOOK_AGAIN_MS,
    }
    return TemplateResponse(request, "admin/operations/health.html", context)
