"""Files that people take along."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from console.conversations.models.contacts import Contact
from console.organizations.models import Organization
from console.progress import Progress


class Export(Progress):
    """A file of an organization's conversations, or of all that there is of it or of one contact, made by a
    console job."""

    organization_lookup: ClassVar[str] = "organization"

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        JSONL = "jsonl", _("JSON lines")
        ZIP = "zip", _("Everything, with files (ZIP)")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="exports")
    contact = models.ForeignKey(
        Contact,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        editable=False,
        help_text="Of whom alone it is.",
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    format = models.CharField(max_length=5, choices=Format.choices, default=Format.CSV)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    file = models.FileField(upload_to="exports/", blank=True, help_text="Named before it is there.")
    messages_count = models.PositiveIntegerField(_("messages"), null=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    progressed_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.organization} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def media_type(self) -> str:
        """What the file is."""
        return MEDIA_TYPES[Export.Format(self.format)]


MEDIA_TYPES = {
    Export.Format.CSV: "text/csv",
    Export.Format.JSONL: "application/x-ndjson",
    Export.Format.ZIP: "application/zip",
}
