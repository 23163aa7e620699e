"""The demo clinic and an embedded model, asked along the production path: rows, prompt, engine, check,
`decide`'s rules."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.utils import timezone

import hub_lambdas.runtime  # noqa: F401 - starts Django before any model is imported
from benchmarks.stage import prepare_database
from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, Message, Turn
from console.organizations import organization_import
from console.organizations.models import Organization
from console.organizations.organization_file import parse
from hub_lambdas import grounding, prompting
from hub_lambdas.turns import MAX_REQUESTS_PER_MESSAGE, asks_for_staff
from llm_api.engine.base import ChatMessage, ChatRequest, Piece
from llm_api.engine.embedded import EmbeddedEngine
from llm_api.settings import load_settings


@dataclass(frozen=True)
class Attempt:
    """What the model wrote, and why that may not be sent ("" when it may)."""

    text: str
    objection: str


@dataclass(frozen=True)
class Outcome:
    """What became of a contact's message. `answer` is what reached the contact; None: staff have it."""

    answer: str | None
    attempts: Sequence[Attempt]

    @property
    def was_stopped(self) -> bool:
        """Whether the check held something back."""
        return any(attempt.objection for attempt in self.attempts)


class Clinic:
    """An organization from a file, with a model that answers for it."""

    def __init__(self, file: Path) -> None:
        prepare_database()
        organization_import.apply(parse(file.name, file.read_text(encoding="utf-8")), {})
        self._organization = Organization.objects.get()
        self._channel = Channel.objects.get(organization=self._organization)
        settings = load_settings()
        self._engine = EmbeddedEngine(settings.find_model(), context_tokens=settings.context_tokens)
        self._runner = asyncio.Runner()
        self._contacts = itertools.count(1)

    def ask(self, *questions: str) -> Outcome:
        """What becomes of the last of these messages by a new contact, each a turn of its own."""
        contact = Contact.objects.create(channel=self._channel, platform_id=str(next(self._contacts)))
        conversation = Conversation.objects.create(organization=self._organization, contact=contact)
        for question in questions:
            turn = self._open_turn(conversation, question)
            outcome = self._answer(turn)
            self._settle(turn, outcome)
        return outcome

    def _answer(self, turn: Turn) -> Outcome:
        """As `turns.decide` has it: an answer with an objection is asked for once more."""
        prompt = prompting.published_prompt(self._organization.pk)
        sources = prompting.sources(turn, prompt)
        attempts: list[Attempt] = []
        while len(attempts) < MAX_REQUESTS_PER_MESSAGE:
            text = self.generate(prompting.chat_messages(turn, prompt, len(attempts) + 1))
            if not text or asks_for_staff(text):
                return Outcome(None, [*attempts, Attempt(text, "")])
            attempts.append(Attempt(text, grounding.objection(text, sources)))
            if not attempts[-1].objection:
                return Outcome(text, attempts)
        return Outcome(None, attempts)

    def generate(self, messages: Sequence[prompting.ChatMessage]) -> str:
        """What the model writes at temperature 0."""
        said = tuple(ChatMessage(each["role"], each["content"]) for each in messages)  # type: ignore[arg-type]
        return self._runner.run(self._write(ChatRequest(said, self._organization.max_answer_tokens))).strip()

    async def _write(self, request: ChatRequest) -> str:
        return "".join(
            [event.text async for event in self._engine.generate(request) if isinstance(event, Piece)]
        )

    def _open_turn(self, conversation: Conversation, question: str) -> Turn:
        now = timezone.now()
        turn = Turn.objects.create(
            organization=self._organization,
            conversation=conversation,
            first_message_at=now,
            last_message_at=now,
        )
        Message.objects.create(
            conversation=conversation,
            channel=self._channel,
            turn=turn,
            direction=Message.Direction.IN,
            text=question,
            received_at=now,
        )
        return turn

    def _settle(self, turn: Turn, outcome: Outcome) -> None:
        turn.state = Turn.State.HANDED_OVER if outcome.answer is None else Turn.State.ANSWERED
        turn.settled_at = timezone.now()
        turn.save()
        if outcome.answer is not None:
            Message.objects.create(
                conversation=turn.conversation,
                channel=self._channel,
                turn=turn,
                direction=Message.Direction.OUT,
                purpose=Message.Purpose.ANSWER,
                state=Message.State.SENT,
                text=outcome.answer,
                sent_at=turn.settled_at,
            )
