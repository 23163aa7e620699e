"""An organization's life in small: contacts, queues, an LLM, a platform, staff, each as unreliable as told.

Queues keep no order, deliver twice, late or never; senders die; the clock is the history's own. A history is
a list of steps. Whatever they did, `settle` lets everything come to rest, and then `promises.broken` says
which promise was broken.
"""

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import EndpointConnectionError
from django.core import mail
from django.core.management.color import no_style
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, Message, Turn
from console.organizations.models import Member, Organization, User
from hub_lambdas import (
    dead_letters,
    drafts,
    errands,
    inbound,
    outbound,
    replies,
    staff,
    sweep,
    thumbs,
    wakeups,
    webhook,
)
from hub_lambdas.channels.base import (
    Account,
    CredentialRejected,
    SendRefused,
    SendRejected,
    SendUnknown,
)
from tests.fakes.sqs import FakeSqs
from tests.hub_lambdas.conftest import Pigeon, http_event

HANDLERS: dict[str, Callable[[Any, object], dict[str, Any]]] = {
    "dm-inbound.fifo": inbound.handler,
    "wakeups": wakeups.handler,
    "llm-replies": replies.handler,
    "dm-outbound.fifo": outbound.handler,
    "errands": errands.handler,
}
MAX_RECEIVES = 5
VISIBILITY_SECONDS = 60
MAX_MOMENTS = 50
MAX_DELIVERIES = 300
MAX_WAKEUPS = 12
"""Of one turn in one history: several for each message, edit, repair and reply to another turn."""
UNSENT = (Message.State.PENDING, Message.State.SENDING)
RESTS_MINUTES = 120
"""How long organizations let a conversation rest, where they do not do so for ever."""
NEVER = timedelta(days=36500)
BEGINNING = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class Clock:
    """Stands still until it is moved. Each begins at an hour that `seed` chooses: one seed is one history
    whenever it runs."""

    seed: int
    now: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.now = BEGINNING + timedelta(hours=self.seed % 24)

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Queues(FakeSqs):
    """`FakeSqs` with a clock: delays and visibility pass, and what fails five times is a dead letter.
    `keeps_groups`: as SQS promises of a FIFO queue, of a group the record that was given out is gone before
    another follows; else there is no order at all."""

    def __init__(self, clock: Clock, *, keeps_groups: bool) -> None:
        super().__init__()
        self.clock = clock
        self.keeps_groups = keeps_groups
        self.loses_next = False
        self.refuses_next = False
        self.due: dict[str, datetime] = {}
        self.wakeups: Counter[int] = Counter()
        """How often each turn was to be looked at again."""

    def send_message(self, **message: Any) -> dict[str, Any]:
        body = json.loads(message["MessageBody"])
        if message["QueueUrl"] == "wakeups" and "turn" in body:
            self.wakeups[body["turn"]] += 1
        if self.refuses_next:
            self.refuses_next = False
            raise EndpointConnectionError(endpoint_url="the queue")
        if self.loses_next and message["QueueUrl"] != "dm-inbound.fifo":
            self.loses_next = False
            return {"MessageId": "lost"}
        delay = timedelta(seconds=message.pop("DelaySeconds", 0))
        answer = super().send_message(**message)
        self.due[answer["MessageId"]] = self.clock.now + delay
        return answer

    def put_safely(self, queue: str, body: Any) -> None:
        """Queue a body as somebody else would, whatever this history has in store for the hub's own sends."""
        kept = self.loses_next, self.refuses_next
        self.loses_next = self.refuses_next = False
        self.put(queue, body, group=uuid.uuid4().hex)
        self.loses_next, self.refuses_next = kept

    def change_message_visibility(self, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        self.due["m" + ReceiptHandle[1:]] = self.clock.now + timedelta(seconds=VisibilityTimeout)

    def visible(self) -> list[tuple[str, dict[str, Any]]]:
        """What a handler could be given now, in no order that it may rely on but that of groups."""
        begun = self._begun_groups()
        return [
            (queue, record)
            for queue, records in self.queues.items()
            for record in records
            if self.due[record["messageId"]] <= self.clock.now and queue in HANDLERS
            if _is_begun(record) or _group(queue, record) not in begun
        ]

    def _begun_groups(self) -> set[tuple[str, str]]:
        return {
            _group(queue, record)
            for queue, records in self.queues.items()
            for record in records
            if self.keeps_groups and queue.endswith(".fifo") and _is_begun(record)
        }

    def due_at(self) -> datetime | None:
        """When the next of what waits could be given to a handler, if anything waits; what waits for another
        of its group has no moment of its own."""
        waiting = [self.due[record["messageId"]] for records in self.queues.values() for record in records]
        return min((due for due in waiting if due > self.clock.now), default=None)

    def deliver(self, queue: str, record: dict[str, Any], *, keep: bool = False) -> None:
        """Give one record to its handler. `keep`: the queue forgets that it did, and delivers it again."""
        attributes = record["attributes"]
        attributes["ApproximateReceiveCount"] = str(int(attributes["ApproximateReceiveCount"]) + 1)
        self.due[record["messageId"]] = self.clock.now + timedelta(seconds=VISIBILITY_SECONDS)
        failed = HANDLERS[queue]({"Records": [record]}, None)["batchItemFailures"]
        if keep:
            self.due[record["messageId"]] = self.clock.now
        elif not failed:
            self.queues[queue].remove(record)
        elif int(attributes["ApproximateReceiveCount"]) >= MAX_RECEIVES:
            self.queues[queue].remove(record)
            self._bury(queue, record)

    def _bury(self, queue: str, record: dict[str, Any]) -> None:
        name, dot, suffix = queue.partition(".")
        arn = f"arn:aws:sqs:us-east-1:000000000000:{name}-dead{dot}{suffix}"
        assert dead_letters.handler({"Records": [{**record, "eventSourceARN": arn}]}, None) == {
            "batchItemFailures": []
        }


def _group(queue: str, record: dict[str, Any]) -> tuple[str, str]:
    return queue, record["attributes"]["MessageGroupId"]


def _is_begun(record: dict[str, Any]) -> bool:
    """Whether it was given to a handler, which has not finished it."""
    return bool(record["attributes"]["ApproximateReceiveCount"] != "0")


class Llm:
    """Answers, refuses, fails, invents or keeps silent as told; it may say everything twice."""

    LONG = "Certainly. " * 12
    """More than one message of the platform's."""
    TEXTS: tuple[str, ...] = ("Certainly.", "STAFF", "", "It costs 977 €.", "Certainly.", LONG)

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    def answer(self, choice: int, *, keep: bool = False) -> None:
        """Take a request and put the reply to it on its queue."""
        waiting = self._queues.queues.get("llm-requests", [])
        if not waiting:
            return
        record = waiting[choice % len(waiting)]
        if not keep:
            waiting.remove(record)
        body = json.loads(record["body"])
        if "cancel" in body:
            return
        fails = choice % 7 == 6
        self._queues.put_safely(
            "llm-replies",
            {
                "id": body["id"],
                "status": "failed" if fails else "completed",
                "text": "" if fails else self.TEXTS[choice % len(self.TEXTS)],
                "finish_reason": None if fails else "stop",
                "error": {"code": "engine_error"} if fails else None,
            },
        )


class Platform(Pigeon):
    """Takes messages, or does what `faults` says; a time-out may come after it has taken the message."""

    shows_typing = False
    has_rejected = False
    """The hub's credential: its channel is held then."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], None]] = []
        """What happens beside the next calls, one beside each."""
        self.undelivered: set[int] = set()
        """What it took, and then reported that it could not deliver."""
        self.gone: set[str] = set()
        """Whom it said that nothing reaches any more."""

    def send(
        self,
        account: Account,
        contact: str,
        text: str,
        reference: str,
        choices: Sequence[str] = (),
        *,
        is_late: bool = False,
    ) -> str:
        if self.meanwhile:
            self.meanwhile.pop(0)()
        fault = self.faults.pop(0) if self.faults else None
        if fault is None or getattr(fault, "taken", False):
            self.take(contact, text, reference)
        if fault is not None:
            self.has_rejected |= isinstance(fault, CredentialRejected)
            if getattr(fault, "contact_gone", False):
                self.gone.add(contact)
            raise fault
        return f"pigeon-{reference}"


def faults() -> Iterator[Exception]:
    """Everything that may go wrong between the hub and a platform."""
    yield SendRefused("slow down", 2)
    yield SendRejected("the text is not allowed")
    yield SendRejected("the contact has blocked the bot", contact_gone=True)
    yield SendUnknown("no answer")
    taken = SendUnknown("no answer")
    taken.taken = True  # type: ignore[attr-defined]
    yield taken
    yield MemoryError("the sender died before it called the platform")
    died = MemoryError("the sender died before it heard the platform")
    died.taken = True  # type: ignore[attr-defined]
    yield died
    yield CredentialRejected("The token is not valid.")


class History:
    """An organization with one channel, and a member who gets its e-mails."""

    CONTACTS = ("ann", "bob")

    def __init__(self, platform: Platform, queues: Queues, seed: int, **settings: Any) -> None:
        self.queues, self.platform, self.clock = queues, platform, queues.clock
        self.chance = random.Random(seed)  # noqa: S311 - no secret
        self.unspoken: set[int] = set()
        """Turns that staff have, and whose contact is to hear nothing of that: as a member decided, since
        staff have blocked them, or as the channel is set."""
        self.pressed: list[tuple[str, int]] = []
        """Thumbs by their ids, and the answers below which they were pressed."""
        self.llm = Llm(queues)
        slug = uuid.uuid4().hex[:20]
        channel = {name: settings.pop(name) for name in ("bot", "tells_contacts") if name in settings}
        self.organization = Organization.objects.create(slug=slug, name=slug, **settings)
        self.member = User.objects.get_or_create(email="staff@example.com")[0]
        Member.objects.create(organization=self.organization, user=self.member)
        self.channel = Channel.objects.create(
            organization=self.organization,
            kind="pigeon",
            name=slug,
            credentials={"ring": "r1"},
            checked_at=self.clock.now + NEVER,
            last_webhook_at=self.clock.now,
            **channel,
        )
        self.written: list[tuple[str, str]] = []
        self.poison_bodies: list[str] = []
        self.problems: list[str] = []

    # --- steps ---

    def write(self, choice: int) -> None:
        contact = self.CONTACTS[choice % 2]
        message_id = f"{self.organization.slug}-{len(self.written)}"
        kind = "image" if choice % 11 == 10 else "text"
        text, age = f"message {len(self.written)}", 3600 if choice % 13 == 12 else 0
        item: dict[str, Any] = {"from": contact, "id": message_id, "kind": kind, "text": text, "age": age}
        if kind == "image":
            item |= {"files": ["a picture"], "text": text if choice % 2 else ""}
        self.written.append((contact, message_id))
        self._post(item)

    def write_again(self, choice: int) -> None:
        """The platform delivers a webhook once more."""
        if self.written:
            contact, message_id = self.written[choice % len(self.written)]
            self._post({"from": contact, "id": message_id, "kind": "text", "text": "again"})

    def _post(self, item: dict[str, Any]) -> None:
        event = http_event(f"/pigeon/{self.channel.pk}", json.dumps([item]), ring="r1")
        while webhook.handler(event, None)["statusCode"] != 200:
            pass  # as a platform does: it comes again until it is taken

    def deliver(self, choice: int) -> None:
        self._deliver(choice, keep=False)

    def deliver_twice(self, choice: int) -> None:
        self._deliver(choice, keep=True)

    def _deliver(self, choice: int, *, keep: bool) -> None:
        if visible := self.queues.visible():
            self.queues.deliver(*visible[choice % len(visible)], keep=keep)

    def answer(self, choice: int) -> None:
        self.llm.answer(choice)

    def answer_twice(self, choice: int) -> None:
        self.llm.answer(choice, keep=True)

    def lose(self, choice: int) -> None:
        self.queues.loses_next = True

    def refuse(self, choice: int) -> None:
        self.queues.refuses_next = True

    def trouble(self, choice: int) -> None:
        found = list(faults())
        self.platform.faults.append(found[choice % len(found)])

    def wait(self, choice: int) -> None:
        self.clock.move((0.5, 1, 3, 4, 20, 65)[choice % 6])

    def sweep(self, choice: int) -> None:
        sweep.handler({}, None)

    def take_over(self, choice: int) -> None:
        """A member takes all conversations over, and writes nothing."""
        for pk in self._conversations():
            staff.take_over(pk, self.member)

    def return_to_bot(self, choice: int) -> None:
        """A member gives all conversations back, also those of contacts who wait: the page has asked."""
        self.unspoken.update(self._handed_over().values_list("pk", flat=True))
        for pk in self._conversations():
            staff.return_to_bot(pk, Message.objects.filter(conversation=pk).latest("pk").pk)

    def staff_reply(self, choice: int) -> None:
        for pk in self._conversations():
            staff.reply(pk, self.member, f"A person wrote this at {self.clock.now}.")

    def rest(self, choice: int) -> None:
        """Nobody does anything for so long that what a member let rest is no longer theirs."""
        self.clock.move(60 * (RESTS_MINUTES + 1))
        theirs = Q(conversation__assignee__isnull=False)
        kept = set(self._handed_over().filter(theirs).values_list("pk", flat=True))
        sweep.handler({}, None)
        left = self._handed_over().filter(~theirs, pk__in=kept)
        of_channel = "conversation__contact__channel__"
        silent = ~Q(**{f"{of_channel}bot": "answers"}) & Q(**{f"{of_channel}tells_contacts": False})
        untold = left.filter(silent | Q(conversation__contact__is_blocked=True))
        self.unspoken.update(untold.values_list("pk", flat=True))

    def send_draft(self, choice: int) -> None:
        """A member sends the bot's draft, unless the contact has written meanwhile, or discards it."""
        for conversation in Conversation.objects.filter(organization=self.organization):
            draft = drafts.waiting(conversation)
            with suppress(staff.StaffError):
                if draft and choice % 3:
                    drafts.send(conversation.pk, draft.pk, self.member, "Certainly.")
                elif draft:
                    drafts.discard(conversation.pk, draft.pk, self.member)

    def change_bot(self, choice: int) -> None:
        """An admin decides anew what the bot does on the channel, and whether its contacts are told."""
        bot, tells = ("answers", "drafts", "silent")[choice % 3], bool(choice // 3 % 2)
        Channel.objects.filter(pk=self.channel.pk).update(bot=bot, tells_contacts=tells)

    def thumb(self, choice: int) -> None:
        """A contact says whether an answer helped that has reached them."""
        answers = Message.objects.filter(
            channel=self.channel, purpose=Message.Purpose.ANSWER, choices=list(thumbs.THUMBS)
        )
        reached = set(self.platform.references) - self.platform.undelivered
        if below := list(answers.filter(pk__in=reached).values_list("pk", flat=True)):
            answer = below[choice % len(below)]
            contact, _ = self.platform.sent[self.platform.references.index(answer)]
            press = {"from": contact, "id": uuid.uuid4().hex, "below": f"pigeon-{answer}"}
            self.pressed.append((press["id"], answer))
            self._post({**press, "kind": "button", "text": list(thumbs.THUMBS)[choice % 2]})

    def echo(self, choice: int) -> None:
        """The platform reports a message that it took, or that somebody answered in its own inbox."""
        own = self._taken()
        taken = zip(self.platform.sent, self.platform.references, strict=True)
        mine = [each for each in taken if each[1] in own]
        if choice % 3 == 0 and self.written:
            self._post({"from": "ann", "id": uuid.uuid4().hex, "kind": "echo", "text": "From the inbox."})
        elif mine:
            (contact, text), reference = mine[choice % len(mine)]
            seen = {"from": contact, "id": f"pigeon-{reference}", "kind": "echo", "text": text}
            self._post({**seen, "ours": True, "ref": str(reference)})

    def _taken(self) -> list[int]:
        """Which of this history's messages the platform took."""
        own = Message.objects.filter(channel=self.channel, pk__in=self.platform.references)
        return list(own.values_list("pk", flat=True))

    def repair(self, choice: int) -> None:
        held = Channel.objects.filter(pk=self.channel.pk, status="paused")
        if held.update(status="active", status_reason="", resumed_at=timezone.now()):
            staff.resume_channel(self.channel.pk)

    def receipt(self, choice: int) -> None:
        """The platform reports of a message that it took, by our own reference, that it arrived, or that it
        could not be delivered after all."""
        if mine := self._taken():
            reference = mine[choice % len(mine)]
            seen = {"id": uuid.uuid4().hex, "message": f"pigeon-{reference}", "ref": str(reference)}
            if choice % 4 == 3:
                self.platform.undelivered.add(reference)
                seen["failure"] = "It could not be delivered."
            is_gone = choice % 16 == 15
            if is_gone:
                at = self.platform.references.index(reference)
                self.platform.gone.add(self.platform.sent[at][0])
            self._post({"kind": "receipt", "gone": is_gone, **seen})

    def edit(self, choice: int) -> None:
        """A contact changes what they wrote."""
        if self.written:
            contact, message_id = self.written[choice % len(self.written)]
            item = {"from": contact, "of": message_id, "text": f"edited at {self.clock.now}"}
            self._post({"kind": "edit", "id": uuid.uuid4().hex, **item})

    def block(self, choice: int) -> None:
        """Staff block a contact, or allow them back."""
        contacts = Contact.objects.filter(channel=self.channel, platform_id=self.CONTACTS[choice % 2])
        contacts.update(is_blocked=choice % 3 == 0)

    def poison(self, choice: int) -> None:
        """Something that nobody can process gets onto a queue."""
        body = {"poison": f"{self.organization.slug}-{len(self.poison_bodies)}"}
        self.queues.put_safely(list(HANDLERS)[choice % len(HANDLERS)], body)
        self.poison_bodies.append(json.dumps(body))

    def meanwhile(self, choice: int) -> None:
        """While the platform is asked to take the next message, something else happens."""
        number, choice = choice % len(self.BESIDE), choice // len(self.BESIDE)
        self.platform.meanwhile.append(lambda: self.BESIDE[number](self, choice))

    def take_in(self, choice: int) -> None:
        """What waits is processed, but nothing is sent."""
        for _ in range(1 + choice % 5):
            inward = [each for each in self.queues.visible() if each[0] != "dm-outbound.fifo"]
            if inward:
                self.queues.deliver(*inward[choice % len(inward)])

    def write_beside(self, choice: int) -> None:
        self.write(choice)
        self.take_in(choice)

    def report_beside(self, choice: int) -> None:
        self.receipt(choice)
        self.take_in(choice)

    BESIDE = (
        *(write_beside, write_beside, report_beside, report_beside),
        *(take_in, take_over, edit, sweep, change_bot),
    )

    def progress(self, choice: int) -> None:
        """Some of what waits is delivered, and some requests are answered."""
        for _ in range(choice % 8):
            self._deliver(self.chance.randrange(1000), keep=False)
        self.llm.answer(choice)

    STEPS = (
        *(write, write, write, progress, progress, progress, progress, deliver, deliver, deliver_twice),
        *(answer, answer_twice, wait, wait, sweep, trouble, trouble, trouble, lose, refuse, write_again),
        *(
            take_over,
            return_to_bot,
            staff_reply,
            send_draft,
            send_draft,
            echo,
            echo,
            repair,
            receipt,
            edit,
            block,
        ),
        *(poison, meanwhile, meanwhile, rest, rest, change_bot, change_bot, thumb),
    )

    def step(self, number: int, choice: int) -> None:
        self.STEPS[number % len(self.STEPS)](self, choice)

    # --- the end ---

    def settle(self) -> None:
        """Let everything come that can: broken channels are repaired, time passes, and no new trouble comes
        up beside what still waits for its moment. Then staff let everything rest."""
        self._come_to_rest()
        self.rest(0)
        self._come_to_rest()

    def _come_to_rest(self) -> None:
        for _ in range(MAX_MOMENTS):
            self._drain()
            if self.platform.has_rejected:
                self.repair(0)
            due_at = self.queues.due_at()
            if due_at is None and not self._is_unfinished():
                break
            if due_at and self.chance.randrange(4):
                self.clock.now = due_at
            else:
                self._let_a_minute_pass()

    @staticmethod
    def end() -> None:
        """The next begins with nothing."""
        tables = connection.introspection.django_table_names()
        connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables))
        mail.outbox.clear()

    def _let_a_minute_pass(self) -> None:
        """With its sweep, which mends; where nothing is to be mended, one comes now and then all the same."""
        self.clock.move(61)
        if self._is_unfinished() or self.chance.randrange(8) == 0:
            sweep.handler({}, None)

    def _is_unfinished(self) -> bool:
        unsettled, unsent = Q(turn__state__in=Turn.UNSETTLED), Q(state__in=UNSENT)
        return Message.objects.filter(unsettled | unsent, channel=self.channel).exists()

    def _drain(self) -> None:
        """Deliver what can be delivered, in any order, a fifth of it twice."""
        for _ in range(MAX_DELIVERIES):
            visible, choice = self.queues.visible(), self.chance.randrange(1000)
            if visible:
                self._deliver(choice, keep=choice % 5 == 0)
            elif self.queues.queues.get("llm-requests"):
                self.llm.answer(choice, keep=choice % 10 == 0)
            else:
                return
        self.problems.append("the queues never come to rest")

    def conversations_with(self, contacts: Collection[str]) -> list[int]:
        """The conversations with some contacts."""
        theirs = Conversation.objects.filter(contact__channel=self.channel, contact__platform_id__in=contacts)
        return list(theirs.values_list("pk", flat=True)) if contacts else []

    def _conversations(self) -> list[int]:
        return list(Conversation.objects.filter(organization=self.organization).values_list("pk", flat=True))

    def _handed_over(self) -> QuerySet[Turn]:
        return Turn.objects.filter(organization=self.organization, state=Turn.State.HANDED_OVER)
