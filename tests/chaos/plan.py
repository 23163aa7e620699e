"""What happens in a run, made from a seed: who writes what when, and what goes wrong meanwhile.

Pure: the same seed and sizes give the same plan. Times are in seconds from the start of the traffic.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos import codes
from tests.chaos.policies import Policy, policies

MESSAGES_PER_SECOND = 4
LEAST_SECONDS = 30
TELEGRAM, WHATSAPP = "telegram", "whatsapp"
CONTACTS = {TELEGRAM: "1{:04}", WHATSAPP: "49151{:06}"}
"""The platforms, and how the ids of people there are made from a number."""
LATE_SECONDS = 1500
"""How old a late message is: older than an organization's limit of 10 minutes."""
BLOCKING_SHARE, LATE_SHARE, SWAP_SHARE, REPLAY_SHARE = 0.04, 0.02, 0.3, 0.15
_QUESTIONS = ("Is order {} ready?", "What about order {}?", "Hello, is {} ready?", "And order {}?")


class Trouble(StrEnum):
    """What goes wrong, in the words of the report."""

    KILL_LLM = "kill -9 of llm_api"
    KILL_RUNNER = "kill -9 of the Lambda runner while a message leaves"
    KILL_RUNNER_IN_BATCH = "kill -9 of the Lambda runner in the middle of batches"
    KILL_WEBHOOK = "kill -9 of the webhook"
    KILL_CONSOLE = "kill -9 of the console"
    KILL_WORKER = "kill -9 of the worker"
    KILL_POSTGRES = "kill -9 of Postgres"
    RESTART_POSTGRES = "restart of Postgres"
    PLATFORM_ERROR = "platform answers 500"
    PLATFORM_BUSY = "platform answers 429"
    PLATFORM_SILENT = "platform takes a message and never answers"
    PLATFORM_LOSES = "platform takes an answer and reports that it was not delivered"
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
    *(Trouble.KILL_LLM, Trouble.KILL_RUNNER, Trouble.KILL_RUNNER_IN_BATCH, Trouble.KILL_WEBHOOK),
    *(Trouble.KILL_CONSOLE, Trouble.KILL_WORKER, Trouble.KILL_POSTGRES, Trouble.RESTART_POSTGRES),
)
OFTEN_KILLED = (Trouble.KILL_LLM, Trouble.KILL_RUNNER)
PLACES = {
    Trouble.PLATFORM_ERROR: (TELEGRAM, WHATSAPP),
    Trouble.PLATFORM_BUSY: (TELEGRAM, WHATSAPP),
    Trouble.PLATFORM_SILENT: (TELEGRAM, WHATSAPP),
    Trouble.PLATFORM_LOSES: (WHATSAPP,),
}
"""Where troubles of platforms come: Telegram reports on nothing that it took."""
PER_MESSAGE = {
    Trouble.PLATFORM_ERROR: 0.01,
    Trouble.PLATFORM_BUSY: 0.02,
    Trouble.PLATFORM_SILENT: 0.01,
    Trouble.PLATFORM_LOSES: 0.01,
    Trouble.LLM_NOTHING: 0.01,
    Trouble.LLM_GARBAGE: 0.01,
    Trouble.LLM_NEVER: 0.003,
    Trouble.LLM_ERROR: 0.01,
    Trouble.LLM_BREAKS_OFF: 0.01,
}
"""How many of each, for each message that is written; one at least, and at each platform."""


@dataclass(frozen=True)
class Writing:
    """A contact of a platform writes a message. `behind_next`: the platform delivers the contact's next
    message first. `blocks`: the contact blocks the bot right after it. `age_seconds`: how long ago it was
    written when the hub gets it."""

    at: float
    platform: str
    contact: str
    organization: int
    code: str
    text: str
    behind_next: bool = False
    blocks: bool = False
    age_seconds: int = 0


@dataclass(frozen=True)
class Mishap:
    """A trouble and when it comes; `platform` and `organization`: where, if it is not everywhere."""

    at: float
    trouble: Trouble
    platform: str = ""
    organization: int = 0


@dataclass(frozen=True)
class Plan:
    """A run. `policies`: of each organization. `replays`: messages that the platform delivers once more when
    all is over."""

    seed: int
    policies: Sequence[Policy]
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
    chosen = policies(seed, organizations)
    writings = sorted(_writings(rng, messages, chosen, seconds, blocking), key=lambda each: each.at)
    mishaps = [each for each in _mishaps(rng, messages, organizations, seconds) if each.trouble in troubles]
    replays = rng.sample(writings, round(REPLAY_SHARE * messages))
    return Plan(
        seed=seed,
        policies=chosen,
        seconds=seconds,
        writings=writings,
        mishaps=sorted(mishaps, key=lambda each: each.at),
        replays=replays,
    )


# --- what contacts write ------------------------------------------------------------------------------------


def _writings(
    rng: random.Random, messages: int, chosen: Sequence[Policy], seconds: float, blocking: float
) -> Iterator[Writing]:
    """Somebody is late at an organization of each late policy."""
    used = [itertools.count() for _ in chosen]
    untried = {each.late_policy for each in chosen}
    left = messages
    for person in itertools.count():
        script = _script(rng, seconds)[:left]
        left -= len(script)
        organization, turn = divmod(person, len(CONTACTS))
        organization, platform = organization % len(chosen), [*CONTACTS][turn]
        blocks = platform == TELEGRAM and (rng.random() < blocking or (blocking > 0 and person == 0))
        tries = not blocks and chosen[organization].late_policy in untried
        late = rng.random() < LATE_SHARE or tries
        if tries:
            untried.remove(chosen[organization].late_policy)
        swaps = rng.random() < SWAP_SHARE
        for number, at in enumerate(script):
            is_last = number == len(script) - 1
            code = codes.code(organization, next(used[organization]))
            yield Writing(
                at=at,
                platform=platform,
                contact=CONTACTS[platform].format(person),
                organization=organization,
                code=code,
                text=rng.choice(_QUESTIONS).format(code),
                behind_next=swaps and number % 2 == 0 and not is_last and script[number + 1] - at < 1,
                blocks=blocks and is_last,
                age_seconds=LATE_SECONDS if late else 0,
            )
        if not left:
            return


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
    leaving = itertools.cycle(rng.sample([*CONTACTS], len(CONTACTS)))
    for number, kill in enumerate(kills):
        at = (number + rng.uniform(0.3, 0.8)) / len(kills) * 0.9 * seconds
        yield Mishap(at, kill, next(leaving) if kill is Trouble.KILL_RUNNER else "")
    for platform in CONTACTS:
        expired = rng.randrange(organizations)
        yield Mishap(0.25 * seconds, Trouble.TOKEN_EXPIRES, platform, expired)
        yield Mishap(0.6 * seconds, Trouble.TOKEN_REPAIRED, platform, expired)
    for trouble, share in PER_MESSAGE.items():
        places = PLACES.get(trouble, ("",))
        for place in places:
            for _ in range(max(1, round(share * messages / len(places)))):
                yield Mishap(rng.uniform(0.03, 0.8) * seconds, trouble, place)
