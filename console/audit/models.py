"""A change that somebody made in the console."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console.organizations.models import Organization, User


class Change(models.Model):
    """Who did what to which row, and how its fields were before and after, secrets masked. It stays so."""

    organization_lookup: ClassVar[str] = "organization"

    class Action(models.TextChoices):
        ADDED = "added", _("Added")
        CHANGED = "changed", _("Changed")
        REMOVED = "removed", _("Removed")

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    organization = models.ForeignKey(
        Organization,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        help_text=_("None: the platform's own."),
    )
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    who = models.CharField(max_length=254, help_text=_("Their e-mail address at that time."))
    action = models.CharField(max_length=10, choices=Action.choices)
    thing = models.CharField(max_length=60, help_text=_("What kind of row: channel, member."))
    row = models.CharField(max_length=200, help_text=_("What the row is called."))
    row_key = models.CharField(max_length=40)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["organization", "-at"], name="audit_by_organization")]

    def __str__(self) -> str:
        return f"{gettext(self.thing)} · {self.row}"
