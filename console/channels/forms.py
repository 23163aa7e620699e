"""The form of a channel, made of what its kind asks for."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from console.channels.connection import add_own_secrets
from console.channels.models import Channel
from console.tenant_admin import TenantForm
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import Field, Kind

CREDENTIAL = "credential_"
OPTION = "option_"


class ChannelForm(TenantForm):
    """The name, and what the kind declares as `credential_…` and `option_…`, but never a stored secret."""

    kind: Kind

    class Meta:
        model = Channel
        fields = ["organization", "name", "bot", "tells_contacts"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.kind = self.kind.name
        for field in self.kind.fields:
            self.fields[CREDENTIAL + field.name] = self._credential(field)
        for field in self.kind.options:
            self.fields[OPTION + field.name] = self._option(field)

    def _credential(self, field: Field) -> forms.CharField:
        stored = self.instance.credentials.get(field.name, "")
        if not field.secret:
            widget: forms.Widget = UnfoldAdminTextInputWidget()
            return _char_field(field, widget, initial=stored, required=field.required)
        placeholder = _("Stored. Leave empty to keep it.") if stored else ""
        widget = UnfoldAdminPasswordWidget({"autocomplete": "new-password", "placeholder": placeholder})
        return _char_field(field, widget, required=field.required and not stored)

    def _option(self, field: Field) -> forms.Field:
        stored = self.instance.options.get(field.name, "")
        match field.shape:
            case "switch":
                return _switch(field, is_on=stored is True)
            case "list":
                widget: forms.Widget = UnfoldAdminTextareaWidget({"rows": 4})
                return _char_field(field, widget, initial="\n".join(stored), required=field.required)
            case "text":
                widget = UnfoldAdminTextInputWidget()
                return _char_field(field, widget, initial=stored, required=field.required)

    def save(self, commit: bool = True) -> Channel:
        channel = self.instance
        entered = {
            field.name: self.cleaned_data[CREDENTIAL + field.name]
            for field in self.kind.fields
            if self.cleaned_data[CREDENTIAL + field.name] or not field.secret
        }
        channel.credentials = {**channel.credentials, **entered}
        add_own_secrets(channel)
        channel.options = {**channel.options, **self._entered_options()}
        channel.options = {name: value for name, value in channel.options.items() if value}
        return super().save(commit)

    def _entered_options(self) -> dict[str, Any]:
        entered = {field: self.cleaned_data[OPTION + field.name] for field in self.kind.options}
        return {
            field.name: _lines(value) if field.shape == "list" else value for field, value in entered.items()
        }


def channel_form(kind_name: str) -> type[ChannelForm]:
    """The form class for one kind."""
    kind = KINDS[kind_name]
    names = [*(CREDENTIAL + field.name for field in kind.fields)]
    names += [OPTION + field.name for field in kind.options]
    # On the class as well, for the admin site looks there; `__init__` makes them anew from the instance.
    declared: dict[str, Any] = {name: forms.CharField(required=False) for name in names}
    return type("ChannelForm", (ChannelForm,), {"kind": kind, **declared})


def field_names(kind_name: str) -> tuple[list[str], list[str]]:
    """Names of the form's credential fields and option fields."""
    kind = KINDS[kind_name]
    credentials = [CREDENTIAL + field.name for field in kind.fields]
    return credentials, [OPTION + field.name for field in kind.options]


def _char_field(field: Field, widget: forms.Widget, required: bool, initial: str = "") -> forms.CharField:
    return forms.CharField(
        label=_(field.label),
        help_text=_(field.help_text) if field.help_text else "",
        widget=widget,
        required=required,
        initial=initial,
        strip=True,
    )


def _switch(field: Field, is_on: bool) -> forms.BooleanField:
    return forms.BooleanField(
        label=_(field.label),
        help_text=_(field.help_text) if field.help_text else "",
        widget=UnfoldBooleanSwitchWidget(),
        required=False,
        initial=is_on,
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
