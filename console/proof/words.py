"""What the proof calls its numbers, and how it writes them."""

from datetime import datetime, timedelta

CONDITIONS = {
    "turns": "Turns received",
    "answered": "Answered",
    "handed_over": "Handed over",
    "declined": "Declined",
    "open": "Open",
    "held": "Held until their channel is repaired",
    "overdue": "Open past the limit",
    "duplicates": "More than one reply",
    "unknown_deliveries": "Deliveries of unknown fate",
    "dead_lettered": "With a dead letter that waits",
    "replied": "With a reply",
    "in_time": "First reply within 5 s",
    "slow": "No reply within 5 s",
    "held_the_line": "Holding line was needed",
    "unreplied": "Settled without a reply",
}
HOPS = {
    "store": "Stored in the ledger",
    "ask": "Burst window, asked the LLM",
    "queue_for_llm": "On the queue to the LLM",
    "llm_wait": "Waited for a free slot",
    "llm": "The LLM wrote",
    "reply_back": "On the queue back",
    "enqueue": "Put on its way out",
    "send": "The platform took it",
}
MEASURES = {
    "reply": "Time to the answer or fallback",
    "first_reply": "Time to the first reply",
    "first_reply_from_first": "Time to the first reply, from the first message",
    "answer": "Time to the answer",
    "answer_from_first": "Time to the answer, from the first message",
    **HOPS,
}


def number(count: int) -> str:
    """1234 as "1,234"."""
    return f"{count:,}"


def turns(count: int) -> str:
    """1234 as "1,234 turns"."""
    return f"{number(count)} turn{'' if count == 1 else 's'}"


def percent(share: float | None) -> str:
    """One decimal, and never rounded to all or nothing: 99.97 is "99.9 %", 0.02 is "< 0.1 %"."""
    if share is None:
        return "–"
    if share in (0, 100):
        return f"{share:.0f} %"
    return f"{int(share * 10) / 10:.1f} %" if share >= 0.1 else "< 0.1 %"


def duration(ms: int | None) -> str:
    """A time as people say it, rounded down: "840 ms", "1.84 s", "12.3 s", "5 min 12 s", "2 h 5 min"."""
    if ms is None:
        return "–"
    if abs(ms) < 1000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms // 10 / 100:.2f} s" if ms < 10_000 else f"{ms // 100 / 10:.1f} s"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def day(at: datetime) -> str:
    """24 Nov."""
    return f"{at.day} {at:%b}"


def moment(at: datetime) -> str:
    """24 Nov, 09:30."""
    return f"{day(at)}, {at:%H:%M}"


def stretch(start: datetime, width: timedelta) -> str:
    """A bucket of time: "24 Nov, 09:30 – 10:00", "24 Nov" for a whole day, "1 Nov – 7 Nov" for several."""
    end = start + width
    if width < timedelta(days=1):
        return f"{moment(start)} – {end:%H:%M}"
    last = day(end - timedelta(microseconds=1))
    return day(start) if last == day(start) else f"{day(start)} – {last}"
