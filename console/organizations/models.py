"""Who uses the hub: organizations, the people who sign in, and their role in each organization."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from console import tenancy


class LatePolicy(models.TextChoices):
    """What becomes of a message that reached the hub late."""

    ANSWER = "answer", "Answer them"
    APOLOGIZE = "apologize", "Answer them with an apology"
    HAND_OVER = "hand_over", "Hand them over to staff"


class MediaPolicy(models.TextChoices):
    """What becomes of pictures, voice notes and other files, which the LLM cannot take."""

    HAND_OVER = "hand_over", "Hand them over to staff"
    EXPLAIN = "explain", "Say what the bot can read"


MEDIA_LINE = "I can only read text here. Please write to me what it is about."


class UnknownDelivery(models.TextChoices):
    """What to do where nobody can say whether an answer has arrived."""

    HAND_OVER = "hand_over", "Rather hand over to staff"
    SEND_AGAIN = "send_again", "Rather send it twice"


class Organization(models.Model):
    """A tenant. Everything below it is seen only by its members."""

    organization_lookup: ClassVar[str] = "pk"

    slug = models.SlugField(unique=True, help_text="Short name used in files, commands and queues.")
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(
        "active", default=True, help_text="A retired organization's messages are stored and declined."
    )
    burst_window_seconds = models.FloatField(
        default=1.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(30.0)],
        help_text="Messages that follow each other within this time get one answer together.",
    )
    handover_after_seconds = models.PositiveIntegerField(
        "hand over after (seconds)",
        default=60,
        validators=[MinValueValidator(10), MaxValueValidator(600)],
        help_text="A turn without an answer by then goes to staff.",
    )
    return_to_bot_after_minutes = models.PositiveIntegerField(
        "return to the bot after (minutes)",
        null=True,
        blank=True,
        default=720,
        validators=[MinValueValidator(1)],
        help_text="A conversation that staff have answered goes back to the bot when nobody has written for "
        "this long. Empty: only by the button.",
    )
    holding_line = models.CharField(
        max_length=500,
        blank=True,
        default="One moment please, I am looking into it.",
        help_text="Sent after 4 seconds without an answer. Empty: nothing is sent.",
    )
    fallback = models.CharField(
        max_length=500,
        default="Thank you for your message. A colleague will answer you here as soon as possible.",
        help_text="What the contact is told when a conversation is handed over to staff.",
    )
    late_after_minutes = models.PositiveIntegerField(
        "late after (minutes)",
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(10080)],
        help_text="A message that reaches the hub so long after it was written is late, as after an outage.",
    )
    late_policy = models.CharField(
        "late messages", max_length=9, choices=LatePolicy.choices, default=LatePolicy.APOLOGIZE
    )
    apology = models.CharField(
        max_length=500,
        default="Sorry for the late answer.",
        help_text="Put in front of the answer to a late message.",
    )
    media_policy = models.CharField(
        "pictures, voice notes and files",
        max_length=9,
        choices=MediaPolicy.choices,
        default=MediaPolicy.HAND_OVER,
        db_default=MediaPolicy.HAND_OVER,
    )
    media_line = models.CharField(
        max_length=500,
        default=MEDIA_LINE,
        db_default=MEDIA_LINE,
        help_text="What a contact is told who sent files without a word. With words, the LLM answers those.",
    )
    unknown_delivery = models.CharField(
        "when a platform does not say whether it took an answer",
        max_length=10,
        choices=UnknownDelivery.choices,
        default=UnknownDelivery.HAND_OVER,
        help_text="Only where the platform does not report it later either.",
    )
    contact_messages_per_minute = models.PositiveIntegerField(
        "messages a minute, per contact", null=True, blank=True, default=20, validators=[MinValueValidator(1)]
    )
    contact_answers_per_day = models.PositiveIntegerField(
        "answers a day, per contact", null=True, blank=True, default=200, validators=[MinValueValidator(1)]
    )
    turns_per_minute = models.PositiveIntegerField(
        "turns a minute, in all", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    answers_per_day = models.PositiveIntegerField(
        "answers a day, in all", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    limit_line = models.CharField(
        max_length=500,
        blank=True,
        default="You have sent many messages in a short time. Please try again later.",
        help_text="What a contact over a limit is told, once a day. Empty: nothing is sent.",
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
        help_text="The longest answer the LLM may write, in tokens.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def text(self, purpose: "Translation.Purpose", language: str) -> str:
        """What a contact is told, in their language ("de", "pt-BR") where there is a translation, else in the
        organization's own. A dialect without a translation gets its language's."""
        own: str = getattr(self, purpose)
        if not own or not language:
            return own
        wanted = language.lower().replace("_", "-")
        found = dict(self.translations.filter(purpose=purpose).values_list("language", "text"))
        return found.get(wanted) or found.get(wanted.partition("-")[0]) or own


class Translation(models.Model):
    """One of an organization's texts in another language."""

    organization_lookup: ClassVar[str] = "organization"

    class Purpose(models.TextChoices):
        HOLDING_LINE = "holding_line", "Holding line"
        FALLBACK = "fallback", "Fallback"
        APOLOGY = "apology", "Apology"
        LIMIT_LINE = "limit_line", "Limit line"
        MEDIA_LINE = "media_line", "Media line"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="translations")
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    language = models.CharField(
        max_length=35,
        validators=[RegexValidator(r"^[a-z]{2,3}(-[a-z0-9]{2,8})*$", "Write a language as de or pt-br.")],
        help_text="As the platforms write it in lower case: de, pt-br.",
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
        "ops", default=False, help_text="Platform staff: every organization's health, but no message text."
    )
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """What the console calls them."""
        return self.name

    @property
    def is_staff(self) -> bool:
        """May sign in to the admin site: anybody who has a role anywhere."""
        return self.is_ops or self.memberships.exists()

    def has_perm(self, permission: str, obj: models.Model | None = None) -> bool:
        return self.is_active and tenancy.has_permission(self, permission, obj)

    def has_perms(self, permissions: list[str], obj: models.Model | None = None) -> bool:
        return all(self.has_perm(permission, obj) for permission in permissions)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and tenancy.has_module_permission(self, app_label)


class Member(models.Model):
    """A user's role in one organization."""

    organization_lookup: ClassVar[str] = "organization"

    class Role(models.TextChoices):
        ADMIN = "admin", "Admin"
        AGENT = "agent", "Agent"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.AGENT)
    gets_alerts = models.BooleanField(
        "gets e-mails", default=True, help_text="When a conversation waits for staff or a channel breaks."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["organization", "user"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_role_per_member"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"
