"""The demo clinic and an embedded model, asked along the production path: rows, prompt, engine, `decide`'s
rules."""

import asyncio
import re
from pathlib import Path

from django.utils import timezone

import hub_lambdas.runtime  # noqa: F401 - starts Django before any model is imported
from benchmarks.stage import prepare_database
from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, Message, Turn
from console.organizations import organization_import
from console.organizations.models import Organization
from console.organizations.organization_file import parse
from hub_lambdas import prompting
from hub_lambdas.turns import HANDOVER_MARK
from llm_api.engine.base import ChatMessage, ChatRequest, Piece
from llm_api.engine.embedded import EmbeddedEngine
from llm_api.settings import load_settings


class Clinic:
    """An organization from a file, with a model that answers for it."""

    def __init__(self, file: Path) -> None:
        prepare_database()
        organization_import.apply(parse(file.name, file.read_text(encoding="utf-8")), {})
        self._organization = Organization.objects.get()
        settings = load_settings()
        self._engine = EmbeddedEngine(settings.find_model(), context_tokens=settings.context_tokens)
        self._runner = asyncio.Runner()

    def ask(self, question: str) -> str | None:
        """The answer a contact gets who writes this first; None when the turn goes to staff."""
        turn = self._open_turn(question)
        prompt = prompting.published_prompt(self._organization.pk)
        messages = tuple(
            ChatMessage(said["role"], said["content"])  # type: ignore[arg-type]  # roles as in the contract
            for said in prompting.chat_messages(turn, prompt)
        )
        request = ChatRequest(messages, max_tokens=self._organization.max_answer_tokens)
        answer = self._runner.run(self._generate(request)).strip()
        return None if not answer or re.search(rf"\b{HANDOVER_MARK}\b", answer) else answer

    async def _generate(self, request: ChatRequest) -> str:
        return "".join(
            [event.text async for event in self._engine.generate(request) if isinstance(event, Piece)]
        )

    def _open_turn(self, question: str) -> Turn:
        channel = Channel.objects.get(organization=self._organization)
        contact = Contact.objects.create(channel=channel, platform_id=question)
        conversation = Conversation.objects.create(organization=self._organization, contact=contact)
        now = timezone.now()
        turn = Turn.objects.create(
            organization=self._organization,
            conversation=conversation,
            first_message_at=now,
            last_message_at=now,
        )
        Message.objects.create(
            conversation=conversation,
            channel=channel,
            turn=turn,
            direction="in",
            text=question,
            received_at=now,
        )
        return turn
