"""Who uses the hub: organizations, the people who sign in, and their role in each organization."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console import tenancy
from console.organizations import languages
from console.organizations.policies import (
    BusinessHours,
    ContactFeedback,
    HandoverRules,
    Languages,
    Retention,
)


class LatePolicy(models.TextChoices):
    """What becomes of a message that reached the hub late."""

    ANSWER = "answer", _("Answer them")
    APOLOGIZE = "apologize", _("Answer them with an apology")
    HAND_OVER = "hand_over", _("Hand them over to staff")


class MediaPolicy(models.TextChoices):
    """What becomes of pictures, voice notes and other files, which the LLM cannot take."""

    HAND_OVER = "hand_over", _("Hand them over to staff")
    EXPLAIN = "explain", _("Say what the bot can read")


BUSY_LINE = "We cannot answer any more messages at the moment. Please write to us again later."
MEDIA_LINE = "I can only read text here. Please write to me what it is about."


class UnknownDelivery(models.TextChoices):
    """What to do where nobody can say whether an answer has arrived."""

    HAND_OVER = "hand_over", _("Rather hand over to staff")
    SEND_AGAIN = "send_again", _("Rather send it twice")


class Organization(Languages, BusinessHours, HandoverRules, ContactFeedback, Retention, models.Model):
    """A tenant. Everything below it is seen only by its members."""

    organization_lookup: ClassVar[str] = "pk"

    slug = models.SlugField(unique=True, help_text=_("Short name used in files, commands and queues."))
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("A retired organization's messages are stored and declined.")
    )
    burst_window_seconds = models.FloatField(
        default=1.0,
        # Below the 4 s after which a contact gets the holding line.
        validators=[MinValueValidator(0.0), MaxValueValidator(3.0)],
        help_text=_("Messages that follow each other within this time get one answer together."),
    )
    handover_after_seconds = models.PositiveIntegerField(
        _("hand over after (seconds)"),
        default=60,
        validators=[MinValueValidator(10), MaxValueValidator(600)],
        help_text=_("A turn without an answer by then goes to staff."),
    )
    return_to_bot_after_minutes = models.PositiveIntegerField(
        _("return to the bot after (minutes)"),
        null=True,
        blank=True,
        default=720,
        validators=[MinValueValidator(1)],
        help_text=_(
            "After so long without a word of staff a conversation goes back to the bot or, where the "
            "contact waits, from its member to all. Empty: never by itself."
        ),
    )
    holding_line = models.CharField(
        max_length=500,
        blank=True,
        default="One moment please, I am looking into it.",
        help_text=_("Sent after 4 seconds without an answer. Empty: nothing is sent."),
    )
    fallback = models.CharField(
        max_length=500,
        default="Thank you for your message. A colleague will answer you here as soon as possible.",
        help_text=_("What the contact is told when a conversation is handed over to staff."),
    )
    late_after_minutes = models.PositiveIntegerField(
        _("late after (minutes)"),
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(10080)],
        help_text=_(
            "A message that reaches the hub so long after it was written is late, as after an outage."
        ),
    )
    late_policy = models.CharField(
        _("late messages"), max_length=9, choices=LatePolicy.choices, default=LatePolicy.APOLOGIZE
    )
    apology = models.CharField(
        max_length=500,
        default="Sorry for the late answer.",
        help_text=_("Put in front of the answer to a late message."),
    )
    media_policy = models.CharField(
        _("pictures, voice notes and files"),
        max_length=9,
        choices=MediaPolicy.choices,
        default=MediaPolicy.HAND_OVER,
        db_default=MediaPolicy.HAND_OVER,
    )
    media_line = models.CharField(
        max_length=500,
        default=MEDIA_LINE,
        db_default=MEDIA_LINE,
        help_text=_(
            "What a contact is told who sent files without a word. With words, the LLM answers those."
        ),
    )
    unknown_delivery = models.CharField(
        _("when a platform does not say whether it took an answer"),
        max_length=10,
        choices=UnknownDelivery.choices,
        default=UnknownDelivery.HAND_OVER,
        help_text=_("Only where the platform does not report it later either."),
    )
    contact_messages_per_minute = models.PositiveIntegerField(
        _("messages a minute, per contact"),
        null=True,
        blank=True,
        default=20,
        validators=[MinValueValidator(1)],
    )
    contact_answers_per_day = models.PositiveIntegerField(
        _("answers a day, per contact"), null=True, blank=True, default=200, validators=[MinValueValidator(1)]
    )
    turns_per_minute = models.PositiveIntegerField(
        _("turns a minute, in all"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    answers_per_day = models.PositiveIntegerField(
        _("answers a day, in all"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    limit_line = models.CharField(
        max_length=500,
        blank=True,
        default="You have sent many messages in a short time. Please try again later.",
        help_text=_("What a contact over their own limit is told, once a day. Empty: nothing is sent."),
    )
    busy_line = models.CharField(
        max_length=500,
        blank=True,
        default=BUSY_LINE,
        db_default=BUSY_LINE,
        help_text=_(
            "What they are told where all contacts together are over a limit. Empty: nothing is sent."
        ),
    )
    prompts_changed_at = models.DateTimeField(
        null=True, editable=False, help_text="When its prompt or a canned prompt was changed last."
    )
    prompts_read_at = models.DateTimeField(
        null=True, editable=False, help_text="When the LLM was last given them to read before a contact asks."
    )
    max_answer_tokens = models.PositiveIntegerField(
        default=160,
        validators=[MinValueValidator(16), MaxValueValidator(1024)],
        help_text=_("The longest answer the LLM may write, in tokens."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def missing_texts(self) -> dict[str, list[str]]:
        """What contacts are told that a further language has no translation of, by language."""
        there = set(self.translations.values_list("language", "purpose"))
        used = [purpose for purpose in Translation.Purpose if getattr(self, purpose)]
        return {
            language: [str(purpose.label) for purpose in used if (language, purpose.value) not in there]
            for language in self.other_languages
        }

    def text(self, purpose: "Translation.Purpose", language: str) -> str:
        """What a contact is told, in their language ("de", "pt-BR") where that is offered and has a
        translation, else in the organization's own."""
        return self.said(purpose, language)[1]

    def said(self, purpose: "Translation.Purpose", language: str) -> tuple[str, str]:
        """The same behind the language that it is in."""
        own: str = getattr(self, purpose)
        if not own or not language or not self.other_languages:
            return self.language, own
        found = dict(self.translations.filter(purpose=purpose).values_list("language", "text"))
        best = languages.best(language, [each for each in self.other_languages if each in found])
        return (best, found[best]) if best else (self.language, own)


