"""What every fake platform is: an API that the hub calls, webhooks that it posts, people who write.

One file per thing: base.py the platform, webhooks.py what it posts, faults.py what goes wrong at its API,
limits.py how often it may be called, control.py the same over HTTP. How one platform signs, batches, refuses
and reports is in its own file beside this folder.
"""

from tests.fakes.platform.base import Account, FakePlatform, Line
from tests.fakes.platform.faults import ApiError, Call, Fault, Hit
from tests.fakes.platform.limits import Bucket
from tests.fakes.platform.webhooks import PUNCTUAL, Delivery, Habits, Lane, request

__all__ = [
    "PUNCTUAL",
    "Account",
    "ApiError",
    "Bucket",
    "Call",
    "Delivery",
    "FakePlatform",
    "Fault",
    "Habits",
    "Hit",
    "Lane",
    "Line",
    "request",
]
