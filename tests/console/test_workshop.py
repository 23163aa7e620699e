"""The prompt workshop: a draft is written, compared, published and restored."""

from typing import Any

import pytest
from django.test import Client

from console.audit.models import Change
from console.organizations.models import Organization
from console.prompts import drafts
from console.prompts.differences import segments
from console.prompts.models import CannedPrompt, PromptVersion
from console.workshop.page import digest
from hub_lambdas import prompting
from tests import factories
from tests.console.conftest import World, body, signed_in

HERE = "/workshop/zebra-clinic/"


def draft_of(organization: Organization) -> PromptVersion:
    draft = drafts.draft_of(organization)
    assert draft is not None
    return draft


def canned(world: World) -> CannedPrompt:
    return CannedPrompt.objects.get(organization=world.organization)


def instruct(client: Client, world: World, instructions: str) -> Any:
    seen = digest(drafts.current(world.organization).instructions)
    return client.post(f"{HERE}instructions/", {"instructions": instructions, "seen": seen}, follow=True)


def add(client: Client, question: str, answer: str = "A.", **more: str) -> Any:
    data = {"question": question, "answer": answer, "is_active": "on", **more}
    return client.post(f"{HERE}canned/add/", data, follow=True)


def change(client: Client, which: CannedPrompt, **data: str) -> Any:
    fields = {"question": which.question, "answer": which.answer, "is_active": "on"}
    return client.post(
        f"{HERE}canned/{which.key}/", {**fields, "seen": digest(which.content), **data}, follow=True
    )


def publish(client: Client, world: World, **data: Any) -> str:
    sent = {"revision": draft_of(world.organization).revision, **data}
    return body(client.post(f"{HERE}publish/", sent, follow=True))


def told(world: World) -> prompting.Told:
    """What production tells the LLM."""
    return prompting.told(world.organization.pk, prompting.published_prompt(world.organization.pk))


def test_what_is_edited_counts_once_it_is_published(world: World) -> None:
    client = signed_in(world.admin)
    page = instruct(client, world, "Be brief.")
    assert "It counts once it is published." in body(page)
    change(client, canned(world), answer="250 €.", choices="Prices\r\n\r\n Hours")
    add(client, "Do you have parking?", "Behind the house.", also_asked="Where can I park?")
    assert told(world).instructions == "zebra prompt text"
    assert [each.answer for each in told(world).canned] == ["zebra canned answer"]
    assert "Version 2 is published." in publish(client, world, note="New prices")
    assert told(world).instructions == "Be brief."
    first, second = told(world).canned
    assert (first.answer, first.offered) == ("250 €.", ["Prices", "Hours"])
    assert (second.question, second.wordings[1:]) == ("Do you have parking?", ["Where can I park?"])
    published = drafts.published_of(world.organization)
    assert published is not None
    assert (published.number, published.note, published.author) == (2, "New prices", world.admin)
    assert drafts.draft_of(world.organization) is None


def test_the_page_before_publishing_shows_each_word_that_changes(world: World) -> None:
    client = signed_in(world.admin)
    instruct(client, world, "zebra short prompt")
    change(client, canned(world), answer="zebra new answer")
    add(client, "Do you have parking?", "Behind the house.")
    page = body(client.get(f"{HERE}publish/"))
    assert "zebra <ins>short </ins>prompt<del> text</del>" in page
    assert "zebra <del>canned</del><ins>new</ins> answer" in page
    assert "<ins>Behind the house.</ins>" in page
    assert "3 changes" in page


def test_nobody_publishes_what_they_have_not_read(world: World) -> None:
    client, colleague = signed_in(world.admin), signed_in(world.agent)
    instruct(client, world, "Be brief.")
    read = draft_of(world.organization).revision
    add(colleague, "Is it free?", "Yes.")
    assert "The draft has changed since you read it" in publish(client, world, revision=read)
    assert told(world).instructions == "zebra prompt text"


def test_of_two_who_edit_the_same_the_second_is_told(world: World) -> None:
    client, seen = signed_in(world.admin), digest("zebra prompt text")
    instruct(client, world, "First.")
    page = client.post(f"{HERE}instructions/", {"instructions": "Second.", "seen": seen})
    assert (page.status_code, draft_of(world.organization).instructions) == (422, "First.")
    assert "Somebody has changed them meanwhile" in body(page)
    one = canned(world)
    change(client, one, answer="First.")
    assert "Somebody has changed this canned prompt meanwhile" in body(change(client, one, answer="Second."))
    assert draft_of(world.organization).canned[0].answer == "First."


def test_a_version_is_restored_and_what_it_had_comes_back(world: World) -> None:
    client, before = signed_in(world.admin), canned(world)
    instruct(client, world, "Be brief.")
    client.post(f"{HERE}canned/{before.key}/remove/")
    publish(client, world)
    assert told(world).canned == []
    page = body(client.get(f"{HERE}versions/1/?to=2"))
    assert "Taken out" in page
    assert "zebra canned question" in page
    client.post(f"{HERE}versions/1/restore/")
    assert "Replace the draft?" in body(client.post(f"{HERE}versions/2/restore/"))
    publish(client, world, note="Back again")
    assert told(world).instructions == "zebra prompt text"
    assert [(each.key, each.answer) for each in told(world).canned] == [(before.key, "zebra canned answer")]
    assert "Back again" in body(client.get(f"{HERE}versions/"))


