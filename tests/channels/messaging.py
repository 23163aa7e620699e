"""What the tests of Messenger and Instagram share: signed webhooks, and real ones with something wrong in
them."""

import hashlib
import hmac
import json
from typing import Any

from hypothesis import strategies as st

from hub_lambdas.http import Request

APP_ID = "111"
APP_SECRET = "app-secret"


def post(content: Any, path: str = "/messenger", secret: str = APP_SECRET) -> Request:
    """A webhook, signed by an app."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Request("POST", path, headers={"x-hub-signature-256": f"sha256={signature}"}, body=body)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn, real: list[Any], worse: st.SearchStrategy[Any] = ANY_JSON) -> Any:
    """A real webhook, with some values somewhere replaced, taken out or put in."""
    webhook = json.loads(json.dumps(draw(st.sampled_from(real))))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = webhook
        while isinstance(place, dict | list) and place:
            is_list = isinstance(place, list)
            key: Any = draw(st.integers(0, len(place) - 1) if is_list else st.sampled_from(sorted(place)))
            if isinstance(place[key], dict | list) and place[key] and draw(st.integers(0, 3)):
                place = place[key]
                continue
            if draw(st.booleans()):
                del place[key]
            else:
                place[key] = draw(worse)
            break
    return webhook
