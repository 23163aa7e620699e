"""What contacts wrote and got, held against what the ledger says: how often each promise was broken.

Pure. What counts is what the platform saw; the ledger tells which messages are one turn, and who has it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import pairwise, permutations

from tests.chaos import codes


@dataclass(frozen=True)
class Taken:
    """When the hub took a message: between the beginning of the first webhook that held it, and the end of
    the first that the hub answered with 2xx (epoch seconds). `place`: in that webhook."""

    began: float
    ended: float
    place: int = 0

    def is_before(self, other: "Taken") -> bool:
        """Certainly: what overlaps may have been taken in either order."""
        is_same = self.ended == other.ended
        return self.place < other.place if is_same else self.ended <= other.began


@dataclass(frozen=True)
class Said:
    """A contact's message by its code, and when it left them (epoch seconds)."""

    contact: str
    code: str
    at: float
    taken: Taken | None = None


@dataclass(frozen=True)
class Got:
    """A message that the platform took for a contact."""

    contact: str
    platform_id: str
    text: str
    at: float


@dataclass(frozen=True)
class Sending:
    """An outbound message of the ledger that belongs to a turn."""

    purpose: str
    state: str
    platform_id: str | None


@dataclass(frozen=True)
class Turn:
    """A turn of the ledger. `codes`: of its messages, in order. `was_objected_to`: an answer of the LLM's was
    not sent, and the next was to the question of a canned prompt: it may leave out the rest of what the
    contact asked."""

    id: int
    contact: str
    state: str
    reason: str
    codes: Sequence[str]
    sendings: Sequence[Sending] = ()
    staff_were_told: bool = False
    was_objected_to: bool = False

    @property
    def is_open(self) -> bool:
        return self.state in ("open", "asked")

    @property
    def fate_is_unknown(self) -> bool:
        """Whether something was sent in it of which nobody knows whether it arrived."""
        return any(each.state == "unknown" for each in self.sendings)


@dataclass(frozen=True)
class Texts:
    """The organizations' own texts, by which their messages are known."""

    holding_lines: frozenset[str]
    fallbacks: frozenset[str]
    limit_lines: frozenset[str]


PURPOSES = {"holding line": "holding", "fallback": "fallback", "limit line": "limit"}
"""The ledger's words for what is not an answer."""


class Fate(StrEnum):
    """What became of a contact's message, in the words of the report."""

    ANSWERED = "answered"
    TOLD = "handed over, and the contact was told"
    WITH_STAFF = "written to staff, who had the conversation"
    UNKNOWN = "with staff: the platform did not say whether it took the reply"
    BLOCKED = "with staff: the contact has blocked the bot"
    UNANSWERED = "unanswered"


@dataclass(frozen=True)
class Count:
    """A finished count. `broken`: each promise with what broke it, as sentences: nothing when all is well."""

    said: int
    turns: int
    got: Mapping[str, int]
    fates: Mapping[Fate, int]
    broken: Mapping[str, Sequence[str]]
    first_reply_seconds: Sequence[float] = field(default=())
    unclaimed: Sequence[str] = field(default=())
    """What contacts got and the ledger does not know by the platform's id."""

    @property
    def is_kept(self) -> bool:
        return not any(self.broken.values())


