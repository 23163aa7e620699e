"""The rows of made-up turns, each as the hub would have written it."""

import heapq
import itertools
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.db import transaction

from console.channels.models import Channel
from console.conversations.models import LlmRequest, Message, Turn
from console.conversations.seeding import texts
from console.conversations.seeding.copying import Copier
from console.conversations.seeding.people import Tenant

MODEL = "SmolLM2-135M-Instruct"
_HAND_OVERS = {
    "not_known": 50,
    "not_text": 16,
    "not_grounded": 12,
    "no_answer_in_time": 8,
    "late": 5,
    "llm_failed": 4,
    "delivery_failed": 3,
    "delivery_unknown": 2,
}
_DECLINES = {"contact_rate": 5, "files_only": 3, "contact_quota": 2, "contact_blocked": 1, "empty": 1}
_REACHED = {"read": 62, "delivered": 30, "sent": 8}


@dataclass
class Talk:
    """A conversation as it stands: who answers, and since when the contact waits."""

    tenant: Tenant
    channel: Channel
    name: str
    key: int = 0
    contact: int = 0
    last_message_at: datetime | None = None
    owner: str = "bot"
    assignee: int | None = None
    owned_since: datetime | None = None
    waiting_since: datetime | None = None
    closed_at: datetime | None = None

    @property
    def state(self) -> Sequence[Any]:
        """What its row does not say from the beginning."""
        return [
            self.key,
            self.owner,
            self.assignee,
            self.owned_since,
            self.waiting_since,
            self.closed_at,
            self.last_message_at,
        ]


