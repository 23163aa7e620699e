"""What happens in a run, made from a seed: who writes what when, and what goes wrong meanwhile.

Pure: the same seed and sizes give the same plan. Times are in seconds from the start of the traffic.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos import codes

MESSAGES_PER_SECOND = 4
LEAST_SECONDS = 30
FIRST_CHAT = 10_000
LATE_SECONDS = 1500
"""How old a late message is: older than an organization's limit of 10 minutes."""
BLOCKING_SHARE, LATE_SHARE, SWAP_SHARE, REPLAY_SHARE = 0.02, 0.02, 0.3, 0.15
_QUESTIONS = ("Is order {} ready?", "What about order {}?", "Hello, is {} ready?", "And order {}?")


class Trouble(StrEnum):
    """What goes wrong, in the words of the report."""

    KILL_LLM = "kill -9 of llm_api"
    KILL_RUNNER = "kill -9 of the Lambda runner while a message leaves"
    KILL_WEBHOOK = "kill -9 of the webhook"
    KILL_CONSOLE = "kill -9 of the console"
    KILL_WORKER = "kill -9 of the worker"
    KILL_POSTGRES = "kill -9 of Postgres"
    RESTART_POSTGRES = "restart of Postgres"
    PLATFORM_ERROR = "platform answers 500"
    PLATFORM_BUSY = "platform answers 429"
    PLATFORM_SILENT = "platform takes a message and never answers"
    CONTACT_BLOCKS = "contact blocks the bot (403)"
    TOKEN_EXPIRES = "channel's token expires (401)"
    TOKEN_REPAIRED = "channel's token is repaired"
    LLM_NOTHING = "LLM answers nothing"
    LLM_GARBAGE = "LLM answers garbage, with prices and telephone numbers"
    LLM_BREAKS_OFF = "LLM breaks its answer off"
    LLM_NEVER = "LLM never answers"
    LLM_ERROR = "LLM answers 500"
    POISON = "poison records on the queues"


KILLS = (
    *(Trouble.KILL_LLM, Trouble.KILL_RUNNER, Trouble.KILL_WEBHOOK, Trouble.KILL_CONSOLE),
    *(Trouble.KILL_WORKER, Trouble.KILL_POSTGRES, Trouble.RESTART_POSTGRES),
)
OFTEN_KILLED = (Trouble.KILL_LLM, Trouble.KILL_RUNNER)
PER_MESSAGE = {
    Trouble.PLATFORM_ERROR: 0.01,
    Trouble.PLATFORM_BUSY: 0.02,
    Trouble.PLATFORM_SILENT: 0.01,
    Trouble.LLM_NOTHING: 0.01,
    Trouble.LLM_GARBAGE: 0.01,
    Trouble.LLM_NEVER: 0.003,
    Trouble.LLM_ERROR: 0.01,
    Trouble.LLM_BREAKS_OFF: 0.01,
}
"""How many of each, for each message that is written; one at least."""


@dataclass(frozen=True)
class Writing:
    """A contact writes a message. `again_after`: when the platform delivers it once more, counted from the
    first time. `behind_next`: the platform delivers the contact's next message first. `blocks`: the contact
    blocks the bot right after it. `age_seconds`: how long ago it was written when the hub gets it."""

    at: float
    chat_id: int
    organization: int
    code: str
    text: str
    again_after: tuple[float, ...] = ()
    behind_next: bool = False
    blocks: bool = False
    age_seconds: int = 0


@dataclass(frozen=True)
class Mishap:
    """A trouble and when it comes; `organization`: whose, where it is one organization's."""

    at: float
    trouble: Trouble
    organization: int = 0


@dataclass(frozen=True)
class Plan:
    """A run. `replays`: messages that the platform delivers once more when all is over."""

    seed: int
    organizations: int
    seconds: float
    writings: Sequence[Writing]
    mishaps: Sequence[Mishap]
    replays: Sequence[Writing]