def test_what_a_release_before_did_not_keep_is_not_taken_away(world: World) -> None:
    old = PromptVersion.objects.create(organization=world.organization, instructions="Old.")
    old.publish()
    assert [each.question for each in told(world).canned] == ["zebra canned question"]
    PromptVersion.objects.filter(number=1, organization=world.organization).update(canned_prompts=None)
    signed_in(world.admin).post(f"{HERE}versions/1/restore/")
    assert [each.question for each in draft_of(world.organization).canned] == ["zebra canned question"]


def test_a_draft_is_discarded_after_a_question(world: World) -> None:
    client = signed_in(world.admin)
    instruct(client, world, "Be brief.")
    assert "Discard the draft?" in body(client.post(f"{HERE}discard/"))
    client.post(f"{HERE}discard/", {"confirmed": "yes"})
    assert drafts.draft_of(world.organization) is None
    assert told(world).instructions == "zebra prompt text"


def test_canned_prompts_are_moved_and_switched_off(world: World) -> None:
    client, first = signed_in(world.admin), canned(world)
    factories.make_canned_prompt(world.organization, "Second?")
    client.post(f"{HERE}canned/{first.key}/move/", {"to": "down"})
    client.post(f"{HERE}canned/{first.key}/switch/")
    assert "Canned prompts stand in another order" in body(client.get(f"{HERE}publish/"))
    publish(client, world)
    stored = CannedPrompt.objects.filter(organization=world.organization).order_by("position")
    assert [(each.question, each.is_active) for each in stored] == [
        ("Second?", True),
        ("zebra canned question", False),
    ]
    assert [each.question for each in told(world).canned] == ["Second?"]


def test_a_question_stands_once(world: World) -> None:
    page = body(add(signed_in(world.admin), "Zebra canned question"))
    assert "stands in another canned prompt already" in page
    assert drafts.draft_of(world.organization) is None


@pytest.mark.parametrize(
    ("field", "text", "problem"),
    [
        ("choices", "\n".join("abcdefghijk"), "There are 11 choices: platforms show at most 10."),
        ("choices", "Prices\n" + "x" * 21, "has 21 characters: platforms show at most 20"),
        ("choices", "🦷" * 11, "has 22 characters"),
        ("choices", "Prices\n prices ", "“prices” stands there twice."),
        ("answer", "Hello {{contact.nmae}}", "There is no variable {{contact.nmae}}: write one of"),
    ],
)
def test_what_no_contact_could_be_sent_is_refused(field: str, text: str, problem: str, world: World) -> None:
    assert problem in body(add(signed_in(world.admin), "Q", **{field: text}))


def test_agents_read_and_propose_and_do_nothing_else(world: World) -> None:
    client, one = signed_in(world.agent), canned(world)
    page = body(client.get(HERE))
    assert "zebra prompt text" in page
    assert f"{HERE}instructions/" not in page
    add(client, "Is it free?", "Yes.")
    assert [each.question for each in draft_of(world.organization).canned][1:] == ["Is it free?"]
    for address in ("instructions/", "publish/", "discard/", "versions/1/restore/", f"canned/{one.key}/"):
        assert client.post(f"{HERE}{address}", {"confirmed": "yes"}).status_code == 403, address
    assert signed_in(world.ops).get(HERE).status_code == 404


def test_the_audit_log_names_each_canned_prompt_that_changes(world: World) -> None:
    client = signed_in(world.admin)
    add(client, "Is it free?", "Yes.")
    change(client, draft_of(world.organization).canned[1], question="Is it free?", answer="No.")
    log = Change.objects.filter(organization=world.organization, thing="prompt").first()
    assert log is not None
    assert (log.who, log.action) == (world.admin.email, "changed")
    assert (log.before, log.after) == ({"“Is it free?”": "→ Yes."}, {"“Is it free?”": "→ No."})
    publish(client, world, note="Fees")
    log = Change.objects.filter(organization=world.organization, thing="prompt").first()
    assert log is not None
    assert (log.after["status"], log.after["note"]) == ("published", "Fees")


def test_the_first_version_of_an_organization(world: World) -> None:
    new = factories.make_organization("new")
    client = signed_in(factories.make_member(new, "admin"))
    assert client.get("/prompts/promptversion/add/", follow=True).redirect_chain[-1][0] == "/workshop/new/"
    data = {"instructions": "You are new.", "seen": digest("")}
    client.post("/workshop/new/instructions/", data)
    client.post("/workshop/new/publish/", {"revision": draft_of(new).revision})
    prompt = prompting.published_prompt(new.pk)
    assert prompt is not None
    assert prompt.instructions == "You are new."


def test_words_are_compared_and_what_has_nothing_in_common_is_not_woven() -> None:
    shown = [(each.kind, each.text) for each in segments("We open at 8.", "We open at 9.")]
    assert shown == [("same", "We open at "), ("removed", "8."), ("added", "9.")]
    strange = [each.kind for each in segments("We open at 8 each day.", "Ask Tom about prices.")]
    assert strange == ["removed", "added"]
