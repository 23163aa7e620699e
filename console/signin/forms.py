"""The sign-in form."""

from typing import Any

from django import forms
from django.utils.translation import ngettext
from unfold.forms import AuthenticationForm

from console.signin import throttle
from console.signin.visitor import address_of


class SignInForm(AuthenticationForm):
    """E-mail address and password; after too many that are wrong, not even the right one for a while."""

    def clean(self) -> dict[str, Any]:
        account = self.cleaned_data.get("username") or ""
        address = address_of(self.request)
        minutes = throttle.wait_minutes(account, address)
        if minutes:
            raise forms.ValidationError(
                ngettext(
                    "Too many attempts from your address: try again in %(minutes)s minute.",
                    "Too many attempts from your address: try again in %(minutes)s minutes.",
                    minutes,
                )
                % {"minutes": minutes}
            )
        try:
            cleaned: dict[str, Any] = super().clean()
        except forms.ValidationError:
            throttle.failed(account, address)
            raise
        if self.user_cache is not None:  # without a password nothing was tried
            throttle.succeeded(account, address)
        return cleaned
