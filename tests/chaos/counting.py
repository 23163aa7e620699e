"""What contacts wrote and got, held against what the ledger says: how often each promise was broken.

Pure. What counts is what the platform saw; the ledger tells which messages are one turn, and who has it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, permutations

from tests.chaos import codes
from tests.chaos.books import ANSWER, FALLBACK, HOLDING_LINE, SOMETHING_ELSE, Books
from tests.chaos.poison import End, Poison
from tests.chaos.records import Count, Fate, Got, Letter, Said, Turn

STAFF_TOLD_WITHIN_SECONDS = 90
"""Of a dead letter: a sweep comes each minute."""


def count(books: Books) -> Count:
    """Everything that is to be known of a run at one platform."""
    fates = {each: _fate(books, each) for each in books.said}
    return Count(
        said=len(books.said),
        turns=len(books.turns),
        got=Counter(books.kind(each) for each in books.got),
        fates=Counter(fates.values()),
        broken={
            "messages not stored exactly once": list(_misstored(books)),
            "unanswered": [
                f"{each.code} of contact {each.contact}: {_told_of(books, each)}"
                for each, fate in fates.items()
                if fate is Fate.UNANSWERED
            ],
            "duplicate replies": list(_duplicates(books)),
            "out-of-order replies": list(_disorder(books)),
            "turns without outcome": [
                f"turn {turn.id} of contact {turn.contact} is {turn.state}"
                for turn in books.turns
                if turn.is_open
            ],
            "answers only the ledger knows": list(_phantoms(books)),
            "replies that nobody may send": [
                f"contact {each.contact} got {each.text!r}"
                for each in books.got
                if books.kind(each) == SOMETHING_ELSE
            ],
            "late messages treated in another way than chosen": list(_mistreated(books)),
            "hand-overs that staff were not told of": [
                f"turn {turn.id} of contact {turn.contact} ({turn.reason})"
                for turn in books.turns
                if turn.state == "handed_over" and turn.reason != "staff_owns" and not turn.staff_were_told
            ],
        },
        first_reply_seconds=sorted(_first_replies(books)),
        unclaimed=[
            f"contact {each.contact} got {each.text!r} ({each.platform_id})"
            for each in books.got
            if each.platform_id not in books.turn_of_platform_id
        ],
        twice=[
            f"turn {turn.id} of contact {turn.contact}"
            for turn in books.turns
            if _is_twice_by_choice(books, turn, _answers_and_fallbacks(books, turn))
        ],
    )


def broken_by_poison(
    poison: Sequence[Poison], letters: Sequence[Letter], waiting: Mapping[str, int]
) -> Iterator[str]:
    """Records that did not end as they have to. `waiting`: how many messages are still on each queue when all
    else is over: as many records may have no letter yet. What Celery has is only never two letters."""
    for each in poison:
        found = [letter for letter in letters if each.mark in letter.body]
        most = 0 if each.end is End.NOTHING else 1
        if len(found) > most:
            yield f"{each.body} is {len(found)} dead letters, and has to end as {each.end}"
    for letter in untold_letters(poison, letters):
        if letter.age_seconds > STAFF_TOLD_WITHIN_SECONDS:
            yield f"{letter.body} is a dead letter, and staff were not told"
    for queue, missing in still_to_be_buried(poison, letters).items():
        if (lost := missing - waiting.get(queue, 0)) > 0:
            yield f"{queue}: {lost} records are neither dead letters nor on their queue any more"


def untold_letters(poison: Sequence[Poison], letters: Sequence[Letter]) -> list[Letter]:
    """Letters of which staff have to be told, and are not yet."""
    marks = [each.mark for each in poison if each.end is End.TOLD]
    told_of = (letter for letter in letters if any(mark in letter.body for mark in marks))
    return [letter for letter in told_of if not letter.staff_were_told]


def still_to_be_buried(poison: Sequence[Poison], letters: Sequence[Letter]) -> Mapping[str, int]:
    """By queue: records that have to end as dead letters, and are none yet."""
    return Counter(
        each.queue
        for each in poison
        if each.end in (End.LETTER, End.TOLD) and not any(each.mark in letter.body for letter in letters)
    )


# --- what became of each message ----------------------------------------------------------------------------


def _fate(books: Books, said: Said) -> Fate:
    turn = books.turn_of.get((said.contact, said.code))
    if turn is None:
        return Fate.UNANSWERED
    answers = books.replies(turn, ANSWER)
    if any(said.code in codes.find(each.text) for each in answers):
        return Fate.ANSWERED
    if turn.state != "handed_over":
        return Fate.UNANSWERED
    if books.replies(turn, FALLBACK):
        return Fate.TOLD
    if said.contact in books.blocked:
        return Fate.BLOCKED
    if _may_stay_unknown(books, turn, said):
        return Fate.UNKNOWN
    if turn.reason == "staff_owns":
        return _fate_at_staff(books, turn)
    return Fate.UNANSWERED


def _may_stay_unknown(books: Books, turn: Turn, said: Said) -> bool:
    """Whether nobody can know what became of a reply. Where the organization would rather have an answer
    twice, it must have been tried twice, unless it had become late or the contact was sent something else."""
    unknown = [each for each in turn.sendings if each.state == "unknown"]
    answers = [each for each in unknown if each.purpose == "answer"]
    if len(answers) < len(unknown) or books.policies[turn.contact].unknown_delivery == "hand_over":
        return bool(unknown)
    later = (each for each in books.turns if each.contact == turn.contact and each.id > turn.id)
    is_moot = said.is_late or turn.was_held or any(each.sendings for each in later)
    return is_moot or any(each.unknown_attempts > 1 for each in answers)


def _fate_at_staff(books: Books, turn: Turn) -> Fate:
    """Of what a contact wrote when staff had the conversation: they must have been told of an earlier turn,
    or of a later one that staff got before this, whose answer was still on its way."""
    others = [
        each
        for each in books.turns
        if each.contact == turn.contact and (each.id < turn.id or 0 < each.settled_at < turn.settled_at)
    ]
    if any(books.replies(each, FALLBACK) for each in others):
        return Fate.WITH_STAFF
    fallbacks = (sending for each in others for sending in each.sendings if sending.purpose == "fallback")
    return Fate.UNKNOWN if any(each.state == "unknown" for each in fallbacks) else Fate.UNANSWERED


def _told_of(books: Books, said: Said) -> str:
    turn = books.turn_of.get((said.contact, said.code))
    if turn is None:
        return "not in the ledger"
    return "; ".join(_story(each) for each in books.turns if each.contact == said.contact)


def _story(turn: Turn) -> str:
    sendings = ", ".join(f"{each.purpose} {each.state}" for each in turn.sendings)
    return f"turn {turn.id} is {turn.state} ({turn.reason or 'no reason'}), sent: {sendings or 'nothing'}"


# --- what must not be ---------------------------------------------------------------------------------------


def _misstored(books: Books) -> Iterator[str]:
    stored = Counter((turn.contact, code) for turn in books.turns for code in turn.codes)
    for contact, code in books.written:
        if stored[contact, code] != 1:
            yield f"{code} of contact {contact} is stored {stored[contact, code]} times"


def _answers_and_fallbacks(books: Books, turn: Turn) -> list[Got]:
    return [*books.replies(turn, ANSWER), *books.replies(turn, FALLBACK)]


def _duplicates(books: Books) -> Iterator[str]:
    """Answers and fallbacks count as one reply each; a second holding line is one too many as well."""
    found: dict[tuple[str, str], list[Got]] = defaultdict(list)
    turns: dict[str, Turn] = {}
    for each in books.got:
        turn, kind = books.turn_behind(each), books.kind(each)
        name = f"turn {turn.id}" if turn else f"contact {each.contact}"
        if turn:
            turns[name] = turn
        if kind in (ANSWER, FALLBACK):
            found[name, "replies"].append(each)
        elif kind == HOLDING_LINE:
            found[name, "holding lines"].append(each)
    for (name, what), received in found.items():
        is_chosen = name in turns and _is_twice_by_choice(books, turns[name], received)
        if len(received) > 1 and not is_chosen:
            yield f"{name} got {len(received)} {what}"


def _is_twice_by_choice(books: Books, turn: Turn, received: Sequence[Got]) -> bool:
    """Whether it is one answer that came a second time, because nobody knew whether it had arrived, and the
    organization would rather have it twice."""
    doubts = sum(each.unknown_attempts for each in turn.sendings if each.purpose == "answer")
    is_chosen = doubts > 0 and books.policies[turn.contact].unknown_delivery == "send_again"
    is_same = len({each.text for each in received}) == 1 and books.kind(received[0]) == ANSWER
    return is_chosen and is_same and len(received) == 2


def _disorder(books: Books) -> Iterator[str]:
    """By the platform alone: answers to what a contact wrote come in the order in which the hub took it.
    With the ledger: so do fallbacks, but for those in place of what the platform did not deliver."""
    let_down = {turn.id for each in books.lost if (turn := books.turn_behind(each))}
    for contact, got in books.got_by.items():
        # Each message where it is answered first: a second answer is counted elsewhere.
        first: dict[str, int] = {}
        for number, each in enumerate(got):
            for code in codes.find(each.text):
                first.setdefault(code, number)
        if any(
            books.was_taken_before(contact, late, early)
            for early, late in permutations(first, 2)
            if first[early] < first[late]
        ):
            yield f"contact {contact} got its answers in another order than it asked"
        turns = [
            turn.id
            for each in got
            if books.kind(each) in (ANSWER, FALLBACK)
            and (turn := books.turn_behind(each))
            and not (books.kind(each) == FALLBACK and turn.id in let_down)
        ]
        if any(one > following for one, following in pairwise(turns)):
            yield f"contact {contact} got replies to its turns in the order {turns}"


def _phantoms(books: Books) -> Iterator[str]:
    """Turns that count as answered although the contact did not get an answer to all of it."""
    for turn in books.turns:
        if turn.state == "answered":
            seen = {code for each in books.replies(turn, ANSWER) for code in codes.find(each.text)}
            missing = [code for code in turn.codes if code not in seen]
            if missing:
                yield f"turn {turn.id} of contact {turn.contact} is answered without {', '.join(missing)}"


def _mistreated(books: Books) -> Iterator[str]:
    """Answers to late messages that their organization would not answer, or without its apology; and
    apologies where nothing was late."""
    late = {each.contact for each in books.said if each.is_late}
    for each in books.got:
        if books.kind(each) != ANSWER:
            continue
        policy, is_late = books.policies[each.contact], each.contact in late
        is_apologized = each.text.startswith(f"{policy.apology} ")
        if is_late and policy.late_policy == "hand_over":
            yield f"contact {each.contact} got {each.text!r}, which staff should answer"
        elif is_apologized is not (is_late and policy.late_policy == "apologize"):
            yield f"contact {each.contact} got {each.text!r}; late messages: {policy.late_policy}"


# --- how long it took ---------------------------------------------------------------------------------------


def _first_replies(books: Books) -> Iterator[float]:
    """Seconds from the last message of each turn to the first that the contact got after it."""
    for turn in books.turns:
        times = [
            books.written[key].at for code in turn.codes if (key := (turn.contact, code)) in books.written
        ]
        received = books.got_by.get(turn.contact, ())
        first = min((each.at for each in received if books.turn_behind(each) is turn), default=None)
        if times and first is not None:
            before = [at for at in times if at <= first]
            yield first - max(before, default=first)
