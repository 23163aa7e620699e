"""Writes the audit log: what is saved or deleted while a request of somebody signed in is at work.

It stands on the models' signals, so no page has to remember it. What the hub does by itself has no request
and is not in it; `update()` of a query sends no signal, so what people change is saved row by row.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db.models import Field, Model
from django.db.models.signals import post_delete, post_save, pre_save
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from console.audit.models import Change
from console.channels.models import Channel
from console.conversations.models import Export
from console.deployments.models import Deploy
from console.organizations.models import Invitation, Member, Organization, Translation, User
from console.prompts.models import PromptVersion
from console.protection.models import Erasure, Retirement
from console.signin.models import SecondFactor
from console.tenancy import organization_id_of
from console.workshop.models import Case

AUDITED = (
    Organization, Translation, Member, Invitation, User, SecondFactor, Channel, PromptVersion, Case, Export,
    Erasure, Retirement, Deploy,
)  # fmt: skip
SECRETS = frozenset({"password", "credentials", "secret", "recovery_digests"})
MASK = "•••"
HUB = "channels-hub"
"""Who did what the hub does by itself, as it stands in the log."""
VALUE_MAX_LENGTH = 2000
_IGNORED = frozenset(
    {"id", "created_at", "last_login", "prompts_changed_at", "prompts_read_at", "checked_at", "health"}
    | {"last_step", "rows_done", "rows_total", "progressed_at", "sought"}
    | {"steps", "seen_at", "lease"}
    | {"canned_prompts", "revision", "edited_at"}
)
_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)
_doer: ContextVar[User | None] = ContextVar("doer", default=None)


class Recording:
    """Middleware behind the sign-in: what is changed in a request is its user's doing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with _at_work(request):
            return self.get_response(request)


@contextmanager
def _at_work(request: HttpRequest) -> Iterator[None]:
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


@contextmanager
def done_by(user: User) -> Iterator[None]:
    """What is changed here is the doing of `user`, whoever is signed in: nobody yet, as they join."""
    token = _doer.set(user)
    try:
        yield
    finally:
        _doer.reset(token)


def start() -> None:
    """Listen to every audited model."""
    for model in AUDITED:
        pre_save.connect(_remember, sender=model)
        post_save.connect(_saved, sender=model)
        post_delete.connect(_deleted, sender=model)


def audited_fields(model: "type[Model]") -> "list[Field[Any, Any]]":
    """Those whose changes are written down."""
    return [field for field in model._meta.concrete_fields if field.name not in _IGNORED]


def _user() -> User | None:
    request = _request.get()
    user: Any = _doer.get() or getattr(request, "user", None)
    return user if user is not None and user.is_authenticated else None


def _remember(sender: type[Model], instance: Any, **_: Any) -> None:
    if _user() is None:
        return
    stored = sender._default_manager.filter(pk=instance.pk).first() if instance.pk else None
    instance._as_stored = _values(stored) if stored else {}


def _saved(sender: type[Model], instance: Any, created: bool, **_: Any) -> None:
    before, after = instance.__dict__.pop("_as_stored", {}), _values(instance)
    if not created:
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        before, after = _only(before, changed), _only(after, changed)
    if before or after:
        _record(Change.Action.ADDED if created else Change.Action.CHANGED, instance, before, after)


def _deleted(sender: type[Model], instance: Any, **_: Any) -> None:
    _record(Change.Action.REMOVED, instance, _values(instance), {})


def _record(action: str, instance: Any, before: dict[str, str], after: dict[str, str]) -> None:
    user = _user()
    if user is None:
        return
    with translation.override(None):  # it is read in other languages, too
        thing, row = str(instance._meta.verbose_name), str(instance)[:200]
    for organization_id in _logs(instance, user):
        Change.objects.create(
            organization_id=organization_id,
            user=user,
            who=user.email,
            action=action,
            thing=thing,
            row=row,
            row_key=str(instance.pk),
            before=_masked(before),
            after=_masked(after),
        )


def _logs(instance: Any, user: User) -> list[Any]:
    """The organizations, by primary key, whose admins see what `user` does to a row; None: ops see it. What
    is done to somebody else's account or second factor is seen wherever they are a member."""
    if hasattr(instance, "organization_lookup"):
        return [organization_id_of(instance)]
    account = getattr(instance, "user", instance)
    is_of_another = isinstance(account, User) and account != user
    return [None, *account.roles] if is_of_another else [None]


def _values(instance: Model) -> dict[str, str]:
    """Its fields, and the parts that it names itself, as text. A secret is compared by this, and masked
    before it is stored."""
    fields = audited_fields(type(instance))
    parts: dict[str, str] = instance.audited_parts() if hasattr(instance, "audited_parts") else {}
    return {field.name: _text(getattr(instance, field.attname)) for field in fields} | parts


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _only(values: dict[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name in names}


def _masked(values: dict[str, str]) -> dict[str, str]:
    return {
        name: MASK if name in SECRETS and value else value[:VALUE_MAX_LENGTH]
        for name, value in values.items()
    }
