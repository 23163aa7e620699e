"""What the audit log says of data that is gone."""

from collections import Counter

from console.audit.models import Change
from console.audit.recording import HUB
from console.organizations.models import Organization


def note_purge(organization: Organization, deleted: Counter[str]) -> None:
    """How much was deleted because it was old enough, where it was anything."""
    if not deleted:
        return
    counted = ", ".join(f"{number} {name}" for name, number in deleted.items())
    Change.objects.create(
        organization=organization,
        who=HUB,
        action=Change.Action.REMOVED,
        thing="retention",
        row=f"Older than {organization.retention_days} days: {counted}"[:200],
        row_key=str(organization.pk),
        before={name: str(number) for name, number in deleted.items()},
    )


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
