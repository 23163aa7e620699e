"""The platforms of a run on a bad day, and what they did with their webhooks."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import mean

from tests.chaos.plan import TELEGRAM, WHATSAPP
from tests.fakes.platform import Delivery, FakePlatform, Habits
from tests.fakes.telegram import FakeTelegram
from tests.fakes.whatsapp import FakeWhatsApp

SIGNATURE = "X-Hub-Signature-256"
RETRY_SECONDS, MAX_RETRY_SECONDS = 0.5, 4.0
GATHER_SECONDS = 0.3
LATE_SHARE, LATE_SECONDS = 0.2, 1.5
LAG_SHARE, LAG_SECONDS = 0.1, 2.0


@contextmanager
def platforms(seed: int) -> Iterator[Mapping[str, FakePlatform]]:
    """Telegram and WhatsApp, by channel kind. Each webhook comes one to three times. WhatsApp's hold what
    happened within a moment, of all organizations; some set off late, and are overtaken; some reports are
    there before the send call has returned."""
    rng = random.Random(seed)  # noqa: S311 - for what happens when

    def repeats() -> Sequence[float]:
        return [rng.uniform(0, 4) for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))]

    def delay() -> float:
        return rng.uniform(0, LATE_SECONDS) if rng.random() < LATE_SHARE else 0.0

    def lag() -> float:
        return rng.uniform(0, LAG_SECONDS) if rng.random() < LAG_SHARE else 0.0

    steady = Habits(RETRY_SECONDS, MAX_RETRY_SECONDS, repeats=repeats)
    hasty = Habits(RETRY_SECONDS, MAX_RETRY_SECONDS, GATHER_SECONDS, repeats, delay, lag)
    with FakeTelegram(habits=steady) as telegram, FakeWhatsApp(habits=hasty) as whatsapp:
        whatsapp.statuses = ("sent", "delivered", "read")
        yield {TELEGRAM: telegram, WHATSAPP: whatsapp}


def describe(platform: FakePlatform, order: Sequence[tuple[str, str]]) -> Mapping[str, object]:
    """What a platform posted, by name. `order`: contact and id of what people wrote, as they wrote it."""
    posted = sorted(platform.deliveries, key=lambda each: each.began)
    sizes = [len(each.items) for each in posted]
    firsts = _firsts(posted)
    taken = [each for each in posted if each.is_taken]
    owners = [len({entry["id"] for entry in each.content.get("entry", ())}) for each in posted]
    again = [each for each in posted if firsts[tuple(each.items)] is not each]
    reports = {id_ for each in taken for id_ in each.items} - {id_ for _, id_ in order}
    return {
        "webhooks posted": len(posted),
        "  signed": sum(SIGNATURE in each.headers for each in posted),
        "  not taken, and posted again later": len(posted) - len(taken),
        "  posted again although taken": sum(_was_taken(each, taken) for each in again),
        "  items in each: mean, most": f"{mean(sizes):.1f}, {max(sizes)}" if sizes else "none",
        "  of several organizations": sum(each > 1 for each in owners),
        "messages that a later one overtook": _overtaken(order, posted),
        "reports of what became of messages": len(reports),
        "  before the send call had returned": sum(_is_early(platform, taken)),
    }


def _firsts(posted: Sequence[Delivery]) -> Mapping[tuple[str, ...], Delivery]:
    """The first post of each webhook, by its items."""
    found: dict[tuple[str, ...], Delivery] = {}
    for each in posted:
        found.setdefault(tuple(each.items), each)
    return found


def _was_taken(again: Delivery, taken: Sequence[Delivery]) -> bool:
    return any(each.items == again.items and each.ended < again.began for each in taken)


def _overtaken(order: Sequence[tuple[str, str]], posted: Sequence[Delivery]) -> int:
    """How many messages came into the hub's hands after a later one of the same contact."""
    first: dict[str, tuple[float, int]] = {}
    for each in posted:
        for place, id_ in enumerate(each.items):
            first.setdefault(id_, (each.began, place))
    latest: dict[str, tuple[float, int]] = {}
    count = 0
    for contact, id_ in reversed(order):
        if at := first.get(id_):
            count += at > latest.get(contact, at)
            latest[contact] = min(at, latest.get(contact, at))
    return count


def _is_early(platform: FakePlatform, taken: Sequence[Delivery]) -> Iterator[bool]:
    """Of each message that was reported on: whether the hub had a report before its call was over."""
    returned = {line["id"]: line.get("returned_at") for line in platform.sent}
    seen: set[str] = set()
    for each in taken:
        for id_ in each.items:
            sent_id = id_.rpartition(":")[0]
            if sent_id in returned and sent_id not in seen:
                seen.add(sent_id)
                at = returned[sent_id]
                yield at is None or each.ended < at
