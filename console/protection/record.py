"""What the audit log says of data that is gone."""

from collections.abc import Mapping

from django.utils.translation import gettext_noop

from console.audit.models import Change
from console.audit.recording import HUB
from console.organizations.models import Organization
from hub_lambdas.sentences import stored

_COUNTED = {
    "messages": stored("Messages: %(count)s."),
    "files": stored("Files: %(count)s."),
    "turns": stored("Turns: %(count)s."),
    "contacts": stored("Contacts: %(count)s."),
    "notes": stored("Notes: %(count)s."),
    "events": stored("Reports of platforms: %(count)s."),
    "dead letters": stored("Dead letters: %(count)s."),
    "rehearsals": stored("Questions of the workshop: %(count)s."),
    "exports": stored("Exports: %(count)s."),
}


def counted(deleted: Mapping[str, int]) -> str:
    """How many rows of each kind were deleted, in stored sentences."""
    return " ".join(said % {"count": deleted[name]} for name, said in _COUNTED.items() if name in deleted)


def note_purge(organization: Organization, deleted: Mapping[str, int]) -> None:
    """How much was deleted because it was old enough, where it was anything."""
    if not deleted:
        return
    Change.objects.create(
        organization=organization,
        who=HUB,
        action=Change.Action.REMOVED,
        thing=gettext_noop("retention"),
        row=f"{_why(organization)} {counted(deleted)}"[:200],
        row_key=str(organization.pk),
        before={name: str(number) for name, number in deleted.items()},
    )


def _why(organization: Organization) -> str:
    days = organization.retention_days
    if days is None:
        return stored("It was old enough, before everything was kept.")
    return stored("Older than %(days)s days.", days=days)


def note_retirement(slug: str, name: str, who: str) -> None:
    """That there was an organization: all that is left of it."""
    Change.objects.create(
        organization=None,
        who=who or HUB,
        action=Change.Action.REMOVED,
        thing="organization",
        row=f"{name} ({slug})"[:200],
    )


def retired(slug: str) -> Change | None:
    """The line that says so of the newest organization that was called `slug`."""
    lines = Change.objects.filter(organization=None, action=Change.Action.REMOVED, thing="organization")
    return lines.filter(row__endswith=f" ({slug})").first()
