"""Whose turns a page of the proof is about, and who may see what of them.

Numbers are for members and ops. A contact's name, and the way to a conversation, are for those who may read
the organization's conversations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from console import tenancy
from console.channels.models import Channel
from console.conversations.models import DeadLetter
from console.conversations.report import Scope
from console.organizations.models import Organization, User
from console.proof.selection import Selection


def address(view: str, slug: str = "") -> str:
    """The address of a page ("page", "turns", "csv") about the organization `slug`, without it about all."""
    return (
        reverse(f"admin:proof_organization_{view}", args=[slug]) if slug else reverse(f"admin:proof_{view}")
    )


@dataclass(frozen=True)
class Subject:
    """One organization, or all that the user sees (slug "")."""

    user: User
    slug: str = ""

    @cached_property
    def organizations(self) -> list[Organization]:
        """Those whose numbers the user may see; none where there is no such organization for them."""
        if not self.slug:
            return list(tenancy.in_view(self.user, "proof.view_numbers"))
        return list(tenancy.organizations_with(self.user, "proof.view_numbers").filter(slug=self.slug))

    @cached_property
    def readable(self) -> set[int]:
        """Those whose conversations they may read, by primary key."""
        readable = tenancy.organizations_with(self.user, "conversations.view_conversation")
        return set(readable.values_list("pk", flat=True))

    @property
    def name(self) -> str:
        """What the page is called."""
        if self.slug:
            return self.organizations[0].name
        return _("All organizations") if self.user.is_ops else _("Your organizations")

    @property
    def limit(self) -> str:
        """How long a turn may be open, in words."""
        limits = {organization.handover_after_seconds for organization in self.organizations}
        if len(limits) != 1:
            return _("its organization's limit")
        return _("the limit of %(seconds)s\N{NO-BREAK SPACE}s") % {"seconds": limits.pop()}

    @cached_property
    def channels(self) -> QuerySet[Channel]:
        """The channels to choose from: those of one organization."""
        chosen_from = Channel.objects.filter(organization__in=self.organizations if self.slug else [])
        return chosen_from.only("name", "organization")

    def scope(self, selection: Selection) -> Scope:
        """The selected turns."""
        ids = [organization.pk for organization in self.organizations]
        return selection.scope(ids, is_platform=self.user.is_ops and not self.slug)

    def link(self, selection: Selection) -> Callable[..., str]:
        """Addresses of lists of the selected turns."""
        turns = f"{address('turns', self.slug)}?{selection.frozen_query()}"
        return lambda **more: f"{turns}&{urlencode(more)}" if more else turns

    def dead_letters_url(self, selection: Selection) -> str:
        """The dead letters that wait, for those who may see them all; for others, the turns behind them."""
        seen = tenancy.organizations_with(self.user, "conversations.view_deadletter")
        if not set(self.organizations) <= set(seen):
            return self.link(selection)(which="dead_lettered")
        query = {"state__exact": str(DeadLetter.State.WAITING)}
        if self.slug:
            query["organization"] = self.slug
        return f"{reverse('admin:conversations_deadletter_changelist')}?{urlencode(query)}"
