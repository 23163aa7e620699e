"""What a browser calls itself, in a few words."""

import re
from collections.abc import Sequence

from django.utils.translation import gettext as _

# In this order: most of them also name those that they descend from.
_BROWSERS: Sequence[tuple[str, str]] = (
    ("Edge", r"Edg(e|A|iOS)?/"),
    ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/"),
    ("Safari", r"Safari/"),
    ("curl", r"^curl/"),
)
_SYSTEMS: Sequence[tuple[str, str]] = (
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("ChromeOS", r"CrOS"),
    ("Windows", r"Windows"),
    ("macOS", r"Mac OS X|Macintosh"),
    ("Linux", r"Linux|X11"),
)


def device(agent: str) -> str:
    """ "Firefox on Windows"; what it says itself where nobody knows it."""
    browser, system = (
        next((name for name, mark in each if re.search(mark, agent)), "") for each in (_BROWSERS, _SYSTEMS)
    )
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or agent[:60] or _("Unknown device")
