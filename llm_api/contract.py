"""The queue messages of llm_api: requests and cancellations on llm-requests, replies on llm-replies."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from llm_api.engine.base import ChatMessage, ChatRequest, FinishReason, Priority, Role
from llm_api.engine.text import clean_text
from llm_api.waiting import Terms

ErrorCode = Literal["context_length_exceeded", "invalid_request", "engine_error", "expired"]


def _clean(value: Any) -> Any:
    return clean_text(value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_clean)]
"""A string that pydantic and UTF-8 take whatever the JSON held: without NULs and lone surrogates."""

Name = Annotated[Text, Field(min_length=1, max_length=128)]


class MalformedRequestError(Exception):
    """The body names no request and organization that a reply could go to."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Addressee(_Model):
    """Who asked: enough to send a reply, even about a request that is otherwise invalid."""

    id: Name
    organization: Name


class Message(_Model):
    role: Role
    content: Text


class LlmRequest(Addressee):
    messages: Annotated[tuple[Message, ...], Field(min_length=1)]
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    priority: Priority = "interactive"
    wants_reply: bool = True
    """False for one that only lets the engine read a prompt before somebody needs it."""
    answer_by: Annotated[float | None, Field(allow_inf_nan=False)] = None
    expires_at: Annotated[float | None, Field(allow_inf_nan=False)] = None

    @property
    def terms(self) -> Terms:
        return Terms(self.organization, self.priority, self.answer_by, self.expires_at)

    def chat(self) -> ChatRequest:
        return ChatRequest(
            messages=tuple(ChatMessage(m.role, m.content) for m in self.messages),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            group=self.organization,
            priority=self.priority,
            answer_by=self.answer_by,
        )


class Cancellation(_Model):
    """Nobody wants the answer to the request of this id any more."""

    id: Annotated[Name, Field(alias="cancel")]
    organization: Name


class ReplyError(_Model):
    code: ErrorCode
    message: str


class LlmReply(_Model):
    """The outcome of a request. The times are epoch seconds by this machine's clock."""

    id: str
    status: Literal["completed", "failed"]
    text: str = ""
    finish_reason: FinishReason | None = None
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dropped_messages: int = 0
    """So many of the request's oldest messages behind the system's did not fit into the context."""
    context_tokens: int | None = None
    """How many tokens prompt and answer may have together, where it is known."""
    received_at: float
    started_at: float
    finished_at: float
    error: ReplyError | None = None

    def to_json(self) -> str:
        """ASCII only: SQS takes no control characters and counts bytes."""
        return json.dumps(self.model_dump(), ensure_ascii=True)


def parse_request(body: str) -> LlmRequest | Cancellation | tuple[Addressee, ReplyError]:
    """Read a body of llm-requests. Raises MalformedRequestError when nobody can be told what is wrong."""
    try:
        data = json.loads(body)
        if isinstance(data, dict) and "cancel" in data:
            return Cancellation.model_validate(data)
        addressee = Addressee.model_validate(data)
    except ValidationError as error:
        raise MalformedRequestError(describe_validation(error)) from None
    except (ValueError, RecursionError):
        raise MalformedRequestError("the body is not JSON") from None
    try:
        return LlmRequest.model_validate(data)
    except ValidationError as error:
        return addressee, ReplyError(code="invalid_request", message=describe_validation(error))


def describe_validation(error: ValidationError) -> str:
    """The first problem as 'field: what is wrong', without the value, which may be a message's text."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
