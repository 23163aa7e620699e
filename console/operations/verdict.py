"""What is wrong, in sentences, and what to do about it; nothing where all is well. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from console.operations.facts import Facts
from console.operations.functions import FunctionRow
from console.operations.queues import QueueRow
from console.proof import words
from console.template_filters import moment


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong. `is_bad`: contacts notice, or nobody can tell whether they do."""

    said: str
    advice: str
    where: str
    """Which part of the page shows more of it."""
    is_bad: bool = True


def troubles(facts: Facts) -> Sequence[Trouble]:
    """Everything that somebody has to look into, the worst first."""
    found = [
        *_turns(facts),
        *_sweep(facts),
        *_boxes(facts),
        *_sources(facts),
        *(trouble for row in facts.queues for trouble in _queue(row)),
        *(trouble for row in facts.functions or () for trouble in _function(row)),
        *_channels(facts),
    ]
    return sorted(found, key=lambda trouble: not trouble.is_bad)


def _turns(facts: Facts) -> Iterator[Trouble]:
    if count := facts.ledger.late_turns:
        said = ngettext(
            "%(count)s turn is open past the limit.", "%(count)s turns are open past the limit.", count
        )
        yield Trouble(
            said % {"count": words.number(count)},
            _("Nobody answered and no staff were told: see whether the sweep runs, then the queues."),
            "turns",
        )


def _sweep(facts: Facts) -> Iterator[Trouble]:
    if facts.is_unswept:
        if facts.swept_at:
            said = _("The sweep has not run since %(time)s.") % {"time": moment(facts.swept_at, "CLOCK")}
        else:
            said = _("The sweep has not run in the last hour.")
        yield Trouble(
            said,
            _(
                "It is the net under everything else: look at its errors, and whether its schedule is "
                "enabled."
            ),
            "functions",
        )


def _boxes(facts: Facts) -> Iterator[Trouble]:
    boxes = facts.boxes
    if boxes is None:
        return
    if not boxes.reporting:
        yield Trouble(
            _("No LLM box reports."),
            _("Turns go to staff until one does: see whether llm_api runs, and what its log says."),
            "boxes",
        )
    elif boxes.silent:
        said = ngettext(
            "%(count)s LLM box in service does not report.",
            "%(count)s LLM boxes in service do not report.",
            boxes.silent,
        )
        yield Trouble(
            said % {"count": words.number(boxes.silent)},
            _(
                "A new box needs some minutes. One that stays silent is replaced by its keeper; if not, "
                "end it."
            ),
            "boxes",
            is_bad=False,
        )
    if boxes.is_behind:
        said = _("There are %(load)s requests for each LLM box, %(target)s are aimed at.")
        yield Trouble(
            said % {"load": words.number(round(boxes.load or 0)), "target": number_format(boxes.target)},
            _(
                "More boxes start by themselves, up to MaxBoxes of infra/llm.yaml: raise that if it is "
                "reached."
            ),
            "boxes",
            is_bad=False,
        )


def _sources(facts: Facts) -> Iterator[Trouble]:
    if facts.cloudwatch_problem:
        yield Trouble(
            _("CloudWatch does not answer (%(problem)s).") % {"problem": facts.cloudwatch_problem},
            _(
                "How functions, boxes and the ages of queues are is not known. "
                "The console's role must allow cloudwatch:GetMetricData."
            ),
            "functions",
        )
    if facts.sqs_problem:
        yield Trouble(
            _("SQS does not answer (%(problem)s).") % {"problem": facts.sqs_problem},
            _("What waits in the queues is not known. The console's role must allow sqs:GetQueueAttributes."),
            "queues",
        )


def _queue(row: QueueRow) -> Iterator[Trouble]:
    if row.is_late:
        waited = words.duration(round((row.oldest_seconds or 0) * 1000))
        advice = _("%(reader)s should take it within %(limit)s s: look at that.")
        yield Trouble(
            _("A message has waited in %(queue)s for %(time)s.") % {"queue": row.queue.name, "time": waited},
            advice % {"reader": capfirst(_(row.queue.reader)), "limit": row.queue.limit_seconds},
            "queues",
        )
    if row.stuck:
        said = ngettext(
            "%(count)s message of %(queue)s that nobody could process is not stored.",
            "%(count)s messages of %(queue)s that nobody could process are not stored.",
            row.stuck,
        )
        yield Trouble(
            said % {"count": words.number(row.stuck), "queue": row.queue.name},
            _("The function dead_letters should have taken them: look at its errors."),
            "queues",
        )
    if row.dead_letters:
        said = ngettext(
            "%(count)s dead letter of %(queue)s waits.",
            "%(count)s dead letters of %(queue)s wait.",
            row.dead_letters,
        )
        yield Trouble(
            said % {"count": words.number(row.dead_letters), "queue": row.queue.name},
            _("Each has its cause beside it: replay it once that is mended, or discard it."),
            "queues",
            is_bad=False,
        )


def _function(row: FunctionRow) -> Iterator[Trouble]:
    name = row.function.stage
    if row.throttles_lately:
        said = ngettext(
            "%(function)s was throttled once in 15 minutes.",
            "%(function)s was throttled %(count)s times in 15 minutes.",
            row.throttles_lately,
        )
        yield Trouble(
            said % {"function": name, "count": words.number(row.throttles_lately)},
            _("The account's concurrency is used up: have its quota raised, or find what uses it."),
            "functions",
        )
    if row.errors_lately:
        said = ngettext(
            "%(function)s failed once in 15 minutes, of %(all)s.",
            "%(function)s failed %(count)s times in 15 minutes, of %(all)s.",
            row.errors_lately,
        )
        yield Trouble(
            said
            % {
                "function": name,
                "count": words.number(row.errors_lately),
                "all": words.number(row.invocations_lately),
            },
            _("What it failed at comes again by itself; its log says why it failed."),
            "functions",
            is_bad=row.errors_lately * 2 > row.invocations_lately,
        )
    if row.is_near_timeout:
        said = _("%(function)s took %(time)s of its %(limit)s s.")
        yield Trouble(
            said
            % {
                "function": name,
                "time": words.duration(round(row.longest or 0)),
                "limit": row.function.timeout_seconds,
            },
            _("Past its time-out it is ended in the middle: see what it waited for."),
            "functions",
            is_bad=False,
        )


def _channels(facts: Facts) -> Iterator[Trouble]:
    if count := facts.ledger.broken_count:
        said = ngettext("%(count)s channel needs attention.", "%(count)s channels need attention.", count)
        yield Trouble(
            said % {"count": words.number(count)},
            _("Its organization's admins have been told; what waits there is sent after the repair."),
            "channels",
            is_bad=False,
        )
