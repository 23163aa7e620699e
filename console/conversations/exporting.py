"""Having a file made."""

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext

from console.conversations.jobs import make_export
from console.conversations.models import Export
from console.queued_job import UNREACHABLE, queue_job


def queue_export(request: HttpRequest, export: Export) -> None:
    """Have the file of `export` made. Where the queue does not take that, its row says so, and the page."""

    def fail() -> None:
        export.state, export.error = Export.State.FAILED, UNREACHABLE
        export.save(update_fields=["state", "error"])
        messages.error(request, gettext(UNREACHABLE))

    queue_job(make_export, export.pk, fail)
