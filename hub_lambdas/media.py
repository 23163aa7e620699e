"""The files that came with messages: noted when a message is stored, fetched as an errand, taken away with
what a contact takes back.

A file has its name in the storage before it is there, and it is stored under the lock of its row: whatever
dies in between, the next errand writes over it or removes it, and no file is left that no row knows.
"""

import logging
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Message, MessageMedia
from console.exact_text import printable
from hub_lambdas import queues
from hub_lambdas.accounts import account
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import ChannelError, FetchedMedia, Media, MediaGone, MediaRefused
from hub_lambdas.channels.download import size
from hub_lambdas.media_types import kept_as
from hub_lambdas.sentences import stored

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
BUSY = timedelta(seconds=90)
"""Longer than the errands function may run: an errand older than this is not being run any more."""
MAX_PER_SWEEP = 500

State = MessageMedia.State
_WANTED = Q(state=State.WAITING)
_UNWANTED = Q(state=State.REMOVED) & ~Q(file="")


def note(message: Message, files: Iterable[Media]) -> None:
    """Remember the files of a message that is being stored."""
    where = folder(message.conversation.organization.slug)
    MessageMedia.objects.bulk_create(
        MessageMedia(
            message=message,
            position=position,
            reference=file.reference,
            media_type=file.media_type,
            name=file.name,
            size_bytes=file.size_bytes,
            file=f"{where}/{uuid.uuid4().hex}",
        )
        for position, file in enumerate(files)
    )


def folder(slug: str) -> str:
    """Where an organization's files lie in the storage."""
    return f"media/{slug}"


def forget(messages: Iterable[Message]) -> None:
    """Have the files of these messages taken away, and whatever is known of them."""
    media = MessageMedia.objects.filter(message__in=messages)
    reason = "The contact took it back."
    media.update(state=State.REMOVED, reference="", name="", reason=reason, attempts=0, attempted_at=None)
    order({"media": pk} for pk in media.filter(_UNWANTED).values_list("pk", flat=True))


def order(errands: Iterable[dict[str, Any]]) -> None:
    """Put errands on their way once the rows that they speak of are there. No message waits for that: one
    that is not taken by the queue is found by the sweep."""
    if bodies := list(errands):
        transaction.on_commit(partial(_send, bodies))


def _send(bodies: list[dict[str, Any]]) -> None:
    try:
        queues.run_errands(bodies)
    except (BotoCoreError, ClientError):
        log.exception("the queue did not take %d errands: the sweep sends them", len(bodies))


def of_message(channel: Channel, platform_id: str) -> list[dict[str, Any]]:
    """The errands for a message that has just been stored."""
    media = MessageMedia.objects.filter(message__channel=channel, message__platform_id=platform_id)
    return [{"media": pk} for pk in media.values_list("pk", flat=True)]


def due(now: datetime, quiet: datetime) -> list[int]:
    """What is to be fetched or taken away and was not, oldest first. Nothing is fetched from a channel that
    waits for its repair."""
    tried = (Q(attempts=count, attempted_at__lt=now - _pause(count)) for count in range(1, MAX_ATTEMPTS))
    is_time = Q(attempts=0, stored_at__lt=quiet)
    for each in (*tried, Q(attempts__gte=MAX_ATTEMPTS, attempted_at__lt=now - _pause(MAX_ATTEMPTS))):
        is_time |= each
    found = MessageMedia.objects.filter(is_time, _UNWANTED | (_WANTED & ~Channel.held("message__channel__")))
    return list(found.order_by("stored_at").values_list("pk", flat=True)[:MAX_PER_SWEEP])


def order_again(media_id: int) -> None:
    """Put an errand that got lost, or did not succeed, on its way once more."""
    order([{"media": media_id}])


def see_to(media_id: int) -> None:
    """Fetch a file that is wanted, or take away one that is not; what is done already, or is being done, is
    let be. Whatever it raises, it is due again after a while."""
    media = _begin(media_id)
    if media is None:
        return
    if media.state == State.REMOVED:
        media.file.storage.delete(str(media.file))
        MessageMedia.objects.filter(pk=media.pk).update(file="")
        return
    try:
        fetched = _fetch(media)
        _keep(media, fetched, kept_as(fetched.content, media.media_type or fetched.media_type, media.name))
    except MediaRefused as error:
        _settle(media, State.REFUSED, error)
    except MediaGone as error:
        _settle(media, State.FAILED, error)
    except ChannelError as error:
        _settle(media, State.FAILED if media.attempts >= MAX_ATTEMPTS else State.WAITING, error)


@transaction.atomic
def _begin(media_id: int) -> MessageMedia | None:
    """Write down that it is tried, unless there is nothing to do."""
    media = MessageMedia.objects.select_for_update().filter(pk=media_id).first()
    now = timezone.now()
    if media is None or media.state not in (State.WAITING, State.REMOVED) or not media.file:
        return None
    if media.attempted_at and now < media.attempted_at + _pause(media.attempts):
        return None
    if media.state == State.WAITING and media.attempts >= MAX_ATTEMPTS:
        media.state, media.reason = State.FAILED, media.reason or "It could not be fetched."
        media.file = ""
        media.save(update_fields=["state", "reason", "file"])
        return None
    media.attempts, media.attempted_at = min(media.attempts + 1, MAX_ATTEMPTS), now
    media.save(update_fields=["attempts", "attempted_at"])
    return media


def _pause(attempts: int) -> timedelta:
    """How long after an attempt the next one is made."""
    return max(BUSY, timedelta(minutes=2 ** min(attempts, MAX_ATTEMPTS)))


def _fetch(media: MessageMedia) -> FetchedMedia:
    contact = media.message.conversation.contact
    limit_bytes = settings.MEDIA_MAX_BYTES
    if contact.is_blocked:
        raise MediaRefused("The contact is blocked: nothing that they send is fetched.")
    if (media.size_bytes or 0) > limit_bytes:
        raise MediaRefused(stored("The file is larger than %(limit)s.", limit=size(limit_bytes)))
    file = Media(media.reference, media.media_type, media.name, media.size_bytes)
    return KINDS[contact.channel.kind].fetch_media(account(contact.channel), file, limit_bytes)


@transaction.atomic
def _keep(media: MessageMedia, fetched: FetchedMedia, media_type: str) -> None:
    wanted = MessageMedia.objects.select_for_update().filter(_WANTED, pk=media.pk).first()
    if wanted is None:
        return
    storage, name = wanted.file.storage, str(wanted.file)
    storage.delete(name)  # of an attempt that died right here
    wanted.file = storage.save(name, ContentFile(fetched.content))
    wanted.state, wanted.reason, wanted.reference = State.KEPT, "", ""
    wanted.media_type, wanted.size_bytes = media_type, len(fetched.content)
    wanted.save(update_fields=["file", "state", "reason", "reference", "media_type", "size_bytes"])


def _settle(media: MessageMedia, state: MessageMedia.State, error: ChannelError) -> None:
    """Write down why there is no file, or not yet."""
    said: dict[str, Any] = {"state": state, "reason": printable(str(error))[:300]}
    if state != State.WAITING:
        said |= {"reference": "", "file": ""}
    MessageMedia.objects.filter(_WANTED, pk=media.pk).update(**said)
