"""Texts without the differences that say nothing, to be compared."""

import unicodedata

_CONTROLS = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127])


def fold(text: str) -> str:
    """`text` without differences of case, accent, width and script of digits, nor invisible characters:
    "Café ٢" → "cafe 2"."""
    text = text.translate(_CONTROLS)
    if text.isascii():
        return text.casefold()
    digits = "".join(str(unicodedata.decimal(each, each)) for each in text)
    plain = unicodedata.normalize("NFKD", digits).casefold()
    return "".join(each for each in plain if each.isascii() or unicodedata.category(each)[0] not in "MC")
