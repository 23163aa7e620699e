"""Text kept exactly as it came, also where Postgres' `text` cannot hold it.

Postgres stores neither NUL nor lone surrogates, and contacts send both. Such a character is kept as U+FDD0 (a
Unicode noncharacter, "intended for process-internal use", Unicode 16 §23.7) and four hex digits, and so is
U+FDD0 itself.
"""

import re
from typing import TYPE_CHECKING, Any

from django.db import models

_ESCAPE = "\ufdd0"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff\ufdd0]")
_ESCAPED = re.compile(f"{_ESCAPE}([0-9a-f]{{4}})")


def escape(text: str) -> str:
    """`text` in a form that Postgres stores; `unescape` gives it back unchanged."""
    return _UNSTORABLE.sub(lambda match: f"{_ESCAPE}{ord(match[0]):04x}", text)


def unescape(stored: str) -> str:
    """The inverse of `escape`."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), stored)


def printable(text: str) -> str:
    """`text` for a page, a file or a model: what none of them can show becomes U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


if TYPE_CHECKING:  # Django's fields take no type arguments at run time
    _Field = models.TextField[str, str]
else:
    _Field = models.TextField


class ExactTextField(_Field):
    """A TextField that also keeps NUL and lone surrogates."""

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        return None if value is None else unescape(value)

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return escape(value) if isinstance(value, str) else value
