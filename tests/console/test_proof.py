"""The proof as people see it: numbers of made-up turns, the turns behind each number, and who sees what."""

import csv
import html
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from console.channels.models import Channel
from console.conversations.models import Conversation, DeadLetter, Message, Turn
from console.organizations.models import Member, Organization, User
from console.proof import views
from tests import factories
from tests.console.conftest import World, body, signed_in

PAGE = "/proof/organization/zebra-clinic/"
TURNS = f"{PAGE}turns/"
CSV = f"{PAGE}numbers.csv"


def page(user: User, url: str = PAGE) -> str:
    response = signed_in(user).get(url)
    assert response.status_code == 200, url
    return body(response)


def seen(user: User, url: str = PAGE) -> str:
    """The words on a page, in the order in which they are read."""
    shown = re.sub(r"<(svg|script|style|details)\b.*?</\1>", " ", page(user, url), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", shown)).split())


def links(user: User, url: str = PAGE) -> list[str]:
    """The lists of turns that a page leads to."""
    found = re.findall(r'href="(/proof/[^"]*turns/\?[^"]*)"', page(user, url))
    return [html.unescape(each) for each in found]


def link(user: User, part: str, url: str = PAGE) -> str:
    """The only list of turns on a page whose address has `part` in it."""
    (found,) = {each for each in links(user, url) if part in each and "bucket" not in each}
    return found


def open_turn(conversation: Conversation, seconds_ago: float) -> Turn:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    turn = factories.make_inbound(conversation, received_at=at).turn
    assert turn is not None
    return turn


def break_channel(channel: Channel) -> None:
    Channel.objects.filter(pk=channel.pk).update(status="paused", status_reason="The token was taken back.")


def anothers(world: World) -> Conversation:
    """Somebody else's conversation on the same channel."""
    return factories.make_conversation(world.channel)


@pytest.fixture
def quiet(db: None) -> User:
    """The admin of an organization to which nobody has written."""
    return factories.make_member(factories.make_organization("zebra-clinic"))


# --- the numbers --------------------------------------------------------------------------------------------


def test_nobody_has_written(quiet: User) -> None:
    said = seen(quiet)
    assert "Open past the limit 0 No turn is open for longer than the limit of 60 s." in said
    assert "More than one reply 0 None of 0 turns got two replies." in said
    assert "0 turns received" in said
    assert "First reply within 5 s –" in said
    assert said.count("No turns in this period.") == 4


def test_one_turn(world: World) -> None:
    said = seen(world.admin)
    assert "1 turn received" in said
    assert "Answered 1 100 % Handed over 0 0 % Declined 0 0 % Open 0 0 %" in said
    assert "First reply within 5 s 100 % 0 later, or waiting for longer" in said
    assert "To the first reply from the last message 2.42 s 2.42 s 2.42 s" in said
    assert "The LLM wrote 1.20 s 1.20 s 1.20 s" in said


def test_outcomes_and_their_reasons(world: World) -> None:
    factories.make_handed_over_turn(world.conversation, reason="not_text")
    factories.make_handed_over_turn(world.conversation, reason="not_known")
    factories.make_handed_over_turn(world.conversation, reason="not_known")
    said = seen(world.admin)
    assert "Answered 1 25.0 % Handed over 3 75.0 %" in said
    most = said.index("The LLM said that this is for a person to answer. 2")
    assert most < said.index("which the LLM cannot take. 1")


def test_a_turn_whose_messages_are_lost_is_counted_all_the_same(world: World) -> None:
    turn = open_turn(world.conversation, seconds_ago=61)
    Message.objects.filter(turn=turn).delete()
    said = seen(world.admin)
    assert "2 turns received" in said
    assert "Open past the limit 1 " in said


def test_promises_that_are_broken_are_unmistakable(world: World) -> None:
    assert page(world.admin).count("is-kept") == 2
    open_turn(world.conversation, seconds_ago=61)
    twice = factories.make_answered_turn(anothers(world))
    factories.make_outbound(twice.conversation, turn=twice, purpose="fallback")
    said = seen(world.admin)
    assert "Open past the limit 1 Turns open for longer than the limit of 60 s." in said
    assert "More than one reply 1 Of 3 turns. There must be none." in said
    assert said.count("Show the turns") == page(world.admin).count("is-broken") == 2


def test_a_turn_that_is_open_within_the_limit_breaks_nothing(world: World) -> None:
    open_turn(world.conversation, seconds_ago=50)
    said = seen(world.admin)
    assert "Open past the limit 0" in said
    assert "Open 1 50.0 %" in said


def test_a_turn_that_was_forgotten_before_the_period_is_shown(world: World) -> None:
    open_turn(world.conversation, seconds_ago=3 * 3600)
    said = seen(world.admin, f"{PAGE}?period=1h")
    assert "Open past the limit 1" in said
    assert "Open 0 0 %" in said
    assert "1 turn" in seen(world.admin, link(world.admin, "which=overdue", f"{PAGE}?period=1h"))


def test_held_turns_are_counted_apart_until_they_are_held_too_long(world: World) -> None:
    open_turn(world.conversation, seconds_ago=3600)
    break_channel(world.channel)
    said = seen(world.admin)
    assert "Open past the limit 0" in said
    assert "1 Held until their channel is repaired" in said
    open_turn(anothers(world), seconds_ago=25 * 3600)
    assert "Open past the limit 1" in seen(world.admin)


def test_a_channel_paused_by_a_person_holds_nothing(world: World) -> None:
    Channel.objects.filter(pk=world.channel.pk).update(status="paused")
    open_turn(world.conversation, seconds_ago=61)
    said = seen(world.admin)
    assert "Open past the limit 1" in said
    assert "0 Held until" in said


def test_the_limit_runs_from_the_repair_and_from_the_last_edit(world: World) -> None:
    turn = open_turn(world.conversation, seconds_ago=600)
    turn.messages.update(edited_at=timezone.now() - timedelta(seconds=5))
    assert "Open past the limit 0" in seen(world.admin)
    turn.messages.update(edited_at=None)
    assert "Open past the limit 1" in seen(world.admin)
    Channel.objects.filter(pk=world.channel.pk).update(resumed_at=timezone.now() - timedelta(seconds=5))
    assert "Open past the limit 0" in seen(world.admin)


def test_dead_letters_and_unknown_deliveries(world: World) -> None:
    DeadLetter.objects.create(organization=world.organization, queue_message_id="1", body="{}")
    DeadLetter.objects.create(organization=world.other, queue_message_id="2", body="{}")
    DeadLetter.objects.create(queue_message_id="3", body="{}")
    DeadLetter.objects.create(organization=world.organization, queue_message_id="4", state="discarded")
    Message.objects.filter(direction="out", channel=world.channel).update(state="unknown", sent_at=None)
    said = seen(world.admin)
    assert "1 Dead letters waiting" in said
    assert "1 Deliveries of unknown fate" in said
    assert "3 Dead letters waiting" in seen(world.ops, "/proof/")
    assert "/conversations/deadletter/?state__exact=waiting&amp;organization=zebra-clinic" in page(
        world.agent
    )
    assert "/conversations/deadletter/?" not in page(world.ops)


# --- time ---------------------------------------------------------------------------------------------------


def test_the_holding_line_is_a_first_reply_but_no_second_one(world: World) -> None:
    at = timezone.now() - timedelta(minutes=5)
    turn = factories.make_answered_turn(anothers(world), at=at, hops_ms=(20, 1000, 30, 10, 9000, 25, 15, 120))
    sent_at = at + timedelta(seconds=4)
    factories.make_outbound(turn.conversation, turn=turn, purpose="holding", sent_at=sent_at)
    Turn.objects.exclude(pk=turn.pk).filter(organization=world.organization).update(
        first_message_at=at - timedelta(days=60)
    )
    said = seen(world.admin)
    assert "More than one reply 0" in said
    assert "To the first reply from the last message 4.00 s" in said
    assert "To the answer from the last message 10.2 s" in said
    assert "First reply within 5 s 100 %" in said
    assert "Holding line was needed 100 % 1 turn" in said


def test_time_runs_from_the_last_message_before_the_reply_and_from_the_first(quiet: User) -> None:
    conversation = factories.make_conversation(factories.make_channel(Organization.objects.get()))
    at = timezone.now() - timedelta(minutes=5)
    turn = factories.make_answered_turn(conversation, at=at, hops_ms=(10, 100, 10, 10, 1000, 10, 10, 50))
    factories.make_inbound(conversation, turn=turn, received_at=at - timedelta(seconds=2))
    factories.make_inbound(conversation, turn=turn, received_at=at - timedelta(seconds=3))
    holding_at = at - timedelta(seconds=1)
    factories.make_outbound(conversation, turn=turn, purpose="holding", sent_at=holding_at)
    said = seen(quiet)
    assert (
        "To the first reply from the last message 1.00 s 1.00 s 1.00 s from the first message 2.00 s" in said
    )
    assert "To the answer from the last message 1.20 s 1.20 s 1.20 s from the first message 4.20 s" in said


def test_what_is_no_first_reply(world: World) -> None:
    """A line over a limit, a person's reply, an answer taken back, and one that the platform refused."""
    Turn.objects.filter(organization=world.organization).update(
        first_message_at=timezone.now() - timedelta(days=60)
    )
    for purpose, state in (
        ("limit", "sent"),
        ("staff", "sent"),
        ("answer", "cancelled"),
        ("answer", "failed"),
    ):
        turn = open_turn(anothers(world), seconds_ago=20)
        factories.make_outbound(turn.conversation, turn=turn, purpose=purpose, state=state)
        Turn.objects.filter(pk=turn.pk).update(state="declined", settled_at=timezone.now())
    said = seen(world.admin)
    assert "To the first reply from the last message – – –" in said
    assert "First reply within 5 s –" in said
    assert "Settled without a reply 100 % 4 turns" in said


def test_late_replies_and_turns_that_wait_for_one_count_against_the_five_seconds(world: World) -> None:
    factories.make_answered_turn(anothers(world), hops_ms=(20, 1000, 30, 10, 9000, 25, 15, 120))
    open_turn(anothers(world), seconds_ago=20)
    open_turn(anothers(world), seconds_ago=1)
    assert "First reply within 5 s 33.3 % 2 later, or waiting for longer" in seen(world.admin)


# --- period and channel -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "turns"), [("1h", 1), ("24h", 2), ("7d", 3), ("30d", 4), ("", 2), ("x", 2)]
)
def test_periods(world: World, period: str, turns: int) -> None:
    for hours in (5, 30, 200):
        factories.make_answered_turn(world.conversation, at=timezone.now() - timedelta(hours=hours))
    assert f" {turns} turn{'s' if turns > 1 else ''} received" in seen(world.admin, f"{PAGE}?period={period}")


