"""Who may bring members into an organization, what becomes of those who leave, and that an admin stays."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from console import tenancy
from console.conversations.models import Conversation
from console.organizations.models import Member, Organization, User
from hub_lambdas import staff

KEEPS_AN_ADMIN = gettext_lazy("This is the last admin: make somebody else an admin first.")


class LastAdmin(PermissionDenied):
    """Nobody would be left to manage the organization. Make somebody else an admin first."""

    def __init__(self) -> None:
        super().__init__(KEEPS_AN_ADMIN)


def open_to(user: User) -> QuerySet[Organization]:
    """The organizations that `user` may bring members into: an admin's own and, for ops, those that have no
    admin who could do it."""
    own = tenancy.organizations_with(user, "organizations.add_invitation")
    if not tenancy.has_permission(user, "organizations.add_firstadmin", None):
        return own
    led = _active_admins().values("organization")
    return Organization.objects.filter(pk__in=own.values("pk")) | Organization.objects.exclude(pk__in=led)


def has_admin(organization: Organization | None) -> bool:
    """Whether there is somebody who can give roles in `organization`."""
    return _active_admins().filter(organization=organization).exists()


def ends_admins(leaving: QuerySet[Member]) -> bool:
    """Whether an organization would have no admin left without `leaving`."""
    admins = set(leaving.filter(role=Member.Role.ADMIN).values_list("organization", flat=True))
    staying = _active_admins().filter(organization__in=admins).exclude(pk__in=leaving.values("pk"))
    return admins != set(staying.values_list("organization", flat=True))


def remove(leaving: QuerySet[Member]) -> None:
    """Take their roles from `leaving`. Raises LastAdmin."""
    with transaction.atomic():
        _settle(leaving)
        free_conversations(leaving)
        leaving.delete()


def change(member: Member) -> None:
    """Save what was changed of `member`. Raises LastAdmin."""
    with transaction.atomic():
        if member.role != Member.Role.ADMIN:
            _settle(Member.objects.filter(pk=member.pk))
        member.save()


def free_conversations(leaving: QuerySet[Member]) -> None:
    """What they answered waits for whoever takes it over. Whose contact waits for them is left to all as by
    themselves: under its lock."""
    for member in leaving:
        theirs = Conversation.objects.filter(organization=member.organization_id, assignee=member.user_id)
        awaited = theirs.filter(waiting_since__isnull=False).order_by("pk")
        for conversation in awaited.select_for_update():
            staff.leave_to_all(conversation)
        theirs.update(assignee=None)


def _settle(leaving: QuerySet[Member]) -> None:
    """Of two admins who demote each other at the same time, the second has to wait and is refused. Handlers,
    which write rows that refer to the organization, do not wait for either."""
    organizations = Organization.objects.filter(members__in=leaving).order_by("pk")
    locked = Organization.objects.select_for_update(no_key=True).filter(pk__in=organizations.values("pk"))
    list(locked.order_by("pk"))
    if ends_admins(leaving):
        raise LastAdmin


def _active_admins() -> QuerySet[Member]:
    return Member.objects.filter(role=Member.Role.ADMIN, user__is_active=True)
