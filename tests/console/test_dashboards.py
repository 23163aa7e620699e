"""Dashboards as people see them: made-up turns, counted by the sweep's step, as figures, charts and CSV."""

import csv
import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from console.conversations.models import Turn
from console.dashboards import tables, tallying, times
from console.dashboards.figures import Figures
from console.dashboards.models import Tally
from console.dashboards.periods import PERIODS
from console.organizations.models import Member, User
from tests import factories
from tests.console.conftest import World, body, signed_in

PAGE = "/dashboard/organization/zebra-clinic/"
NOON = datetime(2026, 11, 27, 12, 10, tzinfo=UTC)
"""A Friday."""


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOON)


def count_all() -> int:
    """What the sweep does until nothing is left to count."""
    counted = 0
    while hours := tallying.due(timezone.now()):
        for hour in hours:
            tallying.count(hour)
        counted += len(hours)
    return counted


def seen(user: User, url: str = PAGE) -> str:
    """The words on a page, in the order in which they are read."""
    response = signed_in(user).get(url)
    assert response.status_code == 200, url
    shown = re.sub(r"<(svg|script|style|details)\b.*?</\1>", " ", body(response), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", shown)).split())


def table(user: User, chart: str, query: str = "period=7d") -> list[dict[str, Any]]:
    response = signed_in(user).get(f"{PAGE}numbers.csv?{query}&chart={chart}")
    assert response.status_code == 200, chart
    return list(csv.DictReader(response.content.decode().splitlines()))


def filled(rows: list[dict[str, Any]], key: str) -> dict[str, str]:
    """The rows that have something under `key`, by their first column."""
    return {next(iter(row.values())): row[key] for row in rows if row[key] not in ("", "0", "0.0")}


# --- the numbers --------------------------------------------------------------------------------------------


def test_a_week_in_figures(world: World) -> None:
    for day in (1, 2, 2):
        factories.make_answered_turn(world.conversation, at=NOON - timedelta(days=day, minutes=20))
    factories.make_handed_over_turn(world.conversation, at=NOON - timedelta(days=1))
    count_all()
    said = seen(world.agent)
    assert "Messages received 5 in 5 turns" in said
    assert "Answered 80.0 % 4 turns" in said
    assert "Handed over 20.0 % 1 turns" in said
    assert "Reply within 5 s 100 % 0 later" in said
    assert "Tokens per answer 430 no price is set" in said
    assert "which the LLM cannot take. 1" in said
    assert "Most is written on Thursday" in said or "Most is written on Wednesday" in said


def test_each_bucket_counts_what_began_in_it(world: World) -> None:
    factories.make_answered_turn(world.conversation, at=datetime(2026, 11, 25, 9, 59, 59, tzinfo=UTC))
    factories.make_answered_turn(world.conversation, at=datetime(2026, 11, 26, 0, 0, tzinfo=UTC))
    count_all()
    assert filled(table(world.admin, "outcomes"), "answered") == {
        "2026-11-25T00:00:00+00:00": "1",
        "2026-11-26T00:00:00+00:00": "1",
        "2026-11-27T00:00:00+00:00": "1",
    }
    assert filled(table(world.admin, "hours"), "09:00") == {"Wednesday": "1"}
    (messages,) = [row for row in table(world.admin, "messages") if row["start"].startswith("2026-11-25")]
    assert (messages["received"], messages["sent"]) == ("1", "1")


def test_a_day_begins_at_the_midnight_of_the_zone(world: World) -> None:
    factories.make_answered_turn(world.conversation, at=datetime(2026, 11, 26, 3, 30, tzinfo=UTC))
    count_all()
    world.organization.time_zone = "America/New_York"
    world.organization.save()
    assert "2026-11-25T00:00:00-05:00" in filled(table(world.admin, "outcomes"), "answered")
    assert filled(table(world.admin, "hours"), "22:00") == {"Wednesday": "1"}


def test_answer_times_are_close_to_the_exact_ones(world: World) -> None:
    for seconds in (1, 2, 3, 9):
        hops = (20, 1000, 30, 10, seconds * 1000 - 1220, 25, 15, 120)
        factories.make_answered_turn(world.conversation, at=NOON - timedelta(days=2), hops_ms=hops)
    count_all()
    (p95,) = filled(
        table(world.admin, "answer_times", "period=custom&start=2026-11-25&end=2026-11-25"), "p95"
    ).values()
    assert 7000 < int(p95) < 9900


def test_percentiles_of_bins() -> None:
    bins = {int(8 * number): 1 for number in range(10, 14)}
    assert times.percentile({}, 0.5) is None
    assert times.percentile(bins, 1.0) == pytest.approx(2**13.125, abs=1)
    assert times.percentile(bins, 0.25) == pytest.approx(2**10.125, abs=1)


def test_prices_make_an_estimate(world: World, settings: Settings) -> None:
    settings.PROMPT_TOKENS_PRICE, settings.COMPLETION_TOKENS_PRICE = 0.001, 0.01
    count_all()
    assert "Tokens per answer 430 about $0.00059 each, $0.00059 in all" in seen(world.admin)
    assert filled(table(world.admin, "tokens"), "cost_usd") == {"2026-11-27T00:00:00+00:00": "0.000592"}


def test_a_change_to_the_period_before(world: World) -> None:
    for hours in (25, 26):
        factories.make_answered_turn(world.conversation, at=NOON - timedelta(hours=hours))
    count_all()
    assert "Messages received 1 in 1 turns -50 %" in seen(world.admin, f"{PAGE}?period=24h")


def test_periods_end_where_they_must(world: World) -> None:
    count_all()
    for query in ("period=custom&start=2026-11-28", "period=custom", "period=custom&start=2020-01-01"):
        assert "Choose" in seen(world.admin, f"{PAGE}?{query}")
        assert signed_in(world.admin).get(f"{PAGE}numbers.csv?{query}&chart=outcomes").status_code == 404
    for key in (*PERIODS, "rubbish"):
        assert "Messages received 1" in seen(world.admin, f"{PAGE}?period={key}")


# --- counting -----------------------------------------------------------------------------------------------


def test_an_hour_is_counted_again_when_a_turn_of_it_has_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = factories.make_inbound(world.conversation, received_at=NOON - timedelta(minutes=100)).turn
    assert turn is not None
    assert count_all() > 0
    assert table(world.admin, "outcomes")[-1]["open"] == "1"
    turn.state, turn.settled_at = Turn.State.DECLINED, NOON
    turn.save()
    assert count_all() == 0  # not more often than every five minutes
    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(minutes=6))
    assert count_all() == 2
    assert table(world.admin, "outcomes")[-1]["declined"] == "1"
    assert count_all() == 0


