"""Languages as platforms write them in lower case: "de", "pt-br"."""

from collections.abc import Iterable

from django.conf.locale import LANG_INFO
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

validate = RegexValidator(r"^[a-z]{2,3}(-[a-z0-9]{2,8})*$", gettext_lazy("Write a language as de or pt-br."))


def validate_distinct(codes: Iterable[str]) -> None:
    """Raise ValidationError where one stands there twice."""
    seen: set[str] = set()
    for code in codes:
        if code in seen:
            raise ValidationError(_("%(language)s stands there twice.") % {"language": code})
        seen.add(code)


def name(code: str) -> str:
    """What its speakers call a language, with its code: "Deutsch (de)"."""
    local = LANG_INFO.get(code, {}).get("name_local", "")
    return f"{local[:1].upper()}{local[1:]} ({code})" if local else code


def choices(others: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Languages to choose from, `others` among them, by name."""
    known = {code for code, facts in LANG_INFO.items() if "name_local" in facts}
    return sorted(((code, name(code)) for code in {*known, *others}), key=lambda choice: choice[1].casefold())


def best(wanted: str, offered: Iterable[str]) -> str | None:
    """The one of `offered` for somebody who uses `wanted` ("de", "pt-BR"): a dialect that is not there gets
    its language."""
    code = wanted.lower().replace("_", "-")
    return next((each for each in (code, code.partition("-")[0]) if each in offered), None)