def test_a_period_of_ones_own(world: World) -> None:
    at = timezone.now() - timedelta(days=3)
    factories.make_answered_turn(world.conversation, at=at)
    start, end = at - timedelta(hours=1), at + timedelta(hours=1)
    chosen = f"?period=custom&start={start:%Y-%m-%dT%H:%M}&end={end:%Y-%m-%dT%H:%M}"
    assert "1 turn received" in seen(world.admin, PAGE + chosen)
    assert "1 turn" in seen(world.admin, link(world.admin, "which=answered", PAGE + chosen))


@pytest.mark.parametrize(
    "chosen",
    [
        "start=2026-02-02T00:00&end=2026-02-01T00:00",
        "start=nonsense&end=2026-02-01T00:00",
        "start=0001-01-01T00:00&end=9999-12-31T23:59",
        "start=9999-01-01T00:00&end=9999-12-31T23:59",
        "",
    ],
)
def test_a_period_that_cannot_be(world: World, chosen: str) -> None:
    said = seen(world.admin, f"{PAGE}?period=custom&{chosen}")
    assert "Choose a start in the past, and an end after it." in said
    assert "1 turn received" in said


def test_one_channel_only(world: World) -> None:
    other = factories.make_channel(world.organization, name="Second line")
    factories.make_handed_over_turn(factories.make_conversation(other))
    open_turn(factories.make_conversation(other), seconds_ago=61)
    assert "3 turns received" in seen(world.admin)
    said = seen(world.admin, f"{PAGE}?channel={world.channel.pk}")
    assert "1 turn received" in said
    assert "Open past the limit 0" in said
    assert "cannot take." not in said
    chosen = f"{PAGE}?channel={other.pk}"
    assert "Zebra Line" not in seen(world.admin, link(world.admin, "which=turns", chosen))


