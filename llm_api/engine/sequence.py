"""One request in the engine: its tokens, what of them is computed, and how far it may go."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from llm_api.engine.base import Priority
from llm_api.engine.drafting import draft
from llm_api.engine.prompt import Prompt

State = npt.NDArray[np.uint8]
"""What a model keeps in memory of some tokens, as bytes: restoring it spares computing them."""

LEAST_TOKENS = 32
"""A shorter beginning of a prompt is computed faster than it is looked after."""
HISTORY_TOKENS = 160
"""So many tokens at most are taken for a contact's last turns, and more for a prompt that was edited."""


@dataclass(eq=False, slots=True)
class Sequence:
    """Prompt and answer in one list of tokens.

    The model has computed the first `computed` of `tokens`; when it has computed all, the next token follows
    from the last. `lane` and `slot` say where, None while it waits. `answer_by` is in epoch seconds.
    """

    prompt: Prompt
    max_tokens: int
    group: str = ""
    priority: Priority = "interactive"
    answer_by: float | None = None
    guess: tuple[int, ...] = ()
    """What the answer may be; nothing where chance has a say in it."""
    tokens: list[int] = field(init=False)
    computed: int = 0
    lane: int | None = None
    slot: int | None = None
    restored: int = 0
    """So many tokens of the prompt came from memory."""
    saved: State | None = None
    """The state of the first `computed` tokens while the sequence is set aside."""
    is_unsure: bool = False
    """The last token was computed together with a guess, and must be computed alone to know the next one."""
    failures: int = 0
    cancelled: bool = False
    finish_tag: float = 0.0
    number: int = 0
    """Its turn, as the scheduler sees it: by tag, and by number among equal ones."""

    def __post_init__(self) -> None:
        self.tokens = list(self.prompt.tokens)

    @property
    def written(self) -> int:
        """How many tokens the answer has."""
        return len(self.tokens) - len(self.prompt.tokens)

    def draft(self, limit: int) -> Items[int]:
        """How the answer is likely to go on after what is to be computed, in at most `limit` tokens."""
        count = len(self.prompt.tokens)
        return draft(self.guess, self.tokens[count:], min(limit, self.max_tokens - self.written - 1))

    @property
    def missing(self) -> int:
        """How many tokens are to be computed before the next can be chosen."""
        return len(self.tokens) - self.computed

    @property
    def is_writing(self) -> bool:
        """Whether each step brings a token, as against reading the prompt."""
        return self.written > 0 and self.missing == 1

    @property
    def next_stop(self) -> int:
        """How far to compute before the state is worth keeping: the question is new each time, what comes
        before it is not. A few messages behind what was known are one contact's, for whom the state of the
        whole does as well: it can be cut."""
        question_at = self.prompt.question_at
        is_history = self.restored > 0 and question_at - self.restored <= HISTORY_TOKENS
        is_behind = self.computed >= question_at or question_at < LEAST_TOKENS
        return len(self.tokens) if is_history or is_behind else question_at

    def is_late(self, now: float) -> bool:
        return self.answer_by is not None and now >= self.answer_by
