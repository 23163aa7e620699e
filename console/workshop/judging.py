"""Whether what came of a question is what its test case wants, and whether the draft does better. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from django.utils.translation import gettext as _

from console.workshop.models import Case, Rehearsal

Change = Literal["better", "worse", "same", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """`problems`: what is not as the case wants it, a sentence each; None where it is not judged. `gap`: why
    it is not."""

    problems: Sequence[str] | None
    gap: str = ""

    @property
    def is_good(self) -> bool:
        return self.problems is not None and not self.problems


@dataclass(frozen=True)
class Comparison:
    """A test case before and after: what is published, and the draft, if there is one."""

    case: Case
    published: Rehearsal | None
    draft: Rehearsal | None

    @property
    def before(self) -> Verdict:
        return judge(self.case, self.published)

    @property
    def after(self) -> Verdict:
        return judge(self.case, self.draft)

    @property
    def change(self) -> Change:
        """What publishing would do to it."""
        if self.before.problems is None or self.after.problems is None:
            return "unknown"
        if self.before.is_good == self.after.is_good:
            return "same"
        return "better" if self.after.is_good else "worse"

    @property
    def gap(self) -> str:
        """Why nobody can say what publishing would do to it."""
        return self.before.gap or self.after.gap


def judge(case: Case, rehearsal: Rehearsal | None) -> Verdict:
    """What a test case says of an outcome."""
    if rehearsal is None:
        return Verdict(None, _("It was not asked."))
    if (rehearsal.question, rehearsal.history) != (case.question, case.history):
        return Verdict(None, _("Its question has changed since."))
    if rehearsal.state not in (Rehearsal.State.ANSWERED, Rehearsal.State.HANDED_OVER):
        return Verdict(None, _("It got no reply."))
    if rehearsal.state != case.expectation:
        handed_over = rehearsal.state == Rehearsal.State.HANDED_OVER
        return Verdict([_("Staff would get it.") if handed_over else _("The bot answers it.")])
    if rehearsal.state == Rehearsal.State.HANDED_OVER:
        return Verdict([])
    said = _folded(rehearsal.text)
    missing = [text for text in _lines(case.must_contain) if _folded(text) not in said]
    unwanted = [text for text in _lines(case.must_not_contain) if _folded(text) in said]
    return Verdict(
        [
            *(_("“%(text)s” is missing.") % {"text": text} for text in missing),
            *(_("“%(text)s” is in it.") % {"text": text} for text in unwanted),
        ]
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _folded(text: str) -> str:
    """Without what nobody would call a difference: case, and the kind and amount of space."""
    return " ".join(text.casefold().split())