class Books:
    """Both sides of a run, for comparison."""

    def __init__(
        self,
        said: Sequence[Said],
        got: Sequence[Got],
        turns: Sequence[Turn],
        texts: Texts,
        blocked: frozenset[str] = frozenset(),
    ) -> None:
        self.said = said
        self.got = sorted(got, key=lambda each: each.at)
        self.turns = sorted(turns, key=lambda each: each.id)
        self.texts = texts
        self.blocked = blocked

    def count(self) -> Count:
        fates = {each: self._fate(each) for each in self.said}
        return Count(
            said=len(self.said),
            turns=len(self.turns),
            got=Counter(self._kind(each) for each in self.got),
            fates=Counter(fates.values()),
            broken={
                "messages not stored exactly once": list(self._misstored()),
                "unanswered": [
                    f"{each.code} of contact {each.contact}: {self._told_of(each)}"
                    for each, fate in fates.items()
                    if fate is Fate.UNANSWERED
                ],
                "duplicate replies": list(self._duplicates()),
                "out-of-order replies": list(self._disorder()),
                "turns without outcome": [
                    f"turn {turn.id} of contact {turn.contact} is {turn.state}"
                    for turn in self.turns
                    if turn.is_open
                ],
                "answers only the ledger knows": list(self._phantoms()),
                "replies that nobody may send": [
                    f"contact {each.contact} got {each.text!r}"
                    for each in self.got
                    if self._kind(each) == "something else"
                ],
                "hand-overs that staff were not told of": [
                    f"turn {turn.id} of contact {turn.contact} ({turn.reason})"
                    for turn in self.turns
                    if turn.state == "handed_over"
                    and turn.reason != "staff_owns"
                    and not turn.staff_were_told
                ],
            },
            first_reply_seconds=sorted(self._first_replies()),
            unclaimed=[
                f"contact {each.contact} got {each.text!r} ({each.platform_id})"
                for each in self.got
                if each.platform_id not in self._turn_of_platform_id
            ],
        )

    # --- who is who ---

    @cached_property
    def _turn_of(self) -> Mapping[tuple[str, str], Turn]:
        """By contact and code."""
        return {(turn.contact, code): turn for turn in self.turns for code in turn.codes}

    @cached_property
    def _turn_of_platform_id(self) -> Mapping[str, Turn]:
        return {each.platform_id: turn for turn in self.turns for each in turn.sendings if each.platform_id}

    @cached_property
    def _of_contact(self) -> Mapping[str, Sequence[Got]]:
        found: dict[str, list[Got]] = defaultdict(list)
        for each in self.got:
            found[each.contact].append(each)
        return found

    @cached_property
    def _written(self) -> Mapping[tuple[str, str], Said]:
        """What contacts wrote, by contact and code."""
        return {(each.contact, each.code): each for each in self.said}

    def _kind(self, got: Got) -> str:
        if named := codes.find(got.text):
            is_mine = all((got.contact, code) in self._written for code in named)
            return "answer" if is_mine else "something else"
        texts = {
            "holding line": self.texts.holding_lines,
            "fallback": self.texts.fallbacks,
            "limit line": self.texts.limit_lines,
        }
        return next((name for name, known in texts.items() if got.text in known), "something else")

    def _turn_behind(self, got: Got) -> Turn | None:
        """The turn that something belongs to. The platform took some messages of whose fate the ledger knows
        nothing: an answer's turn is found by its codes, a line's by what the turn's contact is missing."""
        for code in codes.find(got.text):
            if turn := self._turn_of.get((got.contact, code)):
                return turn
        if known := self._turn_of_platform_id.get(got.platform_id):
            return known
        purpose = PURPOSES.get(self._kind(got))
        unknown = (
            turn
            for turn in self.turns
            if turn.contact == got.contact
            and any(each.purpose == purpose and each.state == "unknown" for each in turn.sendings)
        )
        return next(unknown, None)

    def _replies(self, turn: Turn, kind: str) -> list[Got]:
        """What the contact got in a turn."""
        received = self._of_contact.get(turn.contact, ())
        return [each for each in received if self._kind(each) == kind and self._turn_behind(each) is turn]

    # --- what became of each message ---

    def _fate(self, said: Said) -> Fate:
        turn = self._turn_of.get((said.contact, said.code))
        if turn is None:
            return Fate.UNANSWERED
        answers = self._replies(turn, "answer")
        if any(said.code in codes.find(each.text) or turn.was_objected_to for each in answers):
            return Fate.ANSWERED
        if turn.state != "handed_over":
            return Fate.UNANSWERED
        if self._replies(turn, "fallback"):
            return Fate.TOLD
        if said.contact in self.blocked:
            return Fate.BLOCKED
        if turn.fate_is_unknown:
            return Fate.UNKNOWN
        if turn.reason == "staff_owns" and self._left_the_bot_before(turn):
            return Fate.WITH_STAFF
        return Fate.UNANSWERED

    def _left_the_bot_before(self, turn: Turn) -> bool:
        earlier = (each for each in self.turns if each.contact == turn.contact and each.id < turn.id)
        return any(each.state == "handed_over" and each.reason != "staff_owns" for each in earlier)

    def _told_of(self, said: Said) -> str:
        turn = self._turn_of.get((said.contact, said.code))
        return (
            f"turn {turn.id} is {turn.state} ({turn.reason or 'no reason'})" if turn else "not in the ledger"
        )

    # --- what must not be ---

    def _misstored(self) -> Iterator[str]:
        stored = Counter((turn.contact, code) for turn in self.turns for code in turn.codes)
        for contact, code in self._written:
            if stored[contact, code] != 1:
                yield f"{code} of contact {contact} is stored {stored[contact, code]} times"

    def _duplicates(self) -> Iterator[str]:
        """Answers and fallbacks count as one reply each; a second holding line is one too many as well."""
        found: Counter[tuple[str, str]] = Counter()
        for each in self.got:
            turn, kind = self._turn_behind(each), self._kind(each)
            name = f"turn {turn.id}" if turn else f"contact {each.contact}"
            if kind in ("answer", "fallback"):
                found[name, "replies"] += 1
            elif kind == "holding line":
                found[name, "holding lines"] += 1
        for (name, what), count in found.items():
            if count > 1:
                yield f"{name} got {count} {what}"

    def _disorder(self) -> Iterator[str]:
        """By the platform alone: answers to what a contact wrote come in the order in which the hub took it.
        With the ledger: so do fallbacks."""
        for contact, got in self._of_contact.items():
            # Each message where it is answered first: a second answer is counted elsewhere.
            first: dict[str, int] = {}
            for number, each in enumerate(got):
                for code in codes.find(each.text):
                    first.setdefault(code, number)
            if any(
                self._was_taken_before(contact, late, early)
                for early, late in permutations(first, 2)
                if first[early] < first[late]
            ):
                yield f"contact {contact} got its answers in another order than it asked"
            turns = [
                turn.id
                for each in got
                if self._kind(each) in ("answer", "fallback") and (turn := self._turn_behind(each))
            ]
            if _has_disorder(turns):
                yield f"contact {contact} got replies to its turns in the order {turns}"

    def _was_taken_before(self, contact: str, code: str, other: str) -> bool:
        one, two = self._written.get((contact, code)), self._written.get((contact, other))
        return bool(one and two and one.taken and two.taken and one.taken.is_before(two.taken))

    def _phantoms(self) -> Iterator[str]:
        """Turns that count as answered although the contact did not get an answer to all of it."""
        for turn in self.turns:
            if turn.state == "answered":
                seen = {code for each in self._replies(turn, "answer") for code in codes.find(each.text)}
                missing = [code for code in turn.codes if code not in seen]
                if missing and not (seen and turn.was_objected_to):
                    yield f"turn {turn.id} of contact {turn.contact} is answered without {', '.join(missing)}"

    # --- how long it took ---

    def _first_replies(self) -> Iterator[float]:
        """Seconds from the last message of each turn to the first that the contact got after it."""
        said_at = {(each.contact, each.code): each.at for each in self.said}
        for turn in self.turns:
            times = [said_at[key] for code in turn.codes if (key := (turn.contact, code)) in said_at]
            received = self._of_contact.get(turn.contact, ())
            first = min((each.at for each in received if self._turn_behind(each) is turn), default=None)
            if times and first is not None:
                before = [at for at in times if at <= first]
                yield first - max(before, default=first)


def _has_disorder(numbers: Sequence[int]) -> bool:
    return any(one > following for one, following in pairwise(numbers))
