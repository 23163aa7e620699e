"""Where a request comes from."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from django.http import HttpRequest

from console.signin.models import FailedAttempt


def address_of(request: HttpRequest) -> str:
    """The visitor's IP address; empty where nobody knows it.

    On AWS it is the one that API Gateway has seen. Zappa's REMOTE_ADDR is not: it comes out of
    X-Forwarded-For, which a visitor may send too.
    """
    event = request.META.get("lambda.event")
    claimed = request.META.get("REMOTE_ADDR", "") if event is None else _seen_by_gateway(event)
    try:
        return str(ip_address(claimed))[: FailedAttempt.ADDRESS_MAX_LENGTH]
    except ValueError:
        return ""


def _seen_by_gateway(event: Mapping[str, Any]) -> str:
    """The caller of an HTTP API (payload 2.0), or of a REST API (1.0)."""
    context = event.get("requestContext") or {}
    caller = context.get("http") or context.get("identity") or {}
    return str(caller.get("sourceIp", ""))
