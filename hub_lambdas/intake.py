"""Stores what a webhook brought: the first and only place where contacts, conversations, messages and turns
begin."""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Exists, Q
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Contact, Conversation, Message, PlatformEvent, Turn
from hub_lambdas import after_drafts, choices, forgetting, media, names, reports, staff, thumbs
from hub_lambdas.accounts import account
from hub_lambdas.actions import do_what_is_due, load_turn, lock_conversation
from hub_lambdas.addressing import StillUnread
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import (
    Echo,
    Inbound,
    InboundEdit,
    InboundMessage,
    InboundUnsend,
    OtherEvent,
    Receipt,
    Sender,
    Unread,
)
from hub_lambdas.forgetting import unsend_id
from hub_lambdas.http import Request

MAX_IDS = 2
"""That a platform has for one contact."""
WEBHOOK_NOTED_EVERY = timedelta(minutes=1)


@transaction.atomic
def store(channel_id: uuid.UUID, received_at: datetime, inbound: Inbound) -> Channel | None:
    """Store one thing that a platform sent to a channel; a second time it changes nothing. None where the
    channel was erased: nothing of it is kept. Raises StillUnread, or whatever the kind raises, for a webhook
    that still cannot be read."""
    channel = Channel.objects.select_related("organization").filter(pk=channel_id).first()
    if channel is None:
        return None
    match inbound:
        case InboundMessage():
            _store_message(channel, received_at, inbound)
        case InboundEdit():
            if _store_event(channel, received_at, inbound, "edit"):
                _edit_message(channel, inbound)
        case InboundUnsend():
            # Known by the message's id, for those that reach the hub after this.
            unsend = replace(inbound, platform_id=unsend_id(inbound.message_platform_id))
            if _store_event(channel, received_at, unsend, "unsend"):
                _forget_message(channel, inbound.message_platform_id)
        case Echo():
            if _store_event(channel, received_at, inbound, "echo"):
                reports.note_echo(_conversation(channel, inbound.sender), received_at, inbound)
                if _is_taken_back(channel, inbound.platform_id):
                    _forget_message(channel, inbound.platform_id)
        case Receipt():
            if _store_event(channel, received_at, inbound, "receipt", **reports.said(inbound)):
                reports.note_receipt(channel, received_at, inbound)
        case OtherEvent():
            _store_event(channel, received_at, inbound, inbound.kind)
            _note_reachability(channel, inbound)
            _note_move(channel, inbound)
        case Unread():
            webhook = Request("POST", "", body=inbound.payload.encode())
            for each in KINDS[channel.kind].parse(webhook, account(channel)):
                if isinstance(each, Unread):
                    raise StillUnread
                store(channel_id, received_at, each)
    _note_webhook(channel, received_at, inbound)
    return channel


def _note_webhook(channel: Channel, received_at: datetime, inbound: Inbound) -> None:
    """That the platform delivers: a test message, which the hub itself posts, says nothing of that. To the
    minute: each message's would make all of a channel wait for one another's commit."""
    last_at = channel.last_webhook_at
    if last_at is not None and received_at - last_at <= WEBHOOK_NOTED_EVERY:
        return
    sender_id = inbound.sender.platform_id if inbound.sender else ""
    by_test = Contact.objects.filter(channel=channel, platform_id=sender_id, is_test=True)
    Channel.objects.filter(~Exists(by_test), pk=channel.pk).update(last_webhook_at=received_at)


def _store_message(channel: Channel, received_at: datetime, inbound: InboundMessage) -> None:
    conversation = _conversation(channel, inbound.sender)
    known = Message.objects.only("turn").filter(channel=channel, platform_id=inbound.platform_id).first()
    if known is None and thumbs.is_press(conversation, inbound):
        thumbs.store(conversation, inbound, received_at)
    elif known is None:
        do_what_is_due(_add_message(conversation, received_at, inbound))
        _order_errands(conversation, inbound)
    elif turn := conversation.turns.filter(messages=known).first():
        # A redelivered message is looked at again: its first delivery may have died before the queue sends.
        turn.organization = conversation.organization
        do_what_is_due(turn)


