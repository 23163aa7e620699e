"""The forms that Twilio posts and takes."""

from urllib.parse import parse_qsl

CONTENT_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 1000
"""Of a form; Twilio sends some thirty."""


def fields(body: bytes, errors: str) -> list[tuple[str, str]]:
    """Every field of a form, blank ones too. ValueError where there are too many to be Twilio's."""
    form = body.decode("utf-8", errors)
    return parse_qsl(form, keep_blank_values=True, errors=errors, max_num_fields=MAX_FIELDS)


def printable(text: str) -> str:
    """A form has no place for lone surrogates."""
    return text.encode("utf-8", "replace").decode()
