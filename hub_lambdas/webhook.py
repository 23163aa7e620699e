"""HTTP from the platforms and from the web chat → dm-inbound.fifo.

`/<kind>/<channel id>` is a channel's webhook address, and what lies below it is the kind's own. `/<kind>` is
the address of the hub's own app at a platform, which serves the channels of all organizations. The answer
says 2xx only when everything in the request is queued: on anything else the platform sends it again.
"""

import hub_lambdas.runtime  # noqa: F401, I001 - starts Django before any model is imported

import hashlib
import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from console.channels.models import Channel
from hub_lambdas import inbox, newcomers
from hub_lambdas.accounts import account
from hub_lambdas.addressing import addressed
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import Account, Inbound, Kind, SignatureError, Unread
from hub_lambdas.contact_view import LedgerView
from hub_lambdas.faults import describe
from hub_lambdas.http import BadRequest, Request, Response, event_from_response, request_from_event
from hub_lambdas.queues import QueueError

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 3_000_000
"""Meta's limit for one webhook, the largest of all kinds."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer one HTTP request."""
    close_old_connections()
    return event_from_response(respond(request_from_event(event)))


def respond(request: Request) -> Response:
    """The response to a request, errors included."""
    try:
        return _route(request)
    except BadRequest as error:
        return Response.of_error(error)
    except SignatureError as error:
        log.warning("rejected %s %s: %s", request.method, request.path, error)
        return Response.of_json({"error": "The request is not signed by the platform."}, 401)
    except (DatabaseError, QueueError, BotoCoreError, ClientError) as error:
        log.error("cannot take %s %s now", request.method, request.path, exc_info=error)
        return Response.of_json({"error": "Try again later."}, 503, {"retry-after": "5"})


def _route(request: Request) -> Response:
    if request.path == "/healthz":
        return _report_health()
    name, channel_id, subpath = _split(request.path)
    if len(request.body) > MAX_BODY_BYTES:
        raise BadRequest(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
    kind = KINDS[name]
    channel = Channel.objects.filter(pk=channel_id, kind=name).first() if channel_id else None
    its_account = account(channel) if channel else None if channel_id else kind.shared_account()
    if its_account is None:
        raise BadRequest(404, "There is no such channel.")
    try:
        if request.method != "POST":
            return kind.serve(request, its_account, subpath, LedgerView(its_account.channel_id))
        if subpath:
            raise BadRequest(404, "There is nothing here to post to.")
        return _take(request, kind, its_account, channel)
    except BadRequest as error:
        return kind.refuse(request, its_account, error)


def _take(request: Request, kind: Kind, its_account: Account, channel: Channel | None) -> Response:
    kind.verify(request, its_account)
    parsed, now = _parse(kind, request, its_account), timezone.now()
    if kind.admits_anybody:
        newcomers.admit(its_account.channel_id, parsed, request.source_ip, now)
    inbox.queue(now, addressed(request, kind, channel, parsed))
    return kind.acknowledge(request, its_account)


def _report_health() -> Response:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Response.of_json({"status": "ok"})


def _split(path: str) -> tuple[str, uuid.UUID | None, str]:
    """("telegram", channel id, rest) of "/telegram/<channel id>/rest", without an id of "/whatsapp";
    BadRequest 404 for anything else."""
    name, _, rest = path.strip("/").partition("/")
    channel_id, _, subpath = rest.partition("/")
    try:
        if name not in KINDS:
            raise ValueError
        return name, uuid.UUID(channel_id) if channel_id else None, subpath
    except ValueError:
        raise BadRequest(404, "There is no such channel.") from None


def _parse(kind: Kind, request: Request, its_account: Account) -> Sequence[Inbound]:
    """What the kind reads in a verified webhook. A shape that it stumbles over is queued whole: a platform
    takes an error for a reason to send the same again, and to hold back everything behind it."""
    try:
        return kind.parse(request, its_account)
    except BadRequest:
        raise
    except Exception as error:
        log.error("a %s webhook of channel %s: %s", kind.name, its_account.channel_id, describe(error))
        digest = hashlib.sha256(request.body).hexdigest()
        return [Unread(f"unread:{digest}", request.body.decode("utf-8", "replace"))]