class Translation(models.Model):
    """One of an organization's texts in another language."""

    organization_lookup: ClassVar[str] = "organization"

    class Purpose(models.TextChoices):
        HOLDING_LINE = "holding_line", _("Holding line")
        FALLBACK = "fallback", _("Fallback")
        APOLOGY = "apology", _("Apology")
        LIMIT_LINE = "limit_line", _("Limit line")
        BUSY_LINE = "busy_line", _("Busy line")
        MEDIA_LINE = "media_line", _("Media line")
        AWAY_TEXT = "away_text", _("Away text")

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="translations")
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    language = models.CharField(
        max_length=35,
        validators=[languages.validate],
        help_text=_("As the platforms write it in lower case: de, pt-br."),
    )
    text = models.CharField(max_length=500)

    class Meta:
        ordering = ["purpose", "language"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "purpose", "language"], name="one_translation_per_language"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} ({self.language})"

    def clean(self) -> None:
        if self.language and self.language not in self.organization.other_languages:
            offer = gettext("Offer %(language)s first: it is none of the organization's further languages.")
            raise ValidationError({"language": offer % {"language": self.language}})


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """What `manage.py createsuperuser` makes: ops."""
        return self.create_user(email, password, is_ops=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """A person who signs in to the console. What they may do follows from membership and from `is_ops`."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_ops = models.BooleanField(
        _("ops"),
        default=False,
        help_text=_("Platform staff: every organization's health, but no message text."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    language = models.CharField(
        max_length=10,
        blank=True,
        default="",
        db_default="",
        help_text="Of pages and e-mails, one of LANGUAGES. Empty until the first sign-in.",
    )
    time_zone = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text='What times are written in: "Europe/Madrid". Empty: as the browser says.',
    )
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    chosen_organization: int | None = None
    """Of which organization this session's lists and numbers are, by primary key; None: of all of theirs."""
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """What the console calls them."""
        return self.name

    @cached_property
    def roles(self) -> dict[int, str]:
        """Their role in each organization that they are a member of, by its primary key. Read once, as a page
        asks many times; each request reads the user anew."""
        return dict(self.memberships.values_list("organization", "role"))

    @property
    def is_staff(self) -> bool:
        """May sign in to the admin site: anybody who has a role anywhere."""
        return self.is_ops or bool(self.roles)

    def has_perm(self, permission: str, obj: models.Model | None = None) -> bool:
        return tenancy.has_permission(self, permission, obj)

    def has_perms(self, permissions: list[str], obj: models.Model | None = None) -> bool:
        return all(self.has_perm(permission, obj) for permission in permissions)

    def has_module_perms(self, app_label: str) -> bool:
        return tenancy.has_module_permission(self, app_label)


class Member(models.Model):
    """A user's role in one organization."""

    organization_lookup: ClassVar[str] = "organization"

    class Role(models.TextChoices):
        ADMIN = "admin", _("Admin")
        AGENT = "agent", _("Agent")

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.AGENT)
    gets_alerts = models.BooleanField(
        _("gets e-mails"),
        default=True,
        help_text=_("When a conversation waits for staff or a channel breaks."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["organization", "user"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_role_per_member"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"


class Invitation(models.Model):
    """Somebody was asked by e-mail to become a member. The last e-mail's link is good once, for a week."""

    organization_lookup: ClassVar[str] = "organization"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(_("e-mail address"))
    role = models.CharField(max_length=10, choices=Member.Role.choices, default=Member.Role.AGENT)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "email"],
                condition=models.Q(accepted_at__isnull=True),
                name="one_invitation_per_address",
                violation_error_message=_("This person is invited already: send the invitation again."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} · {self.get_role_display()}"
