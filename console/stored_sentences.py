"""Sentences that the hub stored in English, in the language of whoever reads them.

They are made by `hub_lambdas.sentences.stored`, and known again by their words: the catalogue has each with
the places of its values.
"""

import re
from functools import cache

from django.conf import settings
from django.utils.translation import get_language, gettext, pgettext
from django.utils.translation.trans_real import translation as catalogue

CONTEXT = "stored"
_KEY = f"{CONTEXT}\x04"
_END = re.compile(r"[.!?)] ")
_VALUE = re.compile(r"%\((\w+)\)s")


def translate_stored(text: str) -> str:
    """One sentence or several in the reader's language. What somebody else said, a platform for instance,
    stays as it is."""
    language = get_language()
    if not text or not language or language == settings.LANGUAGE_CODE:
        return text
    ends = [match.end() for match in _END.finditer(text)]
    for end in (len(text), *reversed(ends)):
        if (translated := _translate_one(text[:end].rstrip(), language)) is not None:
            return " ".join(filter(None, [translated, translate_stored(text[end:])]))
    first = ends[0] if ends else len(text)  # it is somebody else's; what follows may be ours
    return text[:first] + translate_stored(text[first:])


def _translate_one(sentence: str, language: str) -> str | None:
    for pattern, template in _patterns(language):
        if found := pattern.fullmatch(sentence):
            values = {name: translate_stored(value) for name, value in found.groupdict().items()}
            return pgettext(CONTEXT, template) % values if values else pgettext(CONTEXT, template)
    return translated if (translated := gettext(sentence)) != sentence else None


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """What each stored sentence looks like: the ones with the most words of their own first."""
    known = catalogue(language)._catalog  # type: ignore[attr-defined]
    found = [key for key, _ in known.items() if isinstance(key, str) and key.startswith(_KEY)]
    templates = [key.removeprefix(_KEY) for key in found]
    templates.sort(key=lambda template: -len(_VALUE.sub("", template)))
    return [(_pattern(template), template) for template in templates]


def _pattern(template: str) -> re.Pattern[str]:
    """A value that stands there twice is the same in both places."""
    pieces = _VALUE.split(template)
    texts, names = pieces[::2], pieces[1::2]
    made = re.escape(texts[0])
    for number, (name, text) in enumerate(zip(names, texts[1:], strict=True)):
        value = f"(?P={name})" if name in names[:number] else f"(?P<{name}>.*?)"
        made += value + re.escape(text)
    return re.compile(made, re.DOTALL)
