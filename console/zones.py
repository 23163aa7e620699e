"""Time zones by their names."""

from datetime import datetime
from zoneinfo import ZoneInfo


class Zone(ZoneInfo):
    """A zone with a name at all times: "CET", and "UTC-05" where it has no letters of its own."""

    def tzname(self, at: datetime | None) -> str | None:
        name = super().tzname(at)
        return f"UTC{name}" if name and not name.isalpha() else name


def find_zone(name: str) -> Zone | None:
    """The time zone of a name like "Europe/Madrid"; None where there is no such."""
    try:
        return Zone(name) if name else None
    except (LookupError, ValueError, OSError):
        return None
