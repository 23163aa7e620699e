"""Questions of the workshop: composed, asked, checked and settled as a contact's turn is, by the same rules
(`turns.decide`), and sent to nobody."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from django.db import transaction
from django.utils import timezone

from console.organizations.models import Organization, User
from console.prompts import variables
from console.prompts.models import PromptVersion
from console.workshop.models import Attempt, Rehearsal
from hub_lambdas import llm_text, outbox, prompting, queues, turns
from hub_lambdas.questions import MadeUp

Priority = Literal["interactive", "test"]
GRACE = timedelta(seconds=5)
"""For a reply on its way, once a request has expired."""
KEPT_FOR = timedelta(days=30)
NAMED_AT_MOST = 20
"""Canned prompts that an attempt names as left out; of the others it keeps the number."""
_MESSAGE_ID = 0
"""Of the one message of a question; the ledger has none like it."""


@transaction.atomic
def ask(
    organization: Organization,
    version: PromptVersion | None,
    question: MadeUp,
    *,
    is_draft: bool,
    asked_by: User | None,
    priority: Priority,
    expires_after: timedelta,
    **fields: Any,
) -> Rehearsal:
    """Put a question to a version; None is an organization without any. What is old is forgotten."""
    now = timezone.now()
    Rehearsal.objects.filter(organization=organization, asked_at__lt=now - KEPT_FOR).delete()
    rehearsal = Rehearsal.objects.create(
        organization=organization,
        version=version,
        is_draft=is_draft,
        asked_by=asked_by,
        asked_at=now,
        expires_at=now + expires_after,
        priority=priority,
        question=question.text,
        history=[list(exchange) for exchange in question.history],
        **fields,
    )
    _advance(rehearsal)
    return rehearsal


def store(reply: Mapping[str, Any]) -> bool:
    """Store a reply of the LLM if it is to a rehearsal, and do what is due for that; whether it is one. A
    second time it changes nothing."""
    request_id = uuid.UUID(reply["id"])
    found = Attempt.objects.filter(pk=request_id).values_list("rehearsal_id", flat=True).first()
    if found is None:
        return False
    with transaction.atomic():
        rehearsal = _lock(found)
        attempt = next(each for each in rehearsal.attempt_rows if each.pk == request_id)
        if attempt.state == Attempt.State.PENDING:
            _fill(attempt, reply)
            _check(rehearsal, attempt)
            attempt.save()
            _advance(rehearsal)
    return True


def give_up(request_id: uuid.UUID) -> bool:
    """Note that no reply will come any more, if it is to a rehearsal; whether it is one."""
    return store({"id": str(request_id), "status": "failed", "error": {"code": "dead_letter"}})


def is_lost(rehearsal: Rehearsal, now: datetime) -> bool:
    """Whether no reply will come any more."""
    return rehearsal.state == Rehearsal.State.PENDING and now > rehearsal.expires_at + GRACE


def made_up(rehearsal: Rehearsal) -> MadeUp:
    """Its question, as it is composed and checked."""
    return MadeUp(rehearsal.question, [(asked, answered) for asked, answered in rehearsal.history])


def _lock(rehearsal_id: int) -> Rehearsal:
    locked = Rehearsal.objects.select_for_update(of=("self",)).select_related("organization", "version")
    return locked.get(pk=rehearsal_id)


def _advance(rehearsal: Rehearsal) -> None:
    """Do what is due. The time stands still for it: only the LLM is on trial, not how long it has to wait."""
    if rehearsal.state != Rehearsal.State.PENDING:
        return
    if rehearsal.is_draft and rehearsal.version is None:
        rehearsal.state = Rehearsal.State.FAILED
        rehearsal.save(update_fields=["state"])
        return
    for action in turns.decide(_snapshot(rehearsal), rehearsal.asked_at):
        match action:
            case turns.Ask():
                _ask(rehearsal)
            case turns.Answer(request_id):
                attempt = next(each for each in rehearsal.attempt_rows if each.pk == request_id)
                rehearsal.state, rehearsal.text = Rehearsal.State.ANSWERED, _filled(rehearsal, attempt)
            case turns.Settle(_, reason):
                failed = reason is turns.Reason.LLM_FAILED
                rehearsal.state = Rehearsal.State.FAILED if failed else Rehearsal.State.HANDED_OVER
                rehearsal.reason = reason.value if reason else ""
    rehearsal.save(update_fields=["state", "reason", "text"])


def _snapshot(rehearsal: Rehearsal) -> turns.Turn:
    organization = rehearsal.organization
    return turns.Turn(
        state=turns.State.ASKED if rehearsal.attempt_rows else turns.State.OPEN,
        owner=turns.Owner.BOT,
        policy=turns.Policy(
            burst_window=timedelta(0),
            handover_after=timedelta(seconds=organization.handover_after_seconds),
            has_holding_line=False,
            rules=organization.rules,
            handover_after_turns=organization.handover_after_turns,
        ),
        messages=[turns.Written(_MESSAGE_ID, "text", rehearsal.question, rehearsal.asked_at)],
        requests=[_asked(attempt) for attempt in rehearsal.attempt_rows],
        bot_turns=len(rehearsal.history),
    )


def _asked(attempt: Attempt) -> turns.Asked:
    return turns.Asked(
        id=attempt.pk,
        last_message_id=_MESSAGE_ID,
        state=turns.RequestState(attempt.state),
        asked_at=attempt.asked_at,
        text=attempt.text,
        error_code=attempt.error_code,
        objection=attempt.objection,
    )


def _ask(rehearsal: Rehearsal) -> None:
    organization, before = rehearsal.organization, rehearsal.attempt_rows
    told = prompting.told(organization.pk, rehearsal.version)
    chat = prompting.chat(made_up(rehearsal), told, 1 + sum(bool(each.objection) for each in before))
    attempt = Attempt.objects.create(
        rehearsal=rehearsal, number=len(before) + 1, chat=_as_json(chat, told), asked_at=timezone.now()
    )
    rehearsal.attempt_rows.append(attempt)
    body = {
        "id": str(attempt.pk),
        "organization": organization.slug,
        "messages": chat.messages,
        "max_tokens": organization.max_answer_tokens,
        "temperature": 0.0,
        "priority": rehearsal.priority,
        "expires_at": rehearsal.expires_at.timestamp(),
    }
    outbox.after_commit(partial(queues.request_llm, organization.slug, body))


def _as_json(chat: prompting.Chat, told: prompting.Told) -> dict[str, Any]:
    """A chat as an attempt keeps it: its messages by part, and what is left out of them."""
    left_out = [each.question for each in told.canned if each not in chat.shown and each is not chat.found]
    return {
        "opening": chat.opening,
        "examples": chat.examples,
        "history": chat.history,
        "question": chat.question,
        "fact_of": chat.found.question if chat.found else "",
        "left_out": left_out[:NAMED_AT_MOST],
        "left_out_count": len(left_out),
        "dropped_exchanges": chat.dropped,
    }


def _fill(attempt: Attempt, reply: Mapping[str, Any]) -> None:
    completed = reply["status"] == "completed"
    attempt.state = Attempt.State.COMPLETED if completed else Attempt.State.FAILED
    attempt.text = reply.get("text") or ""
    attempt.finish_reason = reply.get("finish_reason") or ""
    attempt.error_code = str((reply.get("error") or {}).get("code") or ("" if completed else "unknown"))[:60]
    attempt.prompt_tokens, attempt.completion_tokens = (
        reply.get("prompt_tokens"), reply.get("completion_tokens"),
    )  # fmt: skip
    attempt.dropped_messages = reply.get("dropped_messages") or 0
    attempt.context_tokens = reply.get("context_tokens")
    attempt.started_at = queues.moment(reply.get("started_at"))
    attempt.finished_at = queues.moment(reply.get("finished_at"))


def _check(rehearsal: Rehearsal, attempt: Attempt) -> None:
    from hub_lambdas import grounding  # for replies only: its patterns would slow down every cold start

    if attempt.text.strip() and not turns.asks_for_staff(attempt.text):
        told = prompting.told(rehearsal.organization_id, rehearsal.version)
        sources = prompting.sources_of(made_up(rehearsal), told, rehearsal.organization.name)
        attempt.objection = grounding.objection(_sendable(attempt), sources)[:300]


def _sendable(attempt: Attempt) -> str:
    return llm_text.sendable(attempt.text, attempt.finish_reason)


def _filled(rehearsal: Rehearsal, attempt: Attempt) -> str:
    """As a contact would get it whose name the platform does not tell."""
    return variables.fill(_sendable(attempt), {"organization.name": rehearsal.organization.name})
