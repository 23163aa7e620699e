"""Accounts of people who sign in, and their first passwords."""

import secrets

from console.organizations.models import User


def set_one_time_password(user: User) -> str:
    """Give `user` a random password, which the caller shows once. Does not save."""
    password = secrets.token_urlsafe(15)
    user.set_password(password)
    return password


def find_or_create(email: str, name: str = "") -> tuple[User, str | None]:
    """The account with this address; for a new one its password comes along."""
    user = User.objects.filter(email__iexact=email).first()
    if user:
        return user, None
    user = User(email=email.lower(), name=name)
    password = set_one_time_password(user)
    user.save()
    return user, password
