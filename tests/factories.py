"""Rows for tests, each with the values that a test does not care about filled in."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, LlmRequest, Message, MessageMedia, Turn
from console.organizations.models import Member, Organization, User
from console.prompts.models import CannedPrompt, PromptVersion
from console.workshop.models import Attempt, Rehearsal

_number = itertools.count(1)
PASSWORD = "correct horse battery staple"


def make_organization(slug: str = "", **fields: Any) -> Organization:
    """An active organization."""
    slug = slug or f"organization-{next(_number)}"
    return Organization.objects.create(slug=slug, **{"name": slug.replace("-", " ").title(), **fields})


def make_user(email: str = "", **fields: Any) -> User:
    """Somebody who can sign in with PASSWORD."""
    return User.objects.create_user(email or f"user-{next(_number)}@example.com", PASSWORD, **fields)


def make_member(organization: Organization, role: str = "admin", **fields: Any) -> User:
    """A user with a role in `organization`."""
    user = make_user(**fields)
    Member.objects.create(organization=organization, user=user, role=role)
    return user


def make_channel(organization: Organization, kind: str = "telegram", **fields: Any) -> Channel:
    """An active channel with a credential."""
    defaults: dict[str, Any] = {
        "name": f"Channel {next(_number)}",
        "credentials": {"bot_token": "123:secret-token"},
    }
    return Channel.objects.create(organization=organization, kind=kind, **{**defaults, **fields})


def make_prompt(organization: Organization, instructions: str = "You answer briefly.") -> PromptVersion:
    """The published prompt of `organization`."""
    prompt = PromptVersion.objects.create(organization=organization, instructions=instructions)
    prompt.publish()
    return prompt


def make_canned_prompt(organization: Organization, question: str = "", **fields: Any) -> CannedPrompt:
    """An active canned prompt."""
    number = next(_number)
    defaults = {"answer": f"Answer {number}.", "position": number}
    question = question or f"Question {number}?"
    return CannedPrompt.objects.create(organization=organization, question=question, **{**defaults, **fields})


def make_rehearsal(organization: Organization, question: str, text: str = "", **fields: Any) -> Rehearsal:
    """A question that what is published has answered, or handed over where there is no text."""
    now = timezone.now()
    state = Rehearsal.State.ANSWERED if text else Rehearsal.State.HANDED_OVER
    defaults: dict[str, Any] = {"is_draft": False, "asked_at": now, "expires_at": now, "state": state}
    rehearsal = Rehearsal.objects.create(
        organization=organization, question=question, text=text, **{**defaults, **fields}
    )
    Attempt.objects.create(
        rehearsal=rehearsal, number=1, chat={}, state="completed", text=text, asked_at=now,
        prompt_tokens=412, completion_tokens=18, started_at=now, finished_at=now,
    )  # fmt: skip
    return rehearsal


def make_conversation(channel: Channel, name: str = "", **fields: Any) -> Conversation:
    """A conversation with a contact of `channel`, which belongs to the bot."""
    number = next(_number)
    contact = Contact.objects.create(
        channel=channel, platform_id=f"contact-{number}", name=name or f"Contact {number}"
    )
    return Conversation.objects.create(organization=channel.organization, contact=contact, **fields)


def make_inbound(conversation: Conversation, text: str = "Hello?", **fields: Any) -> Message:
    """A message by the contact, received and stored just now. Without `turn` it gets a new open one."""
    received_at = fields.pop("received_at", timezone.now())
    turn = fields.pop("turn", None) or Turn.objects.create(
        organization=conversation.organization,
        conversation=conversation,
        first_message_at=received_at,
        last_message_at=received_at,
    )
    message = Message.objects.create(
        conversation=conversation,
        channel=conversation.contact.channel,
        turn=turn,
        direction=Message.Direction.IN,
        text=text,
        **{"platform_id": f"in-{next(_number)}", "received_at": received_at, **fields},
    )
    stored_at = fields.get("stored_at", received_at + timedelta(milliseconds=20))
    Message.objects.filter(pk=message.pk).update(stored_at=stored_at)
    Conversation.objects.filter(pk=conversation.pk).update(last_message_at=received_at)
    message.refresh_from_db()
    return message


def make_media(turn: Turn, content: bytes, media_type: str, **fields: Any) -> MessageMedia:
    """A file that came with the first message of a turn, and is kept unless `fields` say otherwise."""
    message = turn.messages.order_by("id").first()
    assert message is not None, "a turn begins with a message"
    defaults = {"position": message.media.count(), "state": MessageMedia.State.KEPT}
    media = MessageMedia(message=message, media_type=media_type, **{**defaults, **fields})
    if media.state == MessageMedia.State.KEPT:
        media.size_bytes = len(content)
        media.file.save(f"media/{turn.organization.slug}/{next(_number)}", ContentFile(content), save=False)
    media.save()
    return media


def make_outbound(conversation: Conversation, text: str = "Certainly.", **fields: Any) -> Message:
    """A message to the contact, sent just now unless `fields` say otherwise."""
    now = timezone.now()
    defaults: dict[str, Any] = {"state": Message.State.SENT, "purpose": Message.Purpose.ANSWER}
    if fields.get("state", Message.State.SENT) == Message.State.SENT:
        defaults |= {"sending_at": now, "sent_at": now, "platform_id": f"out-{next(_number)}"}
    return Message.objects.create(
        conversation=conversation,
        channel=conversation.contact.channel,
        direction=Message.Direction.OUT,
        text=text,
        **{**defaults, **fields},
    )


def make_answered_turn(
    conversation: Conversation,
    question: str | Sequence[str] = "Are you open today?",
    answer: str = "Yes, until six.",
    at: datetime | None = None,
    hops_ms: Sequence[int] = (20, 1000, 30, 10, 1200, 25, 15, 120),
    prompt: PromptVersion | None = None,
) -> Turn:
    """A turn with its whole history. `hops_ms` are the times between received, stored, asked, taken by the
    LLM, started, finished, reply stored, sending, sent."""
    at = at or timezone.now()
    questions = [question] if isinstance(question, str) else list(question)
    message = make_inbound(conversation, questions[0], received_at=at)
    turn = message.turn
    assert turn is not None
    for text in questions[1:]:
        message = make_inbound(conversation, text, received_at=at, turn=turn)
    moments = [at]
    for hop_ms in hops_ms:
        moments.append(moments[-1] + timedelta(milliseconds=hop_ms))
    Message.objects.filter(pk=message.pk).update(stored_at=moments[1])
    request = LlmRequest.objects.create(
        turn=turn,
        last_message=message,
        prompt_version=prompt,
        state=LlmRequest.State.COMPLETED,
        text=answer,
        finish_reason="stop",
        model="SmolLM2-135M-Instruct",
        prompt_tokens=412,
        completion_tokens=18,
        received_at=moments[3],
        started_at=moments[4],
        finished_at=moments[5],
        stored_at=moments[6],
    )
    LlmRequest.objects.filter(pk=request.pk).update(asked_at=moments[2])
    make_outbound(conversation, answer, turn=turn, sending_at=moments[7], sent_at=moments[8])
    turn.state, turn.settled_at, turn.sealed_at = Turn.State.ANSWERED, moments[8], moments[7]
    turn.save()
    return turn


def make_handed_over_turn(
    conversation: Conversation,
    text: str = "",
    reason: str = "not_text",
    at: datetime | None = None,
    kind: str = "image",
) -> Turn:
    """A turn that staff have to answer; the contact was told so."""
    at = at or timezone.now()
    message = make_inbound(conversation, text, received_at=at, kind=kind)
    turn = message.turn
    assert turn is not None
    settled_at = at + timedelta(milliseconds=45)
    sent_at = at + timedelta(milliseconds=210)
    make_outbound(
        conversation,
        conversation.organization.fallback,
        turn=turn,
        purpose=Message.Purpose.FALLBACK,
        sending_at=at + timedelta(milliseconds=80),
        sent_at=sent_at,
    )
    turn.state, turn.reason, turn.settled_at = Turn.State.HANDED_OVER, reason, settled_at
    turn.save()
    Conversation.objects.filter(pk=conversation.pk).update(owner=Conversation.Owner.STAFF)
    return turn
