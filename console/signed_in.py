"""Who is signed in."""

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

if TYPE_CHECKING:
    from console.organizations.models import User

CHOSEN = "organization"
"""Where the session keeps which organization the user has chosen to see, by primary key."""


def user_of(request: HttpRequest) -> "User":
    """The signed-in user; pages behind the sign-in have no other visitors."""
    if not request.user.is_authenticated:
        raise PermissionDenied
    request.user.chosen_organization = request.session.get(CHOSEN)
    return request.user
