"""Both sides of a run: what contacts wrote and got at the platform, and what the ledger says of it.

Who is who is found by codes and texts, and by the platform's ids.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

from tests.chaos import codes
from tests.chaos.policies import Policy
from tests.chaos.records import Got, Said, Turn

ANSWER, HOLDING_LINE, FALLBACK, SOMETHING_ELSE = "answer", "holding line", "fallback", "something else"
_PURPOSES = {HOLDING_LINE: "holding", FALLBACK: "fallback"}
"""The ledger's words for what is not an answer."""


class Books:
    """`policies`: of each contact's organization. `blocked`: who blocked the bot. `got`: what has arrived,
    in order; `lost`: what the platform took and did not deliver."""

    def __init__(
        self,
        said: Sequence[Said],
        got: Sequence[Got],
        turns: Sequence[Turn],
        policies: Mapping[str, Policy],
        blocked: frozenset[str] = frozenset(),
    ) -> None:
        self.said = said
        self.got = sorted((each for each in got if each.has_arrived), key=lambda each: each.at)
        self.lost = [each for each in got if not each.has_arrived]
        self.turns = sorted(turns, key=lambda each: each.id)
        self.policies = policies
        self.blocked = blocked

    @cached_property
    def turn_of(self) -> Mapping[tuple[str, str], Turn]:
        """By contact and code."""
        return {(turn.contact, code): turn for turn in self.turns for code in turn.codes}

    @cached_property
    def turn_of_platform_id(self) -> Mapping[str, Turn]:
        return {each.platform_id: turn for turn in self.turns for each in turn.sendings if each.platform_id}

    @cached_property
    def got_by(self) -> Mapping[str, Sequence[Got]]:
        """By contact."""
        found: dict[str, list[Got]] = defaultdict(list)
        for each in self.got:
            found[each.contact].append(each)
        return found

    @cached_property
    def written(self) -> Mapping[tuple[str, str], Said]:
        """What contacts wrote, by contact and code."""
        return {(each.contact, each.code): each for each in self.said}

    def kind(self, got: Got) -> str:
        """What a contact got: a text that is none of their organization's is SOMETHING_ELSE."""
        policy = self.policies.get(got.contact)
        if policy is None or not got.text:
            return SOMETHING_ELSE
        if named := codes.find(got.text):
            is_mine = all((got.contact, code) in self.written for code in named)
            return ANSWER if is_mine else SOMETHING_ELSE
        lines = {policy.holding_line: HOLDING_LINE, policy.fallback: FALLBACK}
        return lines.get(got.text, SOMETHING_ELSE)

    def turn_behind(self, got: Got) -> Turn | None:
        """The turn that something belongs to. The platform took some messages of whose fate the ledger knows
        nothing: an answer's turn is found by its codes, a line's by what the turn's contact is missing."""
        for code in codes.find(got.text):
            if turn := self.turn_of.get((got.contact, code)):
                return turn
        if known := self.turn_of_platform_id.get(got.platform_id):
            return known
        purpose = _PURPOSES.get(self.kind(got))
        unknown = (
            turn
            for turn in self.turns
            if turn.contact == got.contact
            and any(each.purpose == purpose and each.state == "unknown" for each in turn.sendings)
        )
        return next(unknown, None)

    def replies(self, turn: Turn, kind: str) -> list[Got]:
        """What the contact got in a turn."""
        received = self.got_by.get(turn.contact, ())
        return [each for each in received if self.kind(each) == kind and self.turn_behind(each) is turn]

    def was_taken_before(self, contact: str, code: str, other: str) -> bool:
        """Whether the hub certainly took a message of a contact before another."""
        one, two = self.written.get((contact, code)), self.written.get((contact, other))
        return bool(one and two and one.taken and two.taken and one.taken.is_before(two.taken))
