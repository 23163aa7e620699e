"""The texts of the console in other languages: found in the sources, kept in .po files, compiled for gettext.

    .venv/bin/python -m infra.catalogue

brings each `console/locale/<language>/LC_MESSAGES/django.po` in step with the sources, compiles it to
`django.mo`, and names what is not translated yet; it ends with 1 while there is any. docs/languages.md says
how a language is added.
"""

import ast
import os
import re
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import django
from babel.messages import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation import override
from django.utils.translation.template import templatize

from infra.local.environment import ROOT
from infra.packages.start import SETTINGS

LANGUAGES = ("es",)
SOURCES = ("console", "hub_lambdas", "infra")
STORED = "stored"
"""What marks sentences that are kept in English: a function, and the context in the catalogue."""
SENTENCES = (
    STORED,
    "ChannelError",
    "CredentialRejected",
    "MediaGone",
    "MediaRefused",
    "SendRefused",
    "SendRejected",
    "SendUnknown",
)
"""What says something that may be kept. A platform's own words are no part of it."""
ASKED = "Field"
"""What a channel kind asks for: its label and help are the second and the third argument."""
PLAIN = ("_", "gettext", "gettext_lazy", "gettext_noop")
PLURAL = ("ngettext", "ngettext_lazy")
UNFOLDS = (
    "Click to cancel",
    "Dark",
    "False",
    "Filter navigation items",
    "Filters",
    "Go back",
    "Light",
    "No results found",
    "Reset filters",
    "Run",
    "Select action to run",
    "Select all rows",
    "Select record",
    "System",
    "This item will be deleted.",
    "Toggle password visibility",
    "True",
    "Type to search",
)
"""Texts of django-unfold on our pages. It brings no translations, and Django has none of these."""
_LITERAL = r"""('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")"""
_IN_TEMPLATE = re.compile(rf"\b(_|gettext|ngettext)\(u?{_LITERAL}(?:, u?{_LITERAL})?")

Key = tuple[str | tuple[str, str], str | None]
"""A text, or its singular and plural; and its context."""


class CatalogueError(Exception):
    """A text that cannot be translated as it is marked. The message says where."""


def found() -> set[Key]:
    """Every text that is marked in the sources. Raises CatalogueError."""
    keys: set[Key] = {(text, None) for text in UNFOLDS}
    for folder in (ROOT / name for name in SOURCES):
        keys |= {key for path in folder.rglob("*.py") for key in _in_python(path)}
        keys |= {key for path in folder.rglob("*.html") for key in _in_template(path)}
    return keys | {(text, None) for text in _labels()}


def po_path(language: str) -> Path:
    """The file that translators write."""
    return ROOT / "console" / "locale" / language / "LC_MESSAGES" / "django.po"


def read(language: str) -> Catalog:
    """A .po file; an empty catalogue where there is none yet."""
    path = po_path(language)
    if not path.exists():
        return Catalog(locale=language, domain="django")
    with path.open("rb") as file:
        return read_po(file, locale=language, domain="django")


def in_step(catalog: Catalog, keys: set[Key]) -> Catalog:
    """`catalog` with these texts and no others; new ones are not translated. It keeps its date: the same
    texts make the same files."""
    template = Catalog(creation_date=catalog.creation_date)
    for text, context in sorted(keys, key=str):
        template.add(text, context=context)
    catalog.update(template, no_fuzzy_matching=True)
    return catalog


def written(catalog: Catalog) -> bytes:
    """The .po file."""
    file = BytesIO()
    write_po(file, catalog, sort_output=True, no_location=True, ignore_obsolete=True, width=110)
    return file.getvalue()


def compiled(catalog: Catalog) -> bytes:
    """The .mo file."""
    file = BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def untranslated(catalog: Catalog) -> list[Message]:
    """Texts without a translation, or with one that somebody has to look at."""
    return [each for each in catalog if each.id and (each.fuzzy or not _is_translated(each))]


def _is_translated(message: Message) -> bool:
    said = message.string
    return bool(said) if isinstance(said, str) else bool(said) and all(said or ())


def _labels() -> set[str]:
    """The names of models and fields, from Django: started here, unless it is."""
    from django.apps import apps

    if not apps.ready:
        os.environ.update(SETTINGS | {"DJANGO_SETTINGS_MODULE": "console.settings.console"})
        django.setup()
    from console.reader.labels import texts

    with override(None):
        return texts()


def _in_python(path: Path) -> Iterator[Key]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            arguments = node.args[1:3] if name == ASKED else node.args[: 2 if name in PLURAL else 1]
            if name in (*PLAIN, *PLURAL, *SENTENCES, ASKED):
                texts = [text for argument in arguments if (text := _text(argument, path))]
                yield from _keys(name, texts)


def _text(argument: ast.expr, path: Path) -> str:
    """A text that stands there; "" where it is made elsewhere."""
    if isinstance(argument, ast.JoinedStr):
        raise CatalogueError(f"{path}:{argument.lineno}: an f-string has its values in it: write %(name)s.")
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else ""


def _keys(name: str, texts: Sequence[str]) -> Iterator[Key]:
    if name in PLURAL and texts:
        yield (texts[0], texts[1]), None
    else:
        yield from ((text, STORED if name in SENTENCES else None) for text in texts)


def _in_template(path: Path) -> Iterator[Key]:
    for name, *literals in _IN_TEMPLATE.findall(templatize(path.read_text(), origin=str(path))):
        yield from _keys(name, [ast.literal_eval(each) for each in literals if each])


def main() -> None:
    keys, missing = found(), 0
    for language in LANGUAGES:
        catalog, path = in_step(read(language), keys), po_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(catalog))
        path.with_suffix(".mo").write_bytes(compiled(catalog))
        for message in untranslated(catalog):
            missing += 1
            print(f"{path.relative_to(ROOT)}: not translated: {message.id!r}")  # noqa: T201
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
