"""What the page shows of a call and of a webhook."""

import json
import time
from urllib.parse import urlencode

from tests.fakes.platform import Call, Delivery
from tests.fakes.server import Answer, Request
from tests.fakes.simulator.platforms.base import Carried, Simulated
from tests.fakes.simulator.wire import Packet

DULL_HEADERS = ("host", "accept-encoding", "user-agent", "content-length", "connection")
MAX_DETAIL = 120
"""Characters of a text, beside the name of a packet."""
MAX_BODY_CHARACTERS = 20_000
HIDDEN = "…"


def of_webhook(account: str, carried: Carried, delivery: Delivery, fault: str) -> Packet:
    """A webhook that was posted."""
    return Packet(
        direction="webhook",
        account=account,
        title=carried.title,
        method="POST",
        url=delivery.url,
        headers=delivery.headers,
        body=readable(delivery.body),
        status=delivery.status,
        answer=readable(delivery.answer),
        milliseconds=round((delivery.ended - delivery.began) * 1000),
        at=delivery.began,
        detail=carried.text[:MAX_DETAIL],
        count=carried.count,
        fault=fault,
    )


def of_call(
    platform: Simulated,
    account: str,
    call: Call,
    request: Request,
    answer: Answer | None,
    fault: str,
    began: float,
) -> Packet:
    """A call that was answered now. Where it is for no account of the simulator's, its token may be a real
    one: it is not shown."""
    url = f"{platform.base}{request.path}{'?' if request.query else ''}{urlencode(request.query)}"
    headers = {name: value for name, value in request.headers.items() if name not in DULL_HEADERS}
    if not account:
        for token in filter(None, (call.token, str(call.parameters.get("input_token", "")))):
            url = url.replace(token, HIDDEN)
        headers |= {"authorization": HIDDEN} if "authorization" in headers else {}
    return Packet(
        direction="call",
        account=account,
        title=platform.title_of(call),
        method=request.method,
        url=url,
        headers=headers,
        body=readable(request.body),
        status=answer.status if answer else 0,
        answer=readable(answer.body) if answer else "",
        milliseconds=round((time.time() - began) * 1000),
        at=began,
        detail=platform.text_of(call)[:MAX_DETAIL],
        fault=fault,
    )


def readable(body: str | bytes) -> str:
    """A body as it can be shown: JSON is indented, what is no text is named."""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    try:
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        if "\N{REPLACEMENT CHARACTER}" in text:
            return f"({len(body)} bytes)"
    return text if len(text) <= MAX_BODY_CHARACTERS else f"{text[:MAX_BODY_CHARACTERS]}\n… (cut)"
