"""Answers that the LLM suggests to a member: asked for like those to a contact, with the same prompt and
check, and then theirs to send or not. No function sends one to a contact."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from console.conversations.models import Conversation, Message
from console.inbox.models import Suggestion
from console.organizations.models import User
from hub_lambdas import actions, llm_text, outbox, personal, prompting, queues, thumbs, turns

WANTED_WITHIN = timedelta(seconds=3)
"""Somebody looks at the box: it comes before what nobody waits for in front of a screen."""
EXPIRES_AFTER = timedelta(seconds=45)
"""By then its member has written something themselves."""


class NothingToAnswer(Exception):
    """The contact has written no words yet."""


@transaction.atomic
def ask(conversation: Conversation, user: User) -> Suggestion:
    """Ask the LLM what to answer to the newest words of the contact; whose question is still at the LLM gets
    that one. Raises NothingToAnswer."""
    actions.lock_conversation(conversation.pk)
    now = timezone.now()
    asked = Suggestion.objects.filter(turn__conversation=conversation, asked_by=user)
    pending = asked.filter(state=Suggestion.State.PENDING, asked_at__gt=now - EXPIRES_AFTER).first()
    if pending is not None:
        return pending
    written = Message.objects.filter(
        conversation=conversation, direction=Message.Direction.IN, turn__isnull=False
    ).exclude(text="")
    newest = written.order_by("-id").first()
    if newest is None or newest.turn_id is None:
        raise NothingToAnswer
    prompt = prompting.published_prompt(conversation.organization_id)
    suggestion = Suggestion.objects.create(turn_id=newest.turn_id, asked_by=user, prompt_version=prompt)
    body = {
        "id": str(suggestion.pk),
        "organization": conversation.organization.slug,
        "messages": prompting.chat_messages(actions.load_turn(newest.turn_id), prompt),
        "max_tokens": conversation.organization.max_answer_tokens,
        "temperature": 0.0,
        "answer_by": (now + WANTED_WITHIN).timestamp(),
        "expires_at": (now + EXPIRES_AFTER).timestamp(),
    }
    outbox.after_commit(partial(queues.request_llm, conversation.organization.slug, body))
    return suggestion


def store(reply: Mapping[str, Any]) -> bool:
    """Store a reply of the LLM if it is a suggestion; whether it is one. A second time it changes nothing."""
    pending = Suggestion.objects.select_related("turn", "prompt_version").filter(pk=uuid.UUID(reply["id"]))
    suggestion = pending.first()
    if suggestion is None:
        return False
    if suggestion.state == Suggestion.State.PENDING:
        _fill(suggestion, reply)
        suggestion.save(update_fields=["state", "text", "objection"])
    return True


def _fill(suggestion: Suggestion, reply: Mapping[str, Any]) -> None:
    from hub_lambdas import grounding  # for replies only: its patterns would slow down every cold start

    if reply["status"] != "completed":
        suggestion.state = Suggestion.State.FAILED
        return
    suggestion.state = Suggestion.State.COMPLETED
    text = llm_text.sendable(reply.get("text") or "", reply.get("finish_reason") or "")
    if not text or turns.asks_for_staff(text):
        return
    turn = actions.load_turn(suggestion.turn_id)
    sources = prompting.sources(turn, suggestion.prompt_version)
    suggestion.objection = grounding.objection(text, sources)[:300]
    suggestion.text = personal.fill(text, turn.conversation)


def is_lost(suggestion: Suggestion, now: datetime) -> bool:
    """Whether no answer will come any more."""
    return suggestion.state == Suggestion.State.PENDING and now > suggestion.asked_at + EXPIRES_AFTER


def is_overtaken(suggestion: Suggestion) -> bool:
    """Whether the contact has written since it was asked for: it does not answer that."""
    written = Message.objects.filter(
        conversation=suggestion.turn.conversation_id, direction=Message.Direction.IN
    )
    return written.filter(stored_at__gt=suggestion.asked_at).exclude(kind=thumbs.KIND).exists()


def give_up(request_id: uuid.UUID) -> bool:
    """Note that no answer will come any more, if it is a suggestion; whether it is one."""
    suggestion = Suggestion.objects.filter(pk=request_id)
    suggestion.filter(state=Suggestion.State.PENDING).update(state=Suggestion.State.FAILED)
    return suggestion.exists()
