"""How often somebody may try to sign in.

Wrong passwords are counted per account and address together, so whoever guesses at an account keeps its
owner, who comes from elsewhere, from nothing; and per address, for those who try one password at many
accounts. Wrong codes of a second factor are counted per account, wherever they come from: a million codes are
soon guessed from many addresses, and whoever may enter one has the password already.
"""

from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from console.organizations.models import User
from console.signin.models import FailedAttempt

WINDOW = timedelta(minutes=15)
AT_ONE_ACCOUNT = 5
FROM_ONE_ADDRESS = 50
KEPT_FOR = timedelta(days=1)


def wait_minutes(account: str, address: str) -> int:
    """How long this account is closed to this address, in minutes; 0 where it may try."""
    here = FailedAttempt.objects.filter(address=address)
    ends = _end(_of_passwords(account, address), AT_ONE_ACCOUNT), _end(here, FROM_ONE_ADDRESS)
    return _minutes_until(max(ends))


def wait_minutes_for_code(user: User) -> int:
    """How long no code of `user` is looked at, in minutes; 0 where one may be tried."""
    return _minutes_until(_end(FailedAttempt.objects.filter(code_of=user), AT_ONE_ACCOUNT))


def failed(account: str, address: str, code_of: User | None = None) -> None:
    """Somebody could not sign in: for their password, or for a code."""
    FailedAttempt.objects.filter(at__lt=timezone.now() - KEPT_FOR).delete()
    FailedAttempt.objects.create(account=_stored(account), address=address, code_of=code_of)


def succeeded(account: str, address: str) -> None:
    """Who knows the password may mistype it again later."""
    _of_passwords(account, address).delete()


def code_was_right(user: User) -> None:
    """Who has the app may mistype again later."""
    FailedAttempt.objects.filter(code_of=user).delete()


def _of_passwords(account: str, address: str) -> QuerySet[FailedAttempt]:
    return FailedAttempt.objects.filter(account=_stored(account), address=address, code_of=None)


def _stored(account: str) -> str:
    return account.lower()[: FailedAttempt.ACCOUNT_MAX_LENGTH]


def _end(attempts: QuerySet[FailedAttempt], limit: int) -> datetime:
    """When the oldest of the attempts that use up the limit is no longer counted."""
    now = timezone.now()
    newest = list(attempts.filter(at__gt=now - WINDOW).order_by("-at").values_list("at", flat=True)[:limit])
    return newest[-1] + WINDOW if len(newest) == limit else now


def _minutes_until(end: datetime) -> int:
    return max(0, -((timezone.now() - end) // timedelta(minutes=1)))
