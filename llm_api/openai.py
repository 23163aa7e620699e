"""The shapes of OpenAI's chat completions API: requests in, completions, chunks and errors out.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from llm_api.contract import Text, describe_validation
from llm_api.engine.base import (
    ChatMessage,
    ChatRequest,
    EngineError,
    EngineUnavailableError,
    Finished,
    FinishReason,
    Role,
)


class ApiError(Exception):
    """A refusal in OpenAI's shape."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {
                "message": message,
                "type": "invalid_request_error" if status < 500 else "server_error",
                "param": param,
                "code": code,
            }
        }

    @classmethod
    def of(cls, error: EngineError) -> ApiError:
        if error.permanent and error.code != EngineError.code:
            return cls(400, str(error), code=error.code, param="messages")
        status = 503 if isinstance(error, EngineUnavailableError) else 502 if error.permanent else 500
        return cls(status, str(error), code=error.code)


def _join_parts(content: Any) -> Any:
    """Content may be a list of parts; text parts are joined, others leave it to fail validation."""
    if isinstance(content, list) and all(isinstance(p, dict) and p.get("type") == "text" for p in content):
        return "".join(str(part.get("text", "")) for part in content)
    return content


class _Message(BaseModel):
    role: Role
    content: Annotated[Text, BeforeValidator(_join_parts)]


class _StreamOptions(BaseModel):
    include_usage: bool = False


class ChatCompletionRequest(BaseModel):
    """What we use of a request; other fields, the model's name included, are accepted and ignored."""

    model_config = ConfigDict(extra="ignore")

    messages: Annotated[list[_Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    n: Literal[1] | None = 1
    seed: int | None = None
    stop: Text | Annotated[list[Text], Field(max_length=16)] | None = None
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    user: Text | None = None

    def chat(self) -> ChatRequest:
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return ChatRequest(
            messages=tuple(ChatMessage(m.role, m.content) for m in self.messages),
            max_tokens=self.max_completion_tokens or self.max_tokens,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=self.top_p or 1.0,
            seed=self.seed,
            stop=tuple(stop),
            group=f"user {self.user}" if self.user else "",
        )

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


def parse_chat_request(body: bytes) -> ChatCompletionRequest:
    try:
        return ChatCompletionRequest.model_validate(json.loads(body))
    except ValidationError as error:
        param = ".".join(str(part) for part in error.errors()[0]["loc"]) or None
        raise ApiError(400, describe_validation(error), code="invalid_request", param=param) from None
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not JSON.", code="invalid_request") from None


@dataclass(frozen=True)
class Completion:
    """One answer on its way out, whole or in chunks; both carry the same id and time."""

    model: str
    include_usage: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, finished: Finished) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finished.reason}
        return self._head("chat.completion") | {"choices": [choice], "usage": _usage(finished)}

    def first_chunk(self) -> dict[str, Any]:
        return self._chunk({"role": "assistant", "content": ""})

    def text_chunk(self, text: str) -> dict[str, Any]:
        return self._chunk({"content": text})

    def last_chunk(self, finished: Finished) -> dict[str, Any]:
        return self._chunk({}, finished.reason)

    def usage_chunk(self, finished: Finished) -> dict[str, Any]:
        return self._head("chat.completion.chunk") | {"choices": [], "usage": _usage(finished)}

    def _chunk(self, delta: dict[str, str], reason: FinishReason | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        usage = {"usage": None} if self.include_usage else {}
        return self._head("chat.completion.chunk") | {"choices": [choice]} | usage

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def _usage(finished: Finished) -> dict[str, Any]:
    return {
        "prompt_tokens": finished.prompt_tokens,
        "completion_tokens": finished.completion_tokens,
        "total_tokens": finished.prompt_tokens + finished.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": finished.cached_tokens},
    }
