"""What it costs each sweep to find whose staff are to be told something, while very many contacts wait.

    .venv/bin/python -m benchmarks.alerts [--organizations 200] [--waiting 20000] [--plans]

Fills a database of its own with `seed_demo`, and has the newest turn of so many conversations wait for staff
for days. Around them are five times as many hand-overs that nobody is ever told of, for they add to one that
staff know. Twice: staff know of all who wait, as in a working hub; and nobody does, as after days without a
mail server. The status is 1 where a look takes longer than the aim.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta

from benchmarks.environment import prepare

AIM_MS = 500
"""For one look: of the minute between two sweeps."""
ROUNDS = 7
MESSAGES_PER_WAIT = 16
ADDED_PER_WAIT = 5

_WAIT = """
WITH newest AS (
    SELECT DISTINCT ON (conversation_id) id, conversation_id, first_message_at
    FROM conversations_turn ORDER BY conversation_id, id DESC
), chosen AS (SELECT * FROM newest ORDER BY md5(conversation_id::text) LIMIT %(waiting)s), handed_over AS (
    UPDATE conversations_turn turn
    SET state = 'handed_over', reason = 'no_answer', settled_at = turn.last_message_at,
        staff_told_at = turn.last_message_at
    FROM chosen WHERE turn.id = chosen.id
)
UPDATE conversations_conversation conversation
SET owner = 'staff', assignee_id = NULL, waiting_since = chosen.first_message_at
FROM chosen WHERE conversation.id = chosen.conversation_id
"""
_ADD = """
UPDATE conversations_turn SET state = 'handed_over', reason = 'staff_owns', staff_told_at = NULL
WHERE id IN (
    SELECT id FROM conversations_turn WHERE state = 'answered' ORDER BY id LIMIT %(added)s
)
"""
_FORGET = """
UPDATE conversations_turn turn SET staff_told_at = NULL FROM conversations_conversation conversation
WHERE conversation.id = turn.conversation_id AND conversation.waiting_since IS NOT NULL
      AND turn.last_message_at >= conversation.waiting_since
"""


def fill(organizations: int, waiting: int) -> None:
    """All of it three days ago."""
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    call_command("migrate", verbosity=0)
    until = f"{timezone.now() - timedelta(days=3):%Y-%m-%dT%H:%M}"
    messages = MESSAGES_PER_WAIT * waiting
    call_command("seed_demo", organizations=organizations, messages=messages, until=until, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(_WAIT, {"waiting": waiting})
        cursor.execute(_ADD, {"added": ADDED_PER_WAIT * waiting})
        cursor.execute("VACUUM ANALYZE")


def took(look: Callable[[], object]) -> float:
    """Milliseconds, the median of some."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        look()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def look(name: str, with_plans: bool) -> bool:
    """Print what one look takes, whole and by what it looks for; whether that is quick enough."""
    from django.utils import timezone

    from hub_lambdas import alerts

    now = timezone.now()
    found = alerts.due(now)
    ms = took(lambda: alerts.due(now))
    print(f"{name:<28}{len(found):>14}{ms:>10.0f}")
    for part, query in (("recent", alerts.recent_turns(now)), ("old", alerts.old_turns(now))):
        organizations = query.order_by().values_list("organization", flat=True).distinct()
        print(f"  {part + ' turns':<26}{'':>14}{took(lambda: list(organizations.all())):>10.0f}")  # noqa: B023
        if with_plans:
            print(organizations.explain(analyze=True))
    return ms <= AIM_MS


def tell() -> None:
    """Print what the e-mail to the organization takes in which most wait."""
    from django.core import mail
    from django.db.models import Count

    from console.conversations.models import Conversation
    from hub_lambdas import alerts

    waiting = Conversation.objects.filter(waiting_since__isnull=False).order_by()
    counted = waiting.values_list("organization").annotate(count=Count("pk")).order_by("-count")
    organization_id, _ = counted[0]
    began = time.perf_counter()
    alerts.send(organization_id)
    ms = (time.perf_counter() - began) * 1000
    print(f"{f'one e-mail: {mail.outbox[-1].subject}':<42}{ms:>10.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--organizations", type=int, default=200)
    parser.add_argument("--waiting", type=int, default=20_000, help="contacts who wait for staff")
    parser.add_argument("--plans", action="store_true", help="how Postgres finds them")
    arguments = parser.parse_args()
    prepare()
    os.environ["DJANGO_SETTINGS_MODULE"] = "console.settings.console"
    import django
    from django.db import connection
    from django.test.utils import setup_test_environment

    django.setup()
    setup_test_environment()  # e-mails stay here
    fill(arguments.organizations, arguments.waiting)
    print(f"{'ms, median':<28}{'organizations':>14}{'look':>10}")
    is_quick = look("staff know of all", arguments.plans)
    with connection.cursor() as cursor:
        cursor.execute(_FORGET)
        cursor.execute("VACUUM ANALYZE")
    is_quick &= look("staff know of none", arguments.plans)
    tell()
    print(f"{'aim, at most':<42}{AIM_MS:>10}")
    sys.exit(0 if is_quick else 1)


if __name__ == "__main__":
    main()
