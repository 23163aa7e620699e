"""Who uses the hub: organizations, the people who sign in, and their role in each organization."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from console import tenancy


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
    fallback = models.CharField(
        max_length=500,
        default="Thank you for your message. A colleague will answer you here as soon as possible.",
        help_text="What the contact is told when a conversation is handed over to staff.",
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
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["organization", "user"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_role_per_member"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"