def test_a_channel_of_others_is_no_choice(world: World) -> None:
    foreign = Channel.objects.get(name="Heron Line")
    assert "Heron" not in page(world.admin, f"{PAGE}?channel={foreign.pk}")
    assert signed_in(world.admin).get(f"{TURNS}?channel={foreign.pk}").status_code == 404


# --- the turns behind a number ------------------------------------------------------------------------------


def a_mixed_day(world: World) -> None:
    """Five answered turns with that of the world, one of them twice; three handed over, one forgotten."""
    now = timezone.now()
    for minutes in (5, 50, 500):
        at = now - timedelta(minutes=minutes)
        factories.make_answered_turn(anothers(world), at=at)
        factories.make_handed_over_turn(anothers(world), at=at, reason="not_known")
    turn = factories.make_answered_turn(anothers(world), at=now - timedelta(minutes=7))
    factories.make_outbound(turn.conversation, turn=turn, purpose="fallback")
    open_turn(anothers(world), seconds_ago=90)


def count(user: User, url: str) -> int:
    """How many turns a list says that there are, after a look at whether they are there."""
    context = signed_in(user).get(url).context
    assert len(context["turns"]) == min(context["count"], 50)
    found: int = context["count"]
    return found


def test_every_number_leads_to_as_many_turns(world: World) -> None:
    a_mixed_day(world)
    expected = {
        "turns": 9,
        "answered": 5,
        "declined": 0,
        "open": 1,
        "duplicates": 1,
        "overdue": 1,
        "slow": 1,
        "held_the_line": 0,
        "unreplied": 0,
        "unknown_deliveries": 0,
    }
    for which, turns in expected.items():
        assert (which, count(world.admin, link(world.admin, f"&which={which}"))) == (which, turns)
    assert count(world.admin, link(world.admin, "which=handed_over&reason=not_known")) == 3


