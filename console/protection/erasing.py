"""Making a contact unknown: what they and others wrote goes, and that somebody wrote stays.

Their rows in the ledger are kept without a word, a name or an id in them, so that the proof's numbers stay
true. The contact loses the platform's ids first: what the same person writes from then on begins anew.
"""

import json

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from console.audit.models import Change
from console.audit.recording import MASK
from console.conversations.models import (
    Contact,
    Conversation,
    DeadLetter,
    Export,
    LlmRequest,
    Message,
    MessageMedia,
    PlatformEvent,
    Turn,
)
from console.feedback.models import Feedback
from console.inbox.models import Draft
from console.organizations.models import Organization
from console.protection.batches import batches
from console.protection.models import Erasure, Retirement
from console.protection.relations import ids, tenant_models, way_to_contact
from console.protection.retention import delete_files
from hub_lambdas import actions, turns
from hub_lambdas.forgetting import unsend_id

_COUNTED = (Contact, Conversation, Turn, Message, LlmRequest, Feedback)
"""What stays, emptied, so that it can be counted."""
_APART = (Erasure, Export)


class StillSending(Exception):
    """A message to the contact is just being sent: only after that its turn can be settled."""


def begin(erasure: Erasure) -> None:
    """Take the contact's name and ids away, and settle what they still wait for: declined, without a word to
    them. A second time it changes nothing. Raises StillSending."""
    with transaction.atomic():
        mine = Conversation.objects.select_for_update().filter(contact=erasure.contact_id)
        conversation = mine.first()
        if conversation and conversation.messages.filter(state=Message.State.SENDING).exists():
            raise StillSending
        contact = Contact.objects.select_for_update().get(pk=erasure.contact_id)
        if contact.erased_at is None:
            erasure.sought = ids(contact)
            erasure.save(update_fields=["sought"])
            contact.platform_id, contact.alias = f"erased-{contact.pk}", None
            contact.name, contact.language, contact.erased_at = "", "", timezone.now()
            contact.save()
        if conversation is not None:
            _settle(conversation)


def _settle(conversation: Conversation) -> None:
    unsettled = conversation.turns.filter(state__in=Turn.UNSETTLED)
    declined = turns.Settle(turns.State.DECLINED, turns.Reason.CONTACT_ERASED)
    for turn_id in unsettled.values_list("pk", flat=True):
        actions.carry_out(actions.load_turn(turn_id), [turns.Cancel(), declined], timezone.now())
    unsent = conversation.messages.filter(state=Message.State.PENDING)
    unsent.update(state=Message.State.CANCELLED)
    Draft.drop(conversation.pk, None, timezone.now())
    Conversation.objects.filter(pk=conversation.pk).update(
        owner=Conversation.Owner.BOT, assignee=None, waiting_since=None, closed_at=timezone.now()
    )


def erase(erasure: Erasure) -> None:
    """Empty and delete all the rest, batch by batch. What dies in between is gone on with by calling it
    again."""
    contact, organization = erasure.contact, erasure.organization
    messages = Message.objects.filter(conversation__contact=contact)
    erasure.state, erasure.rows_done, erasure.rows_total = Erasure.State.RUNNING, 0, messages.count()
    erasure.save(update_fields=["state", "rows_done", "rows_total"])
    for keys in batches(messages):
        _empty(contact, keys)
        erasure.rows_done += len(keys)
        erasure.save(update_fields=["rows_done"])
    requests = LlmRequest.objects.filter(turn__conversation__contact=contact)
    requests.update(text="", objection="")
    for model in tenant_models():
        way = "" if model in (*_COUNTED, *_APART) else way_to_contact(model, is_firm=True)
        if way:
            model._default_manager.filter(**{way: contact.pk}).delete()
    _forget_reports(contact, erasure.sought)
    _empty_letters(organization, contact, erasure.sought)
    _delete_exports(organization)
    _mask_changes(organization, erasure.sought)
    erasure.state, erasure.sought, erasure.finished_at = Erasure.State.DONE, [], timezone.now()
    erasure.save(update_fields=["state", "sought", "finished_at"])


@transaction.atomic
def _empty(contact: Contact, keys: list[int]) -> None:
    messages = Message.objects.filter(pk__in=keys)
    known = [known for known in messages.values_list("platform_id", flat=True) if known]
    reports = PlatformEvent.objects.filter(channel=contact.channel_id)
    about = Q(message_platform_id__in=known) | Q(platform_id__in=[*known, *map(unsend_id, known)])
    reports.filter(about).delete()
    media = MessageMedia.objects.filter(message__in=keys)
    delete_files(media)
    media.delete()
    messages.update(text="", payload="", platform_id=None, error="", choices=[])


def _forget_reports(contact: Contact, sought: list[str]) -> None:
    PlatformEvent.objects.filter(channel=contact.channel_id, contact_platform_id__in=sought).delete()


def _empty_letters(organization: Organization, contact: Contact, sought: list[str]) -> None:
    """Those of the contact's turns, and those that their channel brought with one of their ids. What waits is
    not to be replayed: nothing stands in it any more."""
    about = Q(turn__conversation__contact=contact)
    for known in sought:
        about |= Q(body__contains=str(contact.channel_id)) & Q(body__contains=json.dumps(known))
    letters = DeadLetter.objects.filter(about, Q(organization=organization) | Q(organization=None))
    emptied = DeadLetter.objects.filter(pk__in=list(letters.values_list("pk", flat=True)))
    emptied.update(body="{}", cause="")
    waiting = emptied.filter(state=DeadLetter.State.WAITING)
    waiting.update(state=DeadLetter.State.DISCARDED, resolved_at=timezone.now())


def _delete_exports(organization: Organization) -> None:
    """Files that were made before hold what the contact wrote: who needs one asks for it again. One that is
    being made finds its row gone, and deletes its file. That of an organization which leaves is made anew."""
    stopped = Retirement.objects.filter(organization=organization, state=Retirement.State.STOPPED)
    stopped.update(state=Retirement.State.EXPORTING)
    for export in Export.objects.filter(organization=organization):
        if export.file:
            default_storage.delete(str(export.file))
        export.delete()


def _mask_changes(organization: Organization, sought: list[str]) -> None:
    """In what the audit log has of the organization's rows, before and after."""
    for known in sought:
        named = Q(row__contains=known) | Q(before__icontains=known) | Q(after__icontains=known)
        for change in Change.objects.filter(named, organization=organization):
            change.row = change.row.replace(known, MASK)
            change.before = {name: text.replace(known, MASK) for name, text in change.before.items()}
            change.after = {name: text.replace(known, MASK) for name, text in change.after.items()}
            change.save(update_fields=["row", "before", "after"])
