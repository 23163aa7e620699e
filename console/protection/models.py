"""What is to be gone: a contact, what is old enough, or a whole organization. Each is a console job's row."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from console.conversations.models import Contact, Export
from console.organizations.models import Organization
from console.progress import Progress
from console.stored_sentences import translate_stored
from hub_lambdas.sentences import stored


class Erasure(Progress):
    """A contact of whom nothing is kept but that somebody was here. Its row stays to say so."""

    organization_lookup: ClassVar[str] = "organization"

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    contact = models.OneToOneField(Contact, on_delete=models.CASCADE, related_name="erasure")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    sought = models.JSONField(
        default=list,
        help_text=_("What the platform calls them, by which the rest is found. Empty once done."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")

    def __str__(self) -> str:
        said = {"number": self.contact_id, "channel": self.contact.channel.name}
        return translate_stored(stored("Contact no. %(number)s on %(channel)s", **said))


class Purge(Progress):
    """What an organization has kept long enough, being deleted: the newest time. The audit log has each."""

    organization_lookup: ClassVar[str] = "organization"

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, related_name="purge")
    state = models.CharField(max_length=7, choices=State.choices, default=State.RUNNING)
    deleted = models.JSONField(default=dict, help_text=_("How many rows of each kind."))
    began_at = models.DateTimeField(_("last run"))
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-began_at"]
        verbose_name = _("purge")
        verbose_name_plural = _("purges")

    def __str__(self) -> str:
        return str(self.organization)


class Retirement(Progress):
    """An organization that leaves: stopped, exported, and then, once somebody has confirmed it by its name,
    erased. Its row goes with the organization."""

    organization_lookup: ClassVar[str] = "organization"

    class State(models.TextChoices):
        STOPPING = "stopping", _("Being stopped")
        EXPORTING = "exporting", _("Being exported")
        STOPPED = "stopped", _("Stopped")
        ERASING = "erasing", _("Being erased")

    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, related_name="retirement")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    state = models.CharField(max_length=9, choices=State.choices, default=State.STOPPING)
    problems = models.JSONField(default=list, help_text="What could not be ended at a platform.")
    export = models.ForeignKey(Export, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("retirement")

    def __str__(self) -> str:
        return str(self.organization)
