"""What the proof calls its numbers, and how it writes them. Names are translated where they are shown; times
are the reader's."""

from datetime import datetime, timedelta

from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_noop, ngettext

CONDITIONS = {
    "turns": gettext_noop("Turns received"),
    "answered": gettext_noop("Answered"),
    "handed_over": gettext_noop("Handed over"),
    "declined": gettext_noop("Declined"),
    "open": gettext_noop("Open"),
    "held": gettext_noop("Held until their channel is repaired"),
    "overdue": gettext_noop("Open past the limit"),
    "duplicates": gettext_noop("More than one reply"),
    "unknown_deliveries": gettext_noop("Deliveries of unknown fate"),
    "dead_lettered": gettext_noop("With a dead letter that waits"),
    "replied": gettext_noop("With a reply"),
    "in_time": gettext_noop("First reply within 5 s"),
    "slow": gettext_noop("No reply within 5 s"),
    "held_the_line": gettext_noop("Holding line was needed"),
    "unreplied": gettext_noop("Settled without a reply"),
}
HOPS = {
    "store": gettext_noop("Stored in the ledger"),
    "ask": gettext_noop("Burst window, asked the LLM"),
    "queue_for_llm": gettext_noop("On the queue to the LLM"),
    "llm_wait": gettext_noop("Waited for a free slot"),
    "llm": gettext_noop("The LLM wrote"),
    "reply_back": gettext_noop("On the queue back"),
    "enqueue": gettext_noop("Put on its way out"),
    "send": gettext_noop("The platform took it"),
}
MEASURES = {
    "reply": gettext_noop("Time to the answer or fallback"),
    "first_reply": gettext_noop("Time to the first reply"),
    "first_reply_from_first": gettext_noop("Time to the first reply, from the first message"),
    "answer": gettext_noop("Time to the answer"),
    "answer_from_first": gettext_noop("Time to the answer, from the first message"),
    **HOPS,
}


def number(count: int) -> str:
    """1234 as "1,234"."""
    return number_format(count, force_grouping=True) if abs(count) >= 1000 else str(count)


def turns(count: int) -> str:
    """1234 as "1,234 turns"."""
    return ngettext("%(count)s turn", "%(count)s turns", count) % {"count": number(count)}


def percent(share: float | None) -> str:
    """One decimal, and never rounded to all or nothing: 99.97 is "99.9 %", 0.02 is "< 0.1 %"."""
    if share is None:
        return "–"
    if share in (0, 100):
        return f"{share:.0f} %"
    return f"{number_format(int(share * 10) / 10, 1)} %" if share >= 0.1 else f"< {number_format(0.1)} %"


def duration(ms: int | None) -> str:
    """A time as people say it, rounded down: "840 ms", "1.84 s", "12.3 s", "5 min 12 s", "2 h 5 min"."""
    if ms is None:
        return "–"
    if abs(ms) < 1000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{number_format(ms // 10 / 100, 2) if ms < 10_000 else number_format(ms // 100 / 10, 1)} s"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def day(at: datetime) -> str:
    """24 Nov."""
    return date_format(localtime(at), "j M")


def moment(at: datetime) -> str:
    """24 Nov, 09:30."""
    return f"{day(at)}, {clock(at)}"


def clock(at: datetime) -> str:
    """09:30."""
    return f"{localtime(at):%H:%M}"


def stretch(start: datetime, width: timedelta) -> str:
    """A bucket of time: "24 Nov, 09:30 – 10:00", "24 Nov" for a whole day, "1 Nov – 7 Nov" for several."""
    end = start + width
    if width < timedelta(days=1):
        return f"{moment(start)} – {clock(end)}"
    last = day(end - timedelta(microseconds=1))
    return day(start) if last == day(start) else f"{day(start)} – {last}"
