"""An organization that leaves: nothing comes in or goes out any more, and in the end nothing of it is there.

Each part may be called again after it died in between, and goes on where it was.
"""

import errno

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import FileField, Model, Q

from console.audit.models import Change
from console.channels import connection
from console.channels.models import Channel
from console.conversations.models import DeadLetter
from console.organizations.models import Invitation, Member, Organization, User
from console.protection.batches import batches
from console.protection.models import Retirement
from console.protection.record import note_retirement
from console.protection.relations import children_first, rows_of, tenant_models
from console.signin.models import FailedAttempt
from hub_lambdas import media, queues

_LAST = (Organization, Member, Retirement)
"""What goes in one transaction at the end: until then somebody is there to watch."""


def stop(retirement: Retirement) -> None:
    """Have what comes in declined, the platforms deliver nothing, and invitations end."""
    organization = retirement.organization
    Organization.objects.filter(pk=organization.pk).update(is_active=False)
    Invitation.objects.filter(organization=organization, accepted_at=None).delete()
    for channel in organization.channels.exclude(status=Channel.Status.RETIRED):
        if problem := connection.disconnect(channel):
            retirement.problems.append(f"{channel.name}: {problem}")
            retirement.save(update_fields=["problems"])


def put_back(retirement: Retirement) -> None:
    """Let the organization go on after all. Its channels are for an admin to resume."""
    with transaction.atomic():
        Organization.objects.filter(pk=retirement.organization_id).update(is_active=True)
        retirement.delete()


def erase(retirement: Retirement) -> None:
    """Delete all that there is of the organization, batch by batch, and at last itself."""
    organization = retirement.organization
    tables = {
        model: rows_of(model, organization) for model in children_first(tenant_models()) if model not in _LAST
    }
    retirement.rows_done = 0
    retirement.rows_total = sum(rows.count() for rows in tables.values())
    retirement.save(update_fields=["rows_done", "rows_total"])
    _delete_letters_of_nobody(organization)
    for model, rows in tables.items():
        for keys in batches(rows):
            _delete(model, keys)
            retirement.rows_done += len(keys)
            retirement.save(update_fields=["rows_done"])
    _delete_folder(media.folder(organization.slug))
    _finish(retirement)


def _delete_letters_of_nobody(organization: Organization) -> None:
    """Dead letters of which nobody could say whose they are, though they name the organization or one of its
    channels."""
    named = Q(body__contains=queues.encode({"organization": organization.slug})[1:-1])
    for channel_id in organization.channels.values_list("pk", flat=True):
        named |= Q(body__contains=str(channel_id))
    DeadLetter.objects.filter(named, organization=None).delete()


@transaction.atomic
def _delete(model: type[Model], keys: list[object]) -> None:
    """Rows with their files, and what the admin site's own history says of them. Under the locks of rows that
    have files: one that is just being fetched has been stored by then, or never will be."""
    rows = model._default_manager.filter(pk__in=keys)
    for field in model._meta.concrete_fields:
        if isinstance(field, FileField):
            for name in rows.select_for_update(of=("self",)).values_list(field.name, flat=True):
                if name:
                    default_storage.delete(name)
    _forget_history(model, keys)
    rows.delete()


def _delete_folder(name: str) -> None:
    """Whatever no row knew, and on a disk the folder itself; with what somebody stores there meanwhile."""
    for looks_again in (True, True, False):
        try:
            _delete_what_is_in(name)
            default_storage.delete(name)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno == errno.ENOTEMPTY and looks_again:
                continue
            raise
        return


def _delete_what_is_in(folder: str) -> None:
    folders, files = default_storage.listdir(folder)
    for each in folders:
        _delete_folder(f"{folder}/{each}")
    for file in files:
        default_storage.delete(f"{folder}/{file}")


def _forget_history(model: type[Model], keys: list[object]) -> None:
    of_rows = {"content_type": ContentType.objects.get_for_model(model), "object_id__in": [*map(str, keys)]}
    LogEntry.objects.filter(**of_rows).delete()


@transaction.atomic
def _finish(retirement: Retirement) -> None:
    """The organization itself, and the accounts that open nothing else. What stays is a line in the audit log
    of ops."""
    organization, by = retirement.organization, retirement.requested_by
    who = by.email if by else ""
    only_here = User.objects.filter(memberships__organization=organization, is_ops=False).exclude(
        memberships__in=Member.objects.exclude(organization=organization)
    )
    accounts = list(only_here)
    _forget_history(Organization, [organization.pk])
    slug, name = organization.slug, organization.name
    organization.delete()
    _forget_accounts(accounts)
    note_retirement(slug, name, who)


def _forget_accounts(accounts: list[User]) -> None:
    emails, keys = [user.email for user in accounts], [user.pk for user in accounts]
    FailedAttempt.objects.filter(account__in=[email.lower() for email in emails]).delete()
    about = Q(user__in=keys) | Q(who__in=emails) | Q(row__in=[*emails, *map(str, accounts)])
    Change.objects.filter(about, organization=None).delete()
    _forget_history(User, [*keys])
    User.objects.filter(pk__in=keys).delete()
