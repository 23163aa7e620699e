"""What the bot could not answer: handed over for want of an answer, like questions together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from console import tenancy
from console.conversations.models import Message, Turn
from console.exact_text import printable
from console.prompts import drafts
from console.signed_in import user_of
from console.workshop import page
from hub_lambdas import prompting
from hub_lambdas.questions import MadeUp
from hub_lambdas.turns import Reason

TAB = "workshop_unanswered"
REASONS = (Reason.NOT_KNOWN, Reason.NOT_GROUNDED, Reason.NO_ANSWER)
LOOK_BACK = timedelta(days=90)
MOST = 1000
"""Of the newest turns: what nobody has asked for that long needs no answer."""
START = 3
"""So many letters do the forms of a word have in common at least (`grounding.claims.Vocabulary`)."""
LIKENESS = 0.5
"""Questions that have half of their words in common are one."""
SHOWN = 60
"""Groups: who answers these sees the next."""
SHOWN_WORDINGS = 3


@dataclass(frozen=True)
class Asked:
    """A question that staff got."""

    turn_id: int
    conversation_id: int
    text: str
    at: datetime


@dataclass(frozen=True)
class Group:
    """Questions that are alike, the newest first. `answered_by`: the canned prompt that such a question finds
    now; empty where there is none."""

    asked: Sequence[Asked]
    answered_by: str = ""

    @property
    def newest(self) -> Asked:
        return self.asked[0]

    @property
    def wordings(self) -> list[str]:
        """Other ways in which it was asked."""
        first = self.newest.text.casefold()
        others = dict.fromkeys(each.text for each in self.asked if each.text.casefold() != first)
        return list(others)[:SHOWN_WORDINGS]


@require_GET
def show(request: HttpRequest, slug: str) -> HttpResponse:
    """The groups, those that were asked most often first; what has an answer by now stands last."""
    organization = page.find(request, slug, "conversations.view_conversation")
    turns = Turn.objects.filter(
        organization=organization,
        state=Turn.State.HANDED_OVER,
        reason__in=REASONS,
        first_message_at__gt=timezone.now() - LOOK_BACK,
        conversation__contact__is_test=False,
    )
    seen = tenancy.scope(turns, user_of(request), "conversations.view_conversation")
    told = prompting.told(organization.pk, drafts.current(organization))
    largest = sorted(grouped(_asked(seen)), key=lambda group: -len(group.asked))[:SHOWN]
    groups = sorted(
        (_with_answer(group, told) for group in largest), key=lambda group: bool(group.answered_by)
    )
    days = LOOK_BACK.days
    return page.show(request, organization, "unanswered", TAB, {"groups": groups, "days": days})


def grouped(asked: Iterable[Asked]) -> list[Group]:
    """Like questions together: each joins the first group with whose newest it shares enough words, in any
    form of theirs. The same questions in the same order always make the same groups."""
    from hub_lambdas.grounding.claims import Vocabulary, words  # its patterns cost a cold start

    groups: list[tuple[set[str], Vocabulary, list[Asked]]] = []
    by_start: dict[str, list[int]] = defaultdict(list)
    for each in asked:
        its = words(each.text) or {each.text.casefold()}
        starts = {word[:START] for word in its}
        for place in sorted({place for start in starts for place in by_start[start]}):
            known, vocabulary, members = groups[place]
            shared = sum(word in vocabulary for word in its)
            if shared >= LIKENESS * (len(its) + len(known) - shared):
                members.append(each)
                break
        else:
            for start in starts:
                by_start[start].append(len(groups))
            groups.append((its, Vocabulary(its), [each]))
    return [Group(members) for _, _, members in groups]


def _asked(turns: "QuerySet[Turn]") -> list[Asked]:
    """The questions of these turns, the newest first."""
    newest = turns.order_by("-first_message_at")[:MOST]
    rows = Message.objects.filter(turn__in=list(newest.values_list("pk", flat=True)), direction="in")
    found: dict[int, Asked] = {}
    for turn_id, conversation_id, text, at in rows.order_by("pk").values_list(
        "turn_id", "conversation_id", "text", "turn__first_message_at"
    ):
        said = printable(text).strip()
        before = found.get(turn_id)
        if said:
            whole = f"{before.text} {said}" if before else said
            found[turn_id] = Asked(turn_id, conversation_id, whole, at)
    return sorted(found.values(), key=lambda each: (each.at, each.turn_id), reverse=True)


def _with_answer(group: Group, told: prompting.Told) -> Group:
    found = prompting.asked_for(told.canned, MadeUp(group.newest.text))
    return Group(group.asked, found.question if found else "")