def _order_errands(conversation: Conversation, inbound: InboundMessage) -> None:
    """Have fetched what a message only refers to: its files, and who its contact is."""
    contact, channel = conversation.contact, conversation.contact.channel
    files = media.of_message(channel, inbound.platform_id) if inbound.media else []
    is_nameless = names.is_wanted(contact, channel, timezone.now())
    media.order([*files, *([{"contact": contact.pk}] if is_nameless else [])])


def _add_message(conversation: Conversation, received_at: datetime, inbound: InboundMessage) -> Turn:
    if conversation.waiting_since is None and after_drafts.is_the_bots(conversation):
        staff.give_to_bot(conversation)
    turn = _gathering_turn(conversation, received_at)
    rows = turn.message_rows
    inbound = choices.understood(conversation, inbound)
    if _is_taken_back(conversation.contact.channel, inbound.platform_id):
        inbound = replace(inbound, kind="unsent", text="", payload="", media=())
    message = Message.objects.create(
        conversation=conversation,
        channel=conversation.contact.channel,
        turn=turn,
        direction=Message.Direction.IN,
        kind=inbound.kind,
        text=inbound.text,
        payload=inbound.payload,
        platform_id=inbound.platform_id,
        platform_at=inbound.platform_at,
        received_at=received_at,
    )
    rows.append(message)
    if inbound.media:
        media.note(message, inbound.media)
    conversation.last_message_at = received_at
    conversation.save(update_fields=["last_message_at"])
    return turn


def _conversation(channel: Channel, sender: Sender) -> Conversation:
    """The contact's conversation, locked: two first messages at once make one. Who was erased while this
    waited for the lock begins anew."""
    contact = _known_contact(channel, sender)
    if contact is None:
        try:
            return _begin_conversation(channel, sender)
        except IntegrityError:
            contact = Contact.objects.get(channel=channel, platform_id=sender.platform_id)
    conversation, _ = Conversation.objects.select_for_update().get_or_create(
        contact=contact, defaults={"organization": channel.organization}
    )
    contact.refresh_from_db()
    if contact.erased_at is not None:
        return _conversation(channel, sender)
    contact.channel = channel
    _refresh_contact(contact, sender)
    conversation.contact = contact
    conversation.organization = channel.organization
    return conversation


@transaction.atomic
def _begin_conversation(channel: Channel, sender: Sender) -> Conversation:
    """With a new contact. IntegrityError where somebody begins it at this moment. Nobody else sees it before
    the transaction ends, so it needs no lock."""
    _release_alias(channel, sender.alias)
    contact = Contact.objects.create(
        channel=channel,
        platform_id=sender.platform_id,
        name=sender.name,
        language=sender.language,
        alias=sender.alias or None,
    )
    return Conversation.objects.create(organization=channel.organization, contact=contact)


def _known_contact(channel: Channel, sender: Sender) -> Contact | None:
    """The contact by either of their ids, the newest where the platform told too late that two are one. Who
    has two ids and shares one of them only is somebody else: numbers are given to new people."""
    ids = [sender.platform_id, *([sender.alias] if sender.alias else [])]
    either = Q(platform_id__in=ids) | Q(alias__in=ids)
    found = Contact.objects.filter(either, channel=channel).order_by("-pk")
    return next((contact for contact in found if len({*ids, *_ids(contact)}) <= MAX_IDS), None)


def _ids(contact: Contact) -> list[str]:
    return [contact.platform_id, *([contact.alias] if contact.alias else [])]


def _release_alias(channel: Channel, alias: str) -> None:
    """An id is one contact's at a time."""
    if alias:
        Contact.objects.filter(channel=channel, alias=alias).update(alias=None)


def _refresh_contact(contact: Contact, sender: Sender) -> None:
    """Somebody who writes is reachable, under the name they have now."""
    ids = {sender.platform_id, sender.alias} - {"", contact.platform_id}
    alias = min(ids, default=contact.alias)
    fresh = (sender.name or contact.name, sender.language or contact.language, alias, False)
    if fresh != (contact.name, contact.language, contact.alias, contact.is_unreachable):
        if alias != contact.alias:
            _release_alias(contact.channel, alias or "")
        contact.name, contact.language, contact.alias, contact.is_unreachable = fresh
        contact.save(update_fields=["name", "language", "alias", "is_unreachable"])


