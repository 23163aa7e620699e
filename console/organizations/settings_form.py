"""The form of an organization's settings."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminTextareaWidget,
)

from console.organizations import languages
from console.organizations.models import Organization, Translation
from console.organizations.policies import time_zones
from console.organizations.week_field import WeekField
from console.tenant_admin import TenantForm

TEXTS = frozenset(Translation.Purpose.values)
_LINES = ("closed_dates", "request_phrases", "handover_words", "handover_topics")


class OrganizationForm(TenantForm):
    """What can be chosen is chosen from a list, in which the stored value is, wherever it came from."""

    class Meta:
        model = Organization
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = {self.instance.language, *self.instance.other_languages}
        spoken = languages.choices(stored)
        zones = [(zone, zone) for zone in sorted({*time_zones(), self.instance.time_zone})]
        one, several = UnfoldAdminSelect2Widget, UnfoldAdminSelect2MultipleWidget
        self._replace("language", forms.ChoiceField, choices=spoken, widget=one)
        self._replace("other_languages", forms.MultipleChoiceField, choices=spoken, widget=several)
        self._replace("time_zone", forms.ChoiceField, choices=zones, widget=one)
        self._replace("business_hours", WeekField)
        for name in _LINES:
            if name in self.fields:
                self.fields[name].widget = UnfoldAdminTextareaWidget({"rows": 4, "dir": "auto"})

    def _replace(self, name: str, kind: type[forms.Field], **kwargs: Any) -> None:
        """Have a field of another kind in place of the model's, if the form has it."""
        if (field := self.fields.get(name)) is not None:
            self.fields[name] = kind(
                label=field.label, help_text=field.help_text, required=field.required, **kwargs
            )
