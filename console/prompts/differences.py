"""What one version says otherwise than another, so that a person can read it. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from console.prompts.models import CannedPrompt, PromptVersion

Kind = Literal["same", "added", "removed"]
_PIECES = re.compile(r"\n|[^\S\n]+|[^\s]+")
MIN_LIKENESS = 0.4
"""Below it two texts have so little in common that the one is shown after the other, not woven into it."""


@dataclass(frozen=True)
class Segment:
    """A piece of text that stands in both texts, or in one of them."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class CannedDifference:
    """A canned prompt that is not the same in both versions; `before` or `after` is None where it has none of
    it. The rest says what of it has changed, and is empty for what has not."""

    before: CannedPrompt | None
    after: CannedPrompt | None
    question: Sequence[Segment] = ()
    also_asked: Sequence[Segment] = ()
    answer: Sequence[Segment] = ()
    choices: Sequence[Segment] = ()

    @property
    def kind(self) -> Literal["added", "removed", "changed"]:
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    @property
    def shown(self) -> CannedPrompt:
        """As it is now, or was last."""
        found = self.after or self.before
        assert found is not None, "it stands in one of the versions"
        return found

    @property
    def is_switched(self) -> bool:
        """Whether it was switched on or off."""
        return bool(self.before and self.after and self.before.is_active != self.after.is_active)


@dataclass(frozen=True)
class Difference:
    """What changes from one version to another. `is_reordered`: canned prompts have changed places."""

    instructions: Sequence[Segment]
    canned: Sequence[CannedDifference]
    is_reordered: bool

    @property
    def changes_instructions(self) -> bool:
        return any(segment.kind != "same" for segment in self.instructions)

    @property
    def count(self) -> int:
        """How many things change."""
        return self.changes_instructions + len(self.canned) + self.is_reordered


def difference(before: PromptVersion | None, after: PromptVersion) -> Difference:
    """What changes from `before`, which may be nothing, to `after`."""
    old, new = before.canned if before else [], after.canned
    return Difference(
        segments(before.instructions if before else "", after.instructions),
        list(_canned(old, new)),
        _is_reordered(old, new),
    )


def segments(before: str, after: str) -> list[Segment]:
    """Both texts as one, word by word. Texts that have little in common follow each other."""
    old, new = _PIECES.findall(before.strip()), _PIECES.findall(after.strip())
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < MIN_LIKENESS:
        whole: list[tuple[Kind, str]] = [("removed", before.strip()), ("added", after.strip())]
        return [Segment(kind, text) for kind, text in whole if text]
    found: list[Segment] = []
    for operation, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if operation == "equal":
            found.append(Segment("same", "".join(new[new_from:new_to])))
            continue
        if old_to > old_from:
            found.append(Segment("removed", "".join(old[old_from:old_to])))
        if new_to > new_from:
            found.append(Segment("added", "".join(new[new_from:new_to])))
    return found


def _canned(old: Sequence[CannedPrompt], new: Sequence[CannedPrompt]) -> Iterator[CannedDifference]:
    """In the order of `new`, then what is not there any more."""
    before = {each.key: each for each in old}
    for each in new:
        was = before.pop(each.key, None)
        if was is None:
            yield CannedDifference(None, each)
        elif was.content != each.content:
            changed = {
                name: segments(getattr(was, name), getattr(each, name))
                for name in ("question", "also_asked", "answer", "choices")
                if getattr(was, name) != getattr(each, name)
            }
            yield CannedDifference(was, each, **changed)
    for each in before.values():
        yield CannedDifference(each, None)


def _is_reordered(old: Sequence[CannedPrompt], new: Sequence[CannedPrompt]) -> bool:
    kept = {each.key for each in old} & {each.key for each in new}
    return [each.key for each in old if each.key in kept] != [each.key for each in new if each.key in kept]
