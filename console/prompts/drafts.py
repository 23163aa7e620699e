"""The draft of an organization: what its members change before it counts."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from console.organizations.models import Organization, User
from console.prompts.models import CannedPrompt, PromptVersion, live_canned


class DraftError(Exception):
    """A change that is not made; its text tells the member why."""


def draft_of(organization: Organization) -> PromptVersion | None:
    """The draft, if there is one. Of several, which a release before made, it is the newest."""
    drafts = PromptVersion.objects.filter(organization=organization, status=PromptVersion.Status.DRAFT)
    return drafts.select_related("author").order_by("-number").first()


def published_of(organization: Organization) -> PromptVersion | None:
    """The version that production asks with, if there is one."""
    published = PromptVersion.objects.filter(organization=organization, status=PromptVersion.Status.PUBLISHED)
    return published.select_related("author").first()


def current(organization: Organization) -> PromptVersion:
    """The draft; without one what it would begin with, not stored."""
    return draft_of(organization) or _begin(organization)


@transaction.atomic
def discard(organization: Organization) -> None:
    """Throw the draft away; what was published meanwhile is none."""
    Organization.objects.select_for_update().get(pk=organization.pk)
    if draft := draft_of(organization):
        draft.delete()


@contextmanager
def editing(organization: Organization, user: User) -> Iterator[PromptVersion]:
    """The draft to be changed, by one member at a time, and then stored as the work of `user`."""
    with transaction.atomic():
        Organization.objects.select_for_update().get(pk=organization.pk)
        draft = current(organization)
        yield draft
        draft.revision += 1
        draft.author, draft.edited_at = user, timezone.now()
        draft.save()


def put(draft: PromptVersion, canned: CannedPrompt) -> None:
    """Write a canned prompt into a draft: in its place, or at the end. Raises DraftError."""
    others = draft.canned
    same = canned.question.casefold()
    if any(each.question.casefold() == same for each in others if each.key != canned.key):
        raise DraftError(_("This question stands in another canned prompt already: change that one."))
    if any(each.key == canned.key for each in others):
        draft.canned = [canned if each.key == canned.key else each for each in others]
    else:
        draft.canned = [*others, canned]


def take_out(draft: PromptVersion, key: uuid.UUID) -> None:
    """Take a canned prompt out of a draft."""
    draft.canned = [each for each in draft.canned if each.key != key]


def move(draft: PromptVersion, key: uuid.UUID, steps: int) -> None:
    """Move a canned prompt by so many places; below zero is up."""
    canned = draft.canned
    place = next((number for number, each in enumerate(canned) if each.key == key), None)
    if place is not None:
        moved = canned.pop(place)
        canned.insert(max(0, place + steps), moved)
        draft.canned = canned


def find(canned: Sequence[CannedPrompt], key: uuid.UUID) -> CannedPrompt | None:
    """The canned prompt with this key."""
    return next((each for each in canned if each.key == key), None)


def restore(organization: Organization, user: User, version: PromptVersion) -> None:
    """Make the draft what a version was."""
    with editing(organization, user) as draft:
        draft.instructions, draft.canned, draft.note = version.instructions, version.canned, ""


@transaction.atomic
def publish(organization: Organization, user: User, note: str, revision: int) -> PromptVersion:
    """Make the draft what production asks with. Raises DraftError where it is not the one of `revision`,
    which the user has read."""
    Organization.objects.select_for_update().get(pk=organization.pk)
    draft = draft_of(organization)
    if draft is None:
        raise DraftError(_("There is no draft any more: somebody has published or discarded it."))
    if draft.revision != revision:
        raise DraftError(_("The draft has changed since you read it: read it again."))
    draft.author, draft.note = user, note
    draft.publish()
    return draft


def _begin(organization: Organization) -> PromptVersion:
    published = published_of(organization)
    draft = PromptVersion(organization=organization, instructions=published.instructions if published else "")
    draft.canned = live_canned(organization.pk)
    return draft
