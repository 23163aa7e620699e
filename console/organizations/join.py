"""The page that the link of an invitation leads to. It is open to whoever holds the link."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login, password_validation
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from console.organizations import invitations
from console.organizations.models import Invitation, User


class NewAccountForm(forms.Form):
    """What somebody new says of themselves. The address is the one that was invited."""

    name = forms.CharField(
        max_length=120, label=gettext_lazy("Your name"), widget=UnfoldAdminTextInputWidget()
    )
    password = forms.CharField(
        label=gettext_lazy("Choose a password"),
        strip=False,
        help_text=gettext_lazy("At least 12 characters."),
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, data: Any, invitation: Invitation) -> None:
        super().__init__(data)
        self.user = User(email=invitation.email.lower())

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        self.user.name = self.cleaned_data.get("name", "")
        password_validation.validate_password(password, self.user)
        return password

    def account(self) -> User:
        """The new account, not saved."""
        self.user.set_password(self.cleaned_data["password"])
        return self.user


@never_cache
@sensitive_post_parameters("password")
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Accept an invitation: with a new account, or signed in with the one that was invited."""
    invitation = invitations.find(token)
    if invitation is None:
        return _page(request, {}, status=404)
    known = invitations.invited_user(invitation)
    form = None if known else NewAccountForm(request.POST if request.method == "POST" else None, invitation)
    if request.method == "POST":
        if form is not None and form.is_valid():
            return _enter(request, invitation, form.account())
        if known is not None and request.user == known:
            return _enter(request, invitation, known)
    sign_in = f"{reverse('admin:login')}?{urlencode({'next': request.get_full_path()})}"
    context = {"invitation": invitation, "known": known, "form": form, "sign_in": sign_in}
    return _page(request, context)


def _enter(request: HttpRequest, invitation: Invitation, user: User) -> HttpResponse:
    try:
        is_accepted = invitations.accept(invitation, user)
    except IntegrityError:  # in this moment somebody made an account with this address: it has to sign in
        return redirect(request.get_full_path())
    if not is_accepted:
        return _page(request, {}, status=404)
    if request.user != user:
        login(request, user, settings.AUTHENTICATION_BACKENDS[0])
    return redirect("admin:index")


def _page(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    shared = {**admin.site.each_context(request), "title": _("Invitation")}
    return TemplateResponse(request, "admin/organizations/join.html", shared | context, status=status)
