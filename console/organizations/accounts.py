"""Accounts of people who sign in: their first passwords, and news of what ops did to them."""

import secrets

from django.conf import settings
from django.core.mail import send_mail
from django.utils import translation
from django.utils.translation import gettext as _

from console.organizations.models import User


def set_one_time_password(user: User) -> str:
    """Give `user` a random password, which the caller shows once. Does not save."""
    password = secrets.token_urlsafe(15)
    user.set_password(password)
    return password


def tell(address: str, news: object, language: str) -> None:
    """E-mail somebody, in their language, what ops did to their account. Raises what the mail server says."""
    with translation.override(language or settings.LANGUAGE_CODE):
        subject = _("Your account on channels-hub was changed")
        why = _(
            "Staff of the platform did this. If you did not ask for it, tell an admin of your "
            "organization, who sees it in the audit log."
        )
        text = f"{news}\n\n{why}\n"
    send_mail(subject, text, None, [address])