def test_a_list_stays_as_it_was_counted(world: World) -> None:
    url = link(world.admin, "which=turns")
    factories.make_answered_turn(world.conversation)
    assert count(world.admin, url) == 1


@pytest.mark.parametrize("period", ["1h", "24h", "7d"])
def test_the_pieces_of_the_chart_add_up(world: World, period: str) -> None:
    a_mixed_day(world)
    url = f"{PAGE}?period={period}"
    (chart, *_) = signed_in(world.admin).get(url).context["charts"]
    pieces = [bar.href for column in chart.columns for bar in column.bars]
    in_pieces = sum(count(world.admin, piece) for piece in pieces)
    assert in_pieces == sum(cell.raw for row in chart.rows for cell in row.cells)
    assert in_pieces == count(world.admin, link(world.admin, "which=turns", url))


def test_a_percentile_leads_to_the_slowest_turns(world: World) -> None:
    for llm_ms in (2000, 3000, 4000):
        hops_ms = (20, 1000, 30, 10, llm_ms, 25, 15, 120)
        factories.make_answered_turn(anothers(world), hops_ms=hops_ms)
    at_p50 = next(url for url in links(world.admin) if "of=llm&at_least=" in url)
    said = seen(world.admin, at_p50)
    assert "The LLM wrote of 2.50 s or more" in said
    assert said.index("4.00 s") < said.index("3.00 s")
    assert "2 turns" in said


def test_a_list_says_what_happened_and_leads_to_the_conversation(world: World) -> None:
    turn = factories.make_handed_over_turn(world.conversation)
    factories.make_inbound(world.conversation, "a later question")
    said = seen(world.agent, f"{TURNS}?which=handed_over")
    assert "Zebra Contact Zebra Line Handed over" in said
    assert "The message was not text" in said
    assert "210 ms –" in said
    (url,) = re.findall(r'href="(/inbox/[^"]+#turn-[^"]+)"', page(world.agent, f"{TURNS}?which=handed_over"))
    assert url.endswith(f"#turn-{turn.pk}")
    conversation = page(world.agent, url).partition('<section class="inbox-pane')[2]
    assert f'id="turn-{turn.pk}"' in conversation
    assert "a later question" not in conversation