def _gathering_turn(conversation: Conversation, received_at: datetime) -> Turn:
    turn = conversation.turns.filter(state__in=Turn.UNSETTLED, sealed_at__isnull=True).first()
    if turn is None:
        turn = Turn.objects.create(
            organization=conversation.organization,
            conversation=conversation,
            first_message_at=received_at,
            last_message_at=received_at,
        )
        turn.message_rows, turn.request_rows = [], []
        return turn
    turn.organization = conversation.organization
    turn.state = Turn.State.OPEN
    turn.last_message_at = max(turn.last_message_at, received_at)
    turn.save(update_fields=["state", "last_message_at"])
    return turn


def _edit_message(channel: Channel, edit: InboundEdit) -> None:
    """Staff and the next question see the text as it is now. A turn still waiting for its answer gets it for
    that; a settled one is not opened again."""
    edited = Message.objects.filter(channel=channel, platform_id=edit.message_platform_id)
    conversation_id = edited.values_list("conversation_id", flat=True).first()
    if conversation_id is None:
        return
    lock_conversation(conversation_id)
    message = edited.exclude(kind="unsent").first()
    if message is None or message.text == edit.text:
        return
    # By the clock that requests are asked by: an edit that waited on the queue is still newer than they.
    message.text, message.edited_at = edit.text, timezone.now()
    message.save(update_fields=["text", "edited_at"])
    if message.turn_id is not None:
        do_what_is_due(load_turn(message.turn_id))


def _is_taken_back(channel: Channel, message_platform_id: str) -> bool:
    """What was taken back may reach the hub after that."""
    unsends = PlatformEvent.objects.filter(channel=channel, platform_id=unsend_id(message_platform_id))
    return unsends.exists()


def _forget_message(channel: Channel, message_platform_id: str) -> None:
    """What somebody took back is not kept, neither on a dead letter nor as the event that an echo is. A turn
    that still waits for its answer goes on with the rest of it, as after an edit."""
    forgetting.forget_letters(channel.pk, message_platform_id)
    PlatformEvent.objects.filter(channel=channel, platform_id=message_platform_id).update(payload="")
    unsent = Message.objects.filter(channel=channel, platform_id=message_platform_id)
    conversation_id = unsent.values_list("conversation_id", flat=True).first()
    if conversation_id is None:
        return
    lock_conversation(conversation_id)
    media.forget(unsent)
    for message in unsent.select_related("turn"):
        forgetting.forget_requests(message)
        message.text, message.payload, message.kind = "", "", "unsent"
        message.edited_at = timezone.now()
        message.save(update_fields=["text", "payload", "kind", "edited_at"])
        if message.turn is not None:
            do_what_is_due(load_turn(message.turn.pk))


def _store_event(
    channel: Channel, received_at: datetime, inbound: Inbound, kind: str, **more: object
) -> bool:
    """Keep an event; whether it was new."""
    _, is_new = PlatformEvent.objects.get_or_create(
        channel=channel,
        platform_id=inbound.platform_id,
        defaults={
            "kind": kind,
            "contact_platform_id": inbound.sender.platform_id if inbound.sender else "",
            # What was edited or taken back is not kept a second time: it may be taken back yet.
            "payload": "" if isinstance(inbound, InboundEdit | InboundUnsend) else inbound.payload,
            "received_at": received_at,
            **more,
        },
    )
    return is_new


def _note_move(channel: Channel, event: OtherEvent) -> None:
    """A contact has another id now. Where they have written under it already, they are two contacts."""
    if event.sender is None or not event.moved_from:
        return
    new_id = event.sender.platform_id
    taken = Contact.objects.filter(Q(platform_id=new_id) | Q(alias=new_id), channel=channel)
    if not taken.exists():
        moved = Contact.objects.filter(channel=channel)
        moved.filter(platform_id=event.moved_from).update(platform_id=new_id)
        moved.filter(alias=event.moved_from).update(alias=new_id)


def _note_reachability(channel: Channel, event: OtherEvent) -> None:
    if event.sender is not None and event.reachable is not None:
        Contact.objects.filter(channel=channel, platform_id=event.sender.platform_id).update(
            is_unreachable=not event.reachable
        )