class Book:
    """The rows of some turns, until they are stored."""

    def __init__(self, random: Random, until: datetime) -> None:
        self._random, self._until = random, until
        self.turns, self.messages, self.requests = Copier(Turn), Copier(Message), Copier(LlmRequest)
        self._replies: list[tuple[datetime, int, Talk]] = []
        self._numbers = itertools.count()
        self._clear()

    def _clear(self) -> None:
        self.turn_rows: list[dict[str, Any]] = []
        self.message_rows: list[dict[str, Any]] = []
        self.request_rows: list[dict[str, Any]] = []

    def add(self, talk: Talk, at: datetime) -> None:
        """A turn that begins at this moment, later than those before it."""
        self._write_replies(at)
        random = self._random
        written = [at]
        while random.random() < 0.25 and len(written) < 4:
            written.append(written[-1] + timedelta(seconds=random.uniform(2, 25)))
        last = written[-1]
        turn: dict[str, Any] = {
            "organization": talk.tenant.organization.pk,
            "conversation": talk.key,
            "first_message_at": at,
            "last_message_at": last,
        }
        outcome = self._outcome(talk)
        is_picture = outcome == ("handed_over", "not_text")
        for index, moment in enumerate(written):
            self._write(talk, turn, moment, "image" if is_picture and index == 0 else "text")
        turn["state"], turn["reason"] = outcome
        getattr(self, f"_{turn['state']}")(talk, turn, last)
        self.turn_rows.append(turn)
        talk.last_message_at = last

    def _outcome(self, talk: Talk) -> tuple[str, str]:
        random = self._random
        if talk.owner == "staff":
            return "handed_over", "staff_owns"
        chance = random.random()
        if chance < 0.84:
            return "answered", ""
        if chance < 0.96:
            return "handed_over", random.choices(list(_HAND_OVERS), list(_HAND_OVERS.values()))[0]
        return "declined", random.choices(list(_DECLINES), list(_DECLINES.values()))[0]

    def _answered(self, talk: Talk, turn: dict[str, Any], last: datetime) -> None:
        random = self._random
        asked_at = last + timedelta(seconds=1.05)
        wait, writing = random.lognormvariate(-1.6, 1.0), random.lognormvariate(0.05, 0.45)
        started_at = asked_at + timedelta(seconds=0.05 + wait)
        finished_at = started_at + timedelta(seconds=writing)
        sending_at = finished_at + timedelta(seconds=0.06)
        sent_at = sending_at + timedelta(seconds=random.uniform(0.08, 0.5))
        if (sent_at - last).total_seconds() > 4.2:
            held_at = last + timedelta(seconds=4)
            self._send(talk, turn, "holding", texts.HOLDING_LINE, held_at, held_at + timedelta(seconds=0.2))
        text = texts.answer(random)
        request = self._request(talk, turn, text, asked_at, started_at, finished_at)
        self._send(talk, turn, "answer", text, sending_at, sent_at, request=request)
        turn["sealed_at"] = sending_at
        turn["settled_at"] = sent_at

    def _handed_over(self, talk: Talk, turn: dict[str, Any], last: datetime) -> None:
        random = self._random
        settled_at = last + timedelta(
            seconds=0.05 if turn["reason"] == "not_text" else random.uniform(1.5, 8)
        )
        turn["settled_at"] = turn["staff_told_at"] = settled_at
        if talk.owner != "staff":
            talk.owner, talk.owned_since, talk.assignee = "staff", settled_at, None
            self._send(
                talk, turn, "fallback", texts.FALLBACK, settled_at, settled_at + timedelta(seconds=0.3)
            )
        talk.waiting_since, talk.closed_at = talk.waiting_since or turn["first_message_at"], None
        replied_at = settled_at + timedelta(seconds=random.lognormvariate(6.2, 1.2))
        if random.random() < 0.93 and replied_at < self._until:
            heapq.heappush(self._replies, (replied_at, next(self._numbers), talk))

    def _declined(self, talk: Talk, turn: dict[str, Any], last: datetime) -> None:
        turn["settled_at"] = last + timedelta(seconds=0.05)

    def _write_replies(self, until: datetime) -> None:
        while self._replies and self._replies[0][0] <= until:
            at, _, talk = heapq.heappop(self._replies)
            if talk.waiting_since:
                self._reply(talk, at)

    def _reply(self, talk: Talk, at: datetime) -> None:
        """By staff; after it the conversation is often done, or the bot's again."""
        random = self._random
        author = talk.assignee or random.choice(talk.tenant.staff).pk
        self._send(
            talk, None, "staff", texts.by_staff(random), at, at + timedelta(seconds=0.3), author=author
        )
        talk.assignee, talk.waiting_since = author, None
        if random.random() < 0.85:
            talk.owner, talk.assignee = "bot", None
            talk.closed_at = at + timedelta(seconds=30) if random.random() < 0.6 else None

    def _write(self, talk: Talk, turn: dict[str, Any], at: datetime, kind: str) -> None:
        text = texts.question(self._random) if kind == "text" else ""
        platform_id = f"wamid.{self._random.getrandbits(96):024X}"
        payload = {
            "id": platform_id,
            "from": f"contact-{talk.contact}",
            "timestamp": str(int(at.timestamp())),
            "type": kind,
            "text": {"body": text},
            "contacts": [{"profile": {"name": talk.name}, "wa_id": f"contact-{talk.contact}"}],
        }
        self.message_rows.append(
            {
                "conversation": talk.key,
                "channel": talk.channel.pk,
                "turn": turn,
                "direction": "in",
                "kind": kind,
                "text": text,
                "payload": json.dumps(payload),
                "platform_id": platform_id,
                "state": "received",
                "platform_at": at - timedelta(seconds=0.4),
                "received_at": at,
                "stored_at": at + timedelta(seconds=0.03),
            }
        )

    def _send(
        self,
        talk: Talk,
        turn: dict[str, Any] | None,
        purpose: str,
        text: str,
        sending_at: datetime,
        sent_at: datetime,
        **more: Any,
    ) -> None:
        row = {
            "conversation": talk.key,
            "channel": talk.channel.pk,
            "turn": turn,
            "direction": "out",
            "purpose": purpose,
            "text": text,
            "attempts": 1,
            "stored_at": sending_at - timedelta(seconds=0.02),
            "sending_at": sending_at,
            **more,
        }
        if turn is not None and turn["reason"] == "delivery_failed":
            row |= {"state": "failed", "error": "The platform refused it."}
        else:
            reached = self._random.choices(list(_REACHED), list(_REACHED.values()))[0]
            platform_id = f"out.{self._random.getrandbits(96):024X}"
            row |= {"state": "sent", "sent_at": sent_at, "platform_id": platform_id, "reached": reached}
        self.message_rows.append(row)

    def _request(
        self,
        talk: Talk,
        turn: dict[str, Any],
        text: str,
        asked_at: datetime,
        started_at: datetime,
        finished_at: datetime,
    ) -> uuid.UUID:
        key = uuid.UUID(int=self._random.getrandbits(128), version=4)
        self.request_rows.append(
            {
                "id": key,
                "turn": turn,
                "last_message": len(self.message_rows) - 1,
                "prompt_version": talk.tenant.prompt.pk,
                "state": "completed",
                "text": text,
                "finish_reason": "stop",
                "model": MODEL,
                "prompt_tokens": self._random.randrange(380, 720),
                "completion_tokens": len(text) // 4,
                "asked_at": asked_at,
                "received_at": asked_at + timedelta(seconds=0.05),
                "started_at": started_at,
                "finished_at": finished_at,
                "stored_at": finished_at + timedelta(seconds=0.03),
            }
        )
        return key

    def finish(self) -> None:
        """Write what staff have written by the end."""
        self._write_replies(self._until)

    def store(self) -> int:
        """Store what was added; says how many messages that was."""
        for row, key in zip(self.turn_rows, self.turns.reserve(len(self.turn_rows)), strict=True):
            row["id"] = key
        keys = self.messages.reserve(len(self.message_rows))
        for row, key in zip(self.message_rows, keys, strict=True):
            row["id"] = key
            row["turn"] = row["turn"] and row["turn"]["id"]
        for row in self.request_rows:
            row["turn"], row["last_message"] = row["turn"]["id"], keys[row["last_message"]]
        with transaction.atomic():
            self.turns.copy(self.turns.row(**row) for row in self.turn_rows)
            self.messages.copy(self.messages.row(**row) for row in self.message_rows)
            self.requests.copy(self.requests.row(**row) for row in self.request_rows)
        self._clear()
        return len(keys)
