"""Who is signed in."""

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

if TYPE_CHECKING:
    from console.organizations.models import User


def user_of(request: HttpRequest) -> "User":
    """The signed-in user; pages behind the sign-in have no other visitors."""
    if not request.user.is_authenticated:
        raise PermissionDenied
    return request.user