def plan(
    seed: int,
    messages: int,
    organizations: int,
    troubles: Sequence[Trouble] = tuple(Trouble),
    seconds: float = 0.0,
) -> Plan:
    """The plan of a seed. `troubles`: only these go wrong. `seconds`: how long contacts write; 0 = as long as
    it takes at MESSAGES_PER_SECOND."""
    rng = random.Random(seed)  # noqa: S311 - a plan is no secret
    seconds = seconds or max(LEAST_SECONDS, messages / MESSAGES_PER_SECOND)
    blocking = BLOCKING_SHARE if Trouble.CONTACT_BLOCKS in troubles else 0.0
    writings = sorted(_writings(rng, messages, organizations, seconds, blocking), key=lambda each: each.at)
    mishaps = [each for each in _mishaps(rng, messages, organizations, seconds) if each.trouble in troubles]
    replays = rng.sample(writings, round(REPLAY_SHARE * messages))
    return Plan(
        seed=seed,
        organizations=organizations,
        seconds=seconds,
        writings=writings,
        mishaps=sorted(mishaps, key=lambda each: each.at),
        replays=replays,
    )


# --- what contacts write ------------------------------------------------------------------------------------


def _writings(
    rng: random.Random, messages: int, organizations: int, seconds: float, blocking: float
) -> Iterator[Writing]:
    used = [itertools.count() for _ in range(organizations)]
    chat_id, left = FIRST_CHAT, messages
    while left:
        chat_id += 1
        script = _script(rng, seconds)[:left]
        left -= len(script)
        blocks = rng.random() < blocking or (blocking > 0 and chat_id == FIRST_CHAT + 1)
        late = rng.random() < LATE_SHARE
        swaps = rng.random() < SWAP_SHARE
        for number, at in enumerate(script):
            is_last = number == len(script) - 1
            organization = chat_id % organizations
            code = codes.code(organization, next(used[organization]))
            yield Writing(
                at=at,
                chat_id=chat_id,
                organization=organization,
                code=code,
                text=rng.choice(_QUESTIONS).format(code),
                again_after=tuple(rng.uniform(0, 4) for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))),
                behind_next=swaps and number % 2 == 0 and not is_last and script[number + 1] - at < 1,
                blocks=blocks and is_last,
                age_seconds=LATE_SECONDS if late else 0,
            )


def _script(rng: random.Random, seconds: float) -> list[float]:
    """When one contact writes: once, in a burst, or in several turns."""
    begin = rng.uniform(0, seconds)
    kind = rng.random()
    if kind < 0.45:
        return [begin]
    if kind < 0.75:
        return _burst(rng, begin, rng.randint(2, 4))
    begin *= 0.7
    turns = [begin]
    for _ in range(rng.randint(1, 3)):
        turns.append(turns[-1] + rng.uniform(4, 16))
    return [at for turn in turns if turn < seconds for at in _burst(rng, turn, rng.randint(1, 2))]


def _burst(rng: random.Random, begin: float, size: int) -> list[float]:
    times = [begin]
    for _ in range(size - 1):
        times.append(times[-1] + rng.uniform(0.1, 0.7))
    return times


# --- what goes wrong ----------------------------------------------------------------------------------------


def _mishaps(rng: random.Random, messages: int, organizations: int, seconds: float) -> Iterator[Mishap]:
    yield Mishap(0.02 * seconds, Trouble.POISON)
    kills = [*KILLS, *(OFTEN_KILLED if messages >= 300 else ())]
    rng.shuffle(kills)
    for number, kill in enumerate(kills):
        yield Mishap((number + rng.uniform(0.3, 0.8)) / len(kills) * 0.9 * seconds, kill)
    expired = rng.randrange(organizations)
    yield Mishap(0.25 * seconds, Trouble.TOKEN_EXPIRES, expired)
    yield Mishap(0.6 * seconds, Trouble.TOKEN_REPAIRED, expired)
    for trouble, share in PER_MESSAGE.items():
        for _ in range(max(1, round(share * messages))):
            yield Mishap(rng.uniform(0.03, 0.8) * seconds, trouble)
