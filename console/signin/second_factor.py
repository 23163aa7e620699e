"""Codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when it is lost.

A code is good for its own 30 s and those before and after it, and once; a recovery code is good once.
"""

import secrets
from datetime import datetime
from hmac import compare_digest

import pyotp
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from console.organizations.models import User
from console.signin.models import SecondFactor

SESSION_KEY = "second_factor"
"""Where a session keeps who has shown a code in it, by primary key."""
STEP_SECONDS = 30
RECOVERY_CODES = 10
_SALT = "console.signin.recovery"


def is_set_up(user: User) -> bool:
    """Whether `user` has an app that has shown a right code."""
    return SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).exists()


def is_required(user: User) -> bool:
    """Whether `user` may do nothing without one."""
    return settings.SECOND_FACTOR == "all" or (settings.SECOND_FACTOR == "ops" and user.is_ops)


def begin(user: User) -> SecondFactor:
    """The factor that is being set up: the same one until it is confirmed."""
    new = {"secret": {"base32": pyotp.random_base32()}}
    return SecondFactor.objects.get_or_create(user=user, defaults=new)[0]


def address(factor: SecondFactor) -> str:
    """What the app reads from the QR code."""
    totp = pyotp.TOTP(factor.secret["base32"])
    return totp.provisioning_uri(name=factor.user.email, issuer_name="channels-hub")


@transaction.atomic
def confirm(user: User, code: str) -> list[str]:
    """Make the factor count, if `code` is right; the recovery codes, which are shown this once."""
    factor = SecondFactor.objects.select_for_update().get(user=user, confirmed_at__isnull=True)
    if not _take_step(factor, code):
        return []
    codes = [secrets.token_hex(5) for _ in range(RECOVERY_CODES)]
    factor.confirmed_at, factor.recovery_digests = timezone.now(), [_digest(each) for each in codes]
    factor.save()
    return codes


@transaction.atomic
def check(user: User, code: str) -> bool:
    """Whether `code` is right, of the app or a recovery code. It is used up by that."""
    factor = SecondFactor.objects.select_for_update().get(user=user, confirmed_at__isnull=False)
    digest = _digest(code.strip().lower())
    if digest in factor.recovery_digests:
        factor.recovery_digests.remove(digest)
    elif not _take_step(factor, code):
        return False
    factor.save()
    return True


def pass_session(request: HttpRequest, user: User) -> None:
    """This session has shown a code. It gets a new key, as after a sign-in."""
    request.session.cycle_key()
    request.session[SESSION_KEY] = user.pk


def _take_step(factor: SecondFactor, code: str) -> bool:
    totp, now = pyotp.TOTP(factor.secret["base32"]), int(_now().timestamp()) // STEP_SECONDS
    shown = code.replace(" ", "").encode()
    for step in (now - 1, now, now + 1):
        if step > factor.last_step and compare_digest(totp.generate_otp(step).encode(), shown):
            factor.last_step = step
            return True
    return False


def _now() -> datetime:
    return timezone.now()


def _digest(code: str) -> str:
    return salted_hmac(_SALT, code, algorithm="sha256").hexdigest()
