"""What signing in leaves behind."""

from typing import TYPE_CHECKING, ClassVar

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from console.encryption import EncryptedJSONField
from console.organizations.models import User

if TYPE_CHECKING:
    from console.signin.sessions import SessionStore


class FailedAttempt(models.Model):
    """Somebody tried to sign in and could not. Kept for a day."""

    ACCOUNT_MAX_LENGTH: ClassVar[int] = 254
    ADDRESS_MAX_LENGTH: ClassVar[int] = 45

    account = models.CharField(
        max_length=ACCOUNT_MAX_LENGTH, help_text="The e-mail address that was entered, in lower case."
    )
    address = models.CharField(max_length=ADDRESS_MAX_LENGTH, help_text="Where from; empty: unknown.")
    code_of = models.ForeignKey(
        User,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        help_text="Whose code was wrong. None: it was the password.",
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["address", "at"], name="attempts_by_address"),
            models.Index(fields=["at"], name="attempts_by_time"),
        ]


class Session(AbstractBaseSession):
    """A browser, and who is signed in there: `console.signin.sessions` writes and reads it."""

    AGENT_MAX_LENGTH: ClassVar[int] = 300

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    address = models.CharField(max_length=FailedAttempt.ADDRESS_MAX_LENGTH, blank=True)
    agent = models.CharField(
        max_length=AGENT_MAX_LENGTH, blank=True, help_text="What the browser says it is."
    )
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    @classmethod
    def get_session_store_class(cls) -> "type[SessionStore]":
        from console.signin.sessions import SessionStore  # which stands on this model

        return SessionStore


class SecondFactor(models.Model):
    """An authenticator app of somebody who signs in; it counts once it has shown a right code."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="second_factor")
    secret = EncryptedJSONField(help_text='{"base32": what the app shares with the hub}')
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0, help_text="The 30 s of the newest code that was used.")
    recovery_digests = models.JSONField(default=list, help_text="Of the recovery codes that are left.")

    def __str__(self) -> str:
        return self.user.email
