"""Variables in canned answers, `{{contact.name}}`, which what is sent has values for. A default may follow,
for where there is none: `{{contact.name|there}}`."""

import re
from collections.abc import Mapping, Sequence

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

NAMES = ("contact.name", "organization.name", "channel.name")
HELP = ", ".join(f"{{{{{name}}}}}" for name in NAMES)
_VARIABLE = re.compile(r"(?P<space> ?)\{\{\s*(?P<name>[^{}|]*?)\s*(?:\|(?P<default>[^{}]*))?\}\}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with the values of its variables. One without value or default is left out, and so is the space
    before it."""

    def value(found: re.Match[str]) -> str:
        said = values.get(found["name"], "") or (found["default"] or "").strip()
        return f"{found['space']}{said}" if said else ""

    return _VARIABLE.sub(value, text)


def validate(text: str, names: Sequence[str] = NAMES) -> None:
    """Raise ValidationError for a variable that nothing has a value for. `names`: those that have one."""
    for found in _VARIABLE.finditer(text):
        if found["name"] not in names:
            known = ", ".join(f"{{{{{name}}}}}" for name in names)
            said = _("There is no variable %(variable)s: write one of %(known)s.")
            unknown = {"variable": f"{{{{{found['name']}}}}}", "known": known}
            raise ValidationError(said, code="unknown_variable", params=unknown)
