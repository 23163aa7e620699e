"""The page where somebody chooses the language and the time zone that the console has for them."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from console.organizations.models import User
from console.organizations.policies import time_zones
from console.signed_in import user_of


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg]
    """What somebody reads in. Languages are named in themselves."""

    class Meta:
        model = User
        fields = ["language", "time_zone"]

    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        choices=settings.LANGUAGES,
        help_text=gettext_lazy("Of the console, and of the e-mails that you get from it."),
        widget=UnfoldAdminSelectWidget(),
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        choices=lambda: [("", _("As your browser says")), *_zones()],
        required=False,
        help_text=gettext_lazy("What times are written in."),
        widget=UnfoldAdminSelectWidget(),
    )


def preferences(request: HttpRequest) -> HttpResponse:
    """Show the form, and save what was chosen."""
    user = user_of(request)
    form = PreferencesForm(
        request.POST or None,
        instance=user,
        initial={"language": user.language or translation.get_language()},
    )
    if request.method == "POST" and form.is_valid():
        form.save()
        with translation.override(user.language):
            messages.success(request, _("Saved."))
        return redirect("admin:preferences")
    context = {
        **admin.site.each_context(request),
        "title": _("Language and time zone"),
        "form": form,
        "now": timezone.now(),
    }
    return TemplateResponse(request, "admin/organizations/preferences.html", context)


def _zones() -> list[tuple[str, str]]:
    return [(name, name.replace("_", " ")) for name in time_zones()]
