"""llm-replies → the ledger, and the answer on its way."""

import hub_lambdas.runtime  # noqa: F401, I001 - starts Django before any model is imported

import json
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from console.conversations.models import LlmRequest
from hub_lambdas import actions, batch, grounding, llm_text, prompting, queues, rehearsals, suggestions, turns


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Store each reply of the LLM and do what is due for its turn."""
    return batch.process(event, _store)


def _store(record: batch.SqsRecord) -> None:
    reply = json.loads(record["body"])
    peek = LlmRequest.objects.filter(pk=uuid.UUID(reply["id"]))
    found = peek.values_list("pk", "turn_id", "turn__conversation_id").first()
    if found is None:
        # Of a member's question, or of a conversation that was erased meanwhile: nothing is kept of that.
        _ = suggestions.store(reply) or rehearsals.store(reply)
        return
    request_id, turn_id, conversation_id = found
    with transaction.atomic():
        actions.lock_conversation(conversation_id)
        turn = actions.load_turn(turn_id)
        request = next(request for request in turn.request_rows if request.pk == request_id)
        if request.state == LlmRequest.State.PENDING:
            _fill(request, reply)
            if request.text.strip() and not turns.asks_for_staff(request.text):
                sources = prompting.sources(turn, request.prompt_version)
                request.objection = grounding.objection(llm_text.to_send(request), sources)[:300]
            request.save()
        actions.do_what_is_due(turn)
    actions.admit(turn.organization)


def _fill(request: LlmRequest, reply: dict[str, Any]) -> None:
    completed = reply["status"] == "completed"
    request.state = LlmRequest.State.COMPLETED if completed else LlmRequest.State.FAILED
    request.text = reply.get("text") or ""
    request.finish_reason = reply.get("finish_reason") or ""
    request.model = str(reply.get("model") or "")[:200]
    request.prompt_tokens = reply.get("prompt_tokens")
    request.completion_tokens = reply.get("completion_tokens")
    request.error_code = str((reply.get("error") or {}).get("code") or ("" if completed else "unknown"))[:60]
    request.received_at = queues.moment(reply.get("received_at"))
    request.started_at = queues.moment(reply.get("started_at"))
    request.finished_at = queues.moment(reply.get("finished_at"))
    request.stored_at = timezone.now()