def test_each_hour_since_the_first_turn_is_counted_once(world: World) -> None:
    factories.make_answered_turn(world.conversation, at=NOON - timedelta(days=3))
    assert count_all() == 3 * 24 + 1
    of_all = Tally.objects.filter(organization=None)
    assert of_all.count() == 3 * 24 + 1
    assert sum(of_all.values_list("turns", flat=True)) == 3
    assert Tally.objects.exclude(organization=None).count() == 3


def test_test_messages_do_not_count(world: World) -> None:
    world.conversation.contact.is_test = True
    world.conversation.contact.save()
    count_all()
    assert "Messages received 0" in seen(world.admin)


# --- who sees what ------------------------------------------------------------------------------------------


def test_the_channel_narrows_everything(world: World) -> None:
    channel = factories.make_channel(world.organization, name="Second Line")
    factories.make_answered_turn(factories.make_conversation(channel))
    factories.make_answered_turn(factories.make_conversation(channel))
    count_all()
    assert "Messages received 3" in seen(world.admin)
    assert "Messages received 2" in seen(world.admin, f"{PAGE}?channel={channel.pk}")
    assert "Second Line 2 2 100 % 0 % 100 % 430 Zebra Line 1 1" in seen(world.admin)


def test_of_all_that_one_sees(world: World) -> None:
    count_all()
    assert signed_in(world.admin).get("/dashboard/").headers["Location"].startswith(PAGE)
    assert "Messages received 2" in seen(world.ops, "/dashboard/")
    assert "Heron Bakery 1 1 100 %" in seen(world.ops, "/dashboard/")
    Member.objects.create(organization=world.other, user=world.admin, role="agent")
    assert "Messages received 2" in seen(world.admin, "/dashboard/")
    assert "zebra message text" not in body(signed_in(world.ops).get(PAGE))


def test_a_page_takes_as_many_queries_however_much_there_is(world: World) -> None:
    def queries() -> int:
        count_all()
        with CaptureQueriesContext(connection) as found:
            seen(world.ops, "/dashboard/?period=30d")
            seen(world.admin, f"{PAGE}?period=30d")
        return len(found)

    before = queries()
    for number in range(3):
        channel = factories.make_channel(factories.make_organization())
        for hours in range(5):
            at = NOON - timedelta(hours=hours + number)
            factories.make_answered_turn(factories.make_conversation(channel), at=at)
    assert queries() == before


def test_a_reader_in_a_zone_without_letters(world: World) -> None:
    User.objects.filter(pk=world.ops.pk).update(time_zone="Etc/GMT+5")
    assert signed_in(world.ops).get("/dashboard/").status_code == 200


def test_of_many_organizations_the_page_has_those_with_most_turns_and_the_csv_all() -> None:
    count = tables.PARTS_SHOWN + 10
    counted = {number: Figures(turns=number) for number in range(count)}
    table = tables.of_parts("organizations", counted, {number: (f"o{number}", "") for number in counted})
    assert [row.label for row in table.shown] == [f"o{count - 1 - n}" for n in range(tables.PARTS_SHOWN)]
    assert table.said_limit == "These are the 50 with most turns of 60; the CSV has all."
    assert len(tables.as_csv(table, "all.csv").content.splitlines()) == 1 + count
