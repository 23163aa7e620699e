"""Dead letters: what they say, and that each is replayed or discarded once."""

import json
import threading

import pytest
from django.db import connection

from console.conversations.dead_letters import resolution, words
from console.conversations.models import DeadLetter
from hub_lambdas import queues
from tests import factories
from tests.console.conftest import World, body, make_letter, signed_in
from tests.fakes.sqs import FakeSqs

LIST = "/conversations/deadletter/"
YES = {"confirmed": "yes"}


def address(letter: DeadLetter, action: str = "change") -> str:
    return f"{LIST}{letter.pk}/{action}/"


@pytest.fixture
def letter(world: World) -> DeadLetter:
    turn = factories.make_handed_over_turn(
        world.conversation, "Is it far?", reason="dead_letter", kind="text"
    )
    return make_letter(
        world.organization, queue=queues.LLM_REQUESTS, body='{"id":"7","question":"Is it far?"}', turn=turn
    )


def test_the_list_says_what_happened_why_and_to_whom(world: World, letter: DeadLetter) -> None:
    make_letter(world.organization, queue=queues.INBOUND, cause="OperationalError")
    page = body(signed_in(world.agent).get(LIST))
    assert "The LLM could not answer a question" in page
    assert "Whoever worked on it was stopped each time, or ran out of time." in page
    assert "A contact&#x27;s message could not be stored" in page
    assert "The database could not be reached." in page
    assert f'href="/inbox/{world.conversation.pk}/#turn-{letter.turn_id}"' in page
    assert "Zebra Contact" in page
    assert "Handed over" in page


@pytest.mark.parametrize(
    ("errand", "failed", "replayed"),
    [
        (
            '{"media":7}',
            "A contact&#x27;s file could not be fetched, or not be deleted when they took it back",
            "The file is fetched if it is not there yet, or deleted if the contact took it back.",
        ),
        (
            '{"contact":7}',
            "The platform could not be asked for a contact&#x27;s name",
            "The platform is asked for the name once more.",
        ),
        ("7", "A message of the queue errands could not be processed", "Replay"),
    ],
)
def test_an_errand_says_what_was_not_done(world: World, errand: str, failed: str, replayed: str) -> None:
    letter = make_letter(world.organization, queue=queues.ERRANDS, body=errand)
    client = signed_in(world.agent)
    assert failed in body(client.get(LIST))
    assert replayed in body(client.get(address(letter)))


def test_what_waits_comes_first_and_is_counted_in_the_sidebar(world: World, letter: DeadLetter) -> None:
    client = signed_in(world.agent)
    client.post(address(letter, "discard"), YES)
    make_letter(world.organization)
    response = client.get(LIST)
    assert [each.state for each in response.context["cl"].result_list] == ["waiting", "discarded"]
    inbox = response.context["sidebar_navigation"][1]["items"]
    assert [item.get("badge") for item in inbox if item["title"] == "Dead letters"] == [1]
    only = client.get(f"{LIST}?state__exact=discarded").context["cl"].result_list
    assert [each.pk for each in only] == [letter.pk]


def test_a_page_says_what_was_in_it_and_what_replaying_does(world: World, letter: DeadLetter) -> None:
    page = body(signed_in(world.agent).get(address(letter)))
    assert "&quot;question&quot;: &quot;Is it far?&quot;" in page
    assert "The LLM gets the question once more." in page
    assert "Its turn has its outcome, and replaying does not change that" in page
    assert "A step of the work failed five times." in page


@pytest.mark.parametrize("role", ["admin", "agent"])
def test_replaying_asks_first_and_puts_the_body_back(
    role: str, world: World, letter: DeadLetter, sqs: FakeSqs
) -> None:
    user = getattr(world, role)
    client = signed_in(user)
    question = body(client.post(address(letter, "replay")))
    assert "Replay this dead letter?" in question
    assert not sqs.queues
    page = body(client.post(address(letter, "replay"), YES, follow=True))
    assert "One is on its way again." in page
    assert sqs.bodies(queues.LLM_REQUESTS) == [json.loads(letter.body)]
    letter.refresh_from_db()
    assert (letter.state, letter.resolved_by) == ("replayed", user)
    assert letter.resolved_at is not None
    assert f"by {user}" in page
    assert address(letter, "replay") not in page


@pytest.mark.parametrize("second", ["replay", "discard"])
def test_a_second_click_does_nothing(second: str, world: World, letter: DeadLetter, sqs: FakeSqs) -> None:
    client = signed_in(world.agent)
    client.post(address(letter, "replay"), YES)
    page = body(signed_in(world.admin).post(address(letter, second), YES, follow=True))
    assert "Nothing was done where somebody had dealt with it before." in page
    assert len(sqs.bodies(queues.LLM_REQUESTS)) == 1
    letter.refresh_from_db()
    assert (letter.state, letter.resolved_by) == ("replayed", world.agent)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_replay_it_once(world: World, letter: DeadLetter, sqs: FakeSqs) -> None:
    barrier, found = threading.Barrier(2), []

    def replay() -> None:
        barrier.wait()
        try:
            found.append(resolution.replay(letter.pk, world.agent))
        finally:
            connection.close()

    threads = [threading.Thread(target=replay) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False, True]
    assert len(sqs.bodies(queues.LLM_REQUESTS)) == 1