def test_long_lists_have_pages(world: World) -> None:
    for minutes in range(60):
        factories.make_answered_turn(world.conversation, at=timezone.now() - timedelta(minutes=minutes + 5))
    said = seen(world.admin, f"{TURNS}?which=answered")
    assert "1–50 of 61" in said
    (after,) = re.findall(r'href="([^"]+)" rel="next"', page(world.admin, f"{TURNS}?which=answered"))
    said = seen(world.admin, TURNS + html.unescape(after))
    assert "51–61 of 61" in said
    assert 'rel="next"' not in page(world.admin, TURNS + html.unescape(after))


@pytest.mark.parametrize(
    "query",
    [
        "which=everything",
        "of=true);--",
        "at_least=x&of=llm",
        "bucket=tomorrow",
        "channel=no-uuid",
        "period=x",
    ],
)
def test_a_list_that_cannot_be(world: World, query: str) -> None:
    """Rather no list than another one than was asked for."""
    assert signed_in(world.admin).get(f"{TURNS}?{query}").status_code == 404


def test_a_page_far_away_is_empty(world: World) -> None:
    assert "No turns." in seen(world.admin, f"{TURNS}?page=999999")
    assert "1 turn" in seen(world.admin, f"{TURNS}?page=-1")


# --- the numbers of a chart ---------------------------------------------------------------------------------


def test_a_chart_as_csv(world: World) -> None:
    a_mixed_day(world)
    response = signed_in(world.admin).get(f"{CSV}?period=24h&chart=outcomes")
    assert response["Content-Type"].startswith("text/csv")
    assert 'filename="zebra-clinic-outcomes.csv"' in response["Content-Disposition"]
    rows = list(csv.DictReader(response.content.decode().splitlines()))
    assert len(rows) in (48, 49)
    assert sum(int(row["answered"]) for row in rows) == 5
    assert sum(int(row["open"]) for row in rows) == 1
    assert rows[0]["start_utc"].endswith("Z")


def test_the_table_below_a_chart_says_the_same(world: World) -> None:
    shown = page(world.admin)
    assert "numbers.csv?period=24h" in shown
    (table,) = re.findall(r'id="chart-first_reply".*?<tbody>(.*?)</tbody>', shown, flags=re.DOTALL)
    assert table.count("2.42 s") == 3


def test_a_chart_without_times_as_csv(quiet: User) -> None:
    lines = signed_in(quiet).get(f"{CSV}?chart=hops").content.decode().splitlines()
    assert lines[0] == "start_utc,store,ask,queue_for_llm,llm_wait,llm,reply_back,enqueue,send"
    assert lines[1].endswith("Z,,,,,,,,")
    assert signed_in(quiet).get(f"{CSV}?chart=none").status_code == 404


# --- who sees what ------------------------------------------------------------------------------------------

EVERY_URL = [
    PAGE,
    f"{PAGE}?period=7d",
    TURNS,
    f"{TURNS}?which=answered",
    f"{TURNS}?of=first_reply&at_least=1",
    f"{CSV}?chart=outcomes",
]
OVER_ALL = [
    "/proof/",
    "/proof/turns/",
    "/proof/turns/?organization=zebra-clinic",
    "/proof/numbers.csv?chart=outcomes",
]


@pytest.mark.parametrize("url", EVERY_URL)
def test_members_see_their_organization(world: World, url: str) -> None:
    for user in (world.admin, world.agent):
        assert signed_in(user).get(url).status_code == 200


@pytest.mark.parametrize("url", EVERY_URL)
def test_strangers_see_nothing_of_an_organization(world: World, url: str) -> None:
    for user in (world.outsider, world.outside_agent):
        assert signed_in(user).get(url).status_code == 404
    assert signed_in(None).get(url)["Location"].startswith("/login/")


@pytest.mark.parametrize("url", [*EVERY_URL, *OVER_ALL])
def test_a_former_member_sees_nothing(world: World, url: str) -> None:
    Member.objects.filter(user=world.admin).delete()
    assert signed_in(world.admin).get(url)["Location"].startswith("/login/")
    Member.objects.create(organization=world.other, user=world.admin, role="admin")
    response = signed_in(world.admin).get(url, follow=True)
    assert "Zebra" not in body(response)


