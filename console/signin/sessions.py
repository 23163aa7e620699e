"""Sessions as the console keeps them: in the database, each with whose it is, so that somebody sees theirs
and ends them. `SESSION_ENGINE` names this module.

What is known of a visit stands in the session itself; the table's columns repeat it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.dateparse import parse_datetime

from console.organizations.models import User
from console.signin.models import Session
from console.signin.visitor import address_of

NOTED_EVERY = timedelta(minutes=1)
"""How often a session's last visit is written down."""
_VISIT = "visit"
"""Where a session keeps where it began and was seen last."""
_USER = "_auth_user_id"  # where Django keeps who is signed in
_SALT = "console.signin.session"


class SessionStore(DatabaseStore):
    """The database's sessions, in a table of the hub's own."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row = cast("Session", super().create_model_instance(data))
        visit = data.get(_VISIT) or {}
        row.user_id = int(data[_USER]) if _USER in data else None
        row.address, row.agent = visit.get("address", ""), visit.get("agent", "")
        row.began_at, row.seen_at = _time(visit.get("began")), _time(visit.get("seen"))
        return row


class Visits:
    """Middleware behind the sign-in: notes where a session is used from, and when."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # What a page asks for by itself is no visit, and must not write over what its user has just done.
        is_poll = "HX-Request" in request.headers and "HX-Boosted" not in request.headers
        if request.user.is_authenticated and not is_poll:
            _note(request)
        return self.get_response(request)


def _note(request: HttpRequest) -> None:
    before = request.session.get(_VISIT) or {}
    now, agent = timezone.now(), request.headers.get("User-Agent", "")[: Session.AGENT_MAX_LENGTH]
    place = {"address": address_of(request), "agent": agent}
    is_new = any(before.get(name) != value for name, value in place.items())
    if is_new or now - _time(before.get("seen")) >= NOTED_EVERY:
        began = before.get("began", now.isoformat())
        request.session[_VISIT] = {**place, "began": began, "seen": now.isoformat()}


def of(user: User) -> QuerySet[Session]:
    """The sessions in which `user` is signed in, the one that was seen last first."""
    rows = Session.objects.filter(user=user, expire_date__gt=timezone.now())
    return rows.order_by("-seen_at")


def end_all(user: User, but: str | None = None) -> None:
    """Sign `user` out wherever they are signed in, but for the session with the key `but`."""
    Session.objects.filter(user=user).exclude(session_key=but or "").delete()


def end_with_password(instance: User, created: bool, **_: Any) -> None:
    """Whose password was changed is signed out; Django keeps the session in which they did that."""
    is_new_password = getattr(instance, "_password", None) is not None  # Django's own mark, until it is saved
    if is_new_password and not created:
        end_all(instance)


def end(user: User, handle: str) -> bool:
    """Sign `user` out of the session with this handle; False where there is none."""
    keys = [row.session_key for row in of(user) if handle_of(row) == handle]
    Session.objects.filter(session_key__in=keys).delete()
    return bool(keys)


def handle_of(session: Session) -> str:
    """What a page calls a session: its key, which opens it, stands on no page."""
    return salted_hmac(_SALT, session.session_key, algorithm="sha256").hexdigest()[:20]


def _time(written: str | None) -> datetime:
    return (parse_datetime(written) if written else None) or timezone.now()