def test_discarding_asks_first_and_sends_nothing(world: World, letter: DeadLetter, sqs: FakeSqs) -> None:
    client = signed_in(world.agent)
    assert "Discard this dead letter?" in body(client.post(address(letter, "discard")))
    letter.refresh_from_db()
    assert letter.state == "waiting"
    assert "One is discarded." in body(client.post(address(letter, "discard"), YES, follow=True))
    letter.refresh_from_db()
    assert (letter.state, letter.resolved_by) == ("discarded", world.agent)
    assert not sqs.queues


def test_many_are_replayed_from_the_list(world: World, sqs: FakeSqs) -> None:
    letters = [
        make_letter(world.organization, queue=queue, body=json.dumps({"number": number}))
        for number, queue in enumerate((queues.INBOUND, queues.OUTBOUND, "console-jobs"))
    ]
    done = make_letter(world.organization, state="discarded")
    data = {"action": "replay_selected", "_selected_action": [each.pk for each in (*letters, done)]}
    client = signed_in(world.agent)
    question = client.post(LIST, data)
    assert "Replay these dead letters?" in body(question)
    assert not sqs.queues
    carried = dict(question.context["question"].fields[:1])
    chosen = [value for name, value in question.context["question"].fields if name == "_selected_action"]
    assert carried == {"action": "replay_selected"}
    page = body(client.post(LIST, {**carried, "_selected_action": chosen, **YES}, follow=True))
    assert "3 are on their way again." in page
    assert "Nothing was done where somebody had dealt with it before." in page
    assert {queue: sqs.bodies(queue) for queue in sqs.queues} == {
        queues.INBOUND: [{"number": 0}],
        queues.OUTBOUND: [{"number": 1}],
        "console-jobs": [{"number": 2}],
    }
    states = DeadLetter.objects.filter(pk__in=[each.pk for each in letters]).values_list("state", flat=True)
    assert set(states) == {"replayed"}


def test_many_are_discarded_from_the_list(world: World, sqs: FakeSqs) -> None:
    letters = [make_letter(world.organization) for _ in range(2)]
    data = {"action": "discard_selected", "_selected_action": [each.pk for each in letters], **YES}
    assert "2 are discarded." in body(signed_in(world.admin).post(LIST, data, follow=True))
    assert not sqs.queues


def test_a_queue_that_is_away_leaves_it_waiting(world: World, letter: DeadLetter, sqs: FakeSqs) -> None:
    client = signed_in(world.agent)
    sqs.broken.add(queues.LLM_REQUESTS)
    page = body(client.post(address(letter, "replay"), YES, follow=True))
    assert "The queue cannot be reached, so it waits as before" in page
    letter.refresh_from_db()
    assert (letter.state, letter.resolved_by) == ("waiting", None)
    sqs.broken.clear()
    assert "One is on its way again." in body(client.post(address(letter, "replay"), YES, follow=True))


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_looking_changes_nothing(action: str, world: World, letter: DeadLetter) -> None:
    assert signed_in(world.agent).get(address(letter, action)).status_code == 405


def test_nothing_is_deleted_or_added(world: World, letter: DeadLetter) -> None:
    client = signed_in(world.admin)
    client.post(LIST, {"action": "delete_selected", "_selected_action": [letter.pk], "post": "yes"})
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(address(letter, "delete"), {"post": "yes"}).status_code == 403
    assert DeadLetter.objects.filter(pk=letter.pk).exists()


@pytest.mark.parametrize(
    "text", ["{{ x }} <script>alert(1)</script>", '{"text":"a\\u0000b \\ud800 c"}', "", "[1"]
)
def test_any_body_is_shown(text: str, world: World) -> None:
    page = body(signed_in(world.agent).get(address(make_letter(world.organization, body=text))))
    assert "<script>alert(1)" not in page
    assert "\x00" not in page


def test_every_queue_of_the_hub_has_its_words(world: World) -> None:
    for queue in (queues.INBOUND, queues.WAKEUPS, queues.LLM_REQUESTS, queues.LLM_REPLIES, queues.OUTBOUND):
        letter = make_letter(world.organization, queue=queue)
        assert "of the queue" not in words.what_failed(letter)
        assert words.what_replay_does(letter)
    unknown = make_letter(world.organization, queue="new-queue", cause="NewError: of a kind")
    assert words.what_failed(unknown) == "A message of the queue new-queue could not be processed"
    assert words.what_replay_does(unknown) == ""
    assert words.why(unknown) == "a fault in the hub"