@pytest.mark.parametrize("url", OVER_ALL)
def test_over_all_means_over_ones_own(world: World, url: str) -> None:
    response = signed_in(world.outsider).get(url, follow=True)
    assert response.status_code == 200
    assert "Zebra" not in body(response)
    if response.context and "count" in response.context:
        assert response.context["count"] == 1


@pytest.mark.parametrize("url", [*EVERY_URL, *OVER_ALL])
def test_ops_see_numbers_and_no_contact(world: World, url: str) -> None:
    said = body(signed_in(world.ops).get(url))
    for marker in (
        *world.text_markers,
        *world.secret_markers,
        "Heron Contact",
        "/conversations/conversation/",
        "#turn-",
    ):
        assert marker not in said


def test_ops_who_are_members_see_the_contacts_of_their_organization_only(world: World) -> None:
    Member.objects.create(organization=world.other, user=world.ops, role="agent")
    said = body(signed_in(world.ops).get("/proof/turns/"))
    assert "Heron Contact" in said
    assert "Zebra Contact" not in said
    assert len(re.findall(r'href="/inbox/\d+/[^"]*#turn-', said)) == said.count("#turn-") == 1


def test_ops_see_all_organizations_with_their_numbers(world: World) -> None:
    open_turn(world.conversation, seconds_ago=61)
    factories.make_organization("lynx-library", name="Lynx Library")
    said = seen(world.ops, "/proof/")
    assert "3 turns received" in said
    zebra = said.index("Zebra Clinic 2 50.0 % 0 0 1 1 0 2.42 s 2.42 s 2.42 s")
    heron = said.index("Heron Bakery 1 100 % 0 0 0 0 0 2.42 s 2.42 s 2.42 s 100 %")
    assert zebra < heron < said.index("Lynx Library 0 – 0 0 0 0 0 – – – –")


def test_of_many_organizations_those_with_a_broken_promise_and_then_most_turns_are_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "ORGANIZATIONS_SHOWN", 2)
    for number in range(2):
        lynx = factories.make_organization(f"lynx-{number}", name=f"Lynx {number}")
        conversation = factories.make_conversation(factories.make_channel(lynx))
        for _ in range(3 * number):
            factories.make_answered_turn(conversation)
    open_turn(world.conversation, seconds_ago=61)
    said = seen(world.ops, "/proof/")
    assert said.index("Zebra Clinic 2") < said.index("Lynx 1 3 100 %")
    assert "Heron Bakery" not in said
    assert "2 organizations with fewer turns are left out." in said
    everything = seen(world.ops, "/proof/?organizations=all")
    assert "Lynx 0 0 –" in everything
    assert "left out" not in everything


def test_who_has_several_organizations_gets_a_list_of_them(world: World) -> None:
    Member.objects.create(organization=world.organization, user=world.outsider, role="agent")
    factories.make_organization("lynx-library", name="Lynx Library")
    said = seen(world.outsider, "/proof/")
    assert "Your organizations" in said
    assert "Zebra Clinic" in said
    assert "Lynx" not in said


def test_who_has_one_organization_gets_its_page(world: World) -> None:
    response = signed_in(world.agent).get("/proof/?period=7d")
    assert response["Location"] == f"{PAGE}?period=7d"


def test_the_proof_is_in_the_sidebar(world: World) -> None:
    for user in (world.admin, world.agent, world.ops):
        assert 'href="/proof/"' in body(signed_in(user).get("/"))


def test_names_of_contacts_are_shown_as_text(world: World) -> None:
    contact = world.conversation.contact
    contact.name = "<b>bold</b>\x00"
    contact.save()
    said = page(world.admin, TURNS)
    assert "&lt;b&gt;bold&lt;/b&gt;" in said


def test_a_page_takes_a_handful_of_statements(world: World) -> None:
    a_mixed_day(world)
    for user, url in ((world.admin, PAGE), (world.ops, "/proof/"), (world.admin, TURNS)):
        client = signed_in(user)
        with CaptureQueriesContext(connection) as captured:
            client.get(url)
        over_the_ledger = [query for query in captured if "conversations_turn" in query["sql"]]
        assert len(over_the_ledger) <= 4, url
