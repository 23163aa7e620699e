"""Prompts and canned prompts in the console."""

import pytest

from console.prompts.models import CannedPrompt, PromptVersion
from tests.console.conftest import World, body, signed_in


def published(world: World) -> PromptVersion:
    return PromptVersion.objects.get(organization=world.organization, status="published")


def test_a_draft_is_written_edited_and_published(world: World) -> None:
    client = signed_in(world.admin)
    data = {"organization": world.organization.pk, "instructions": "Be short."}
    client.post("/prompts/promptversion/add/", data)
    draft = PromptVersion.objects.get(instructions="Be short.")
    assert (draft.status, draft.number, draft.author) == ("draft", 2, world.admin)
    url = f"/prompts/promptversion/{draft.pk}/change/"
    response = client.post(
        url, {"instructions": "Be brief.", "prompts_promptversion_publish": ""}, follow=True
    )
    assert "It takes effect with the next message." in body(response)
    assert published(world).instructions == "Be brief."
    assert PromptVersion.objects.get(number=1, organization=world.organization).status == "replaced"


def test_a_published_version_cannot_be_edited(world: World) -> None:
    client = signed_in(world.admin)
    prompt = published(world)
    url = f"/prompts/promptversion/{prompt.pk}/change/"
    page = body(client.get(url))
    assert "New draft from this" in page
    assert "Save" not in page
    assert client.post(url, {"instructions": "changed"}).status_code == 403
    assert client.post(f"/prompts/promptversion/{prompt.pk}/delete/", {"post": "yes"}).status_code == 403
    assert published(world).instructions == "zebra prompt text"


def test_a_new_draft_starts_from_what_is_published(world: World) -> None:
    client = signed_in(world.admin)
    assert "zebra prompt text" in body(client.get("/prompts/promptversion/add/"))
    foreign = PromptVersion.objects.get(organization=world.other)
    page = body(client.get(f"/prompts/promptversion/add/?from={foreign.pk}"))
    assert "heron prompt text" not in page


def test_save_and_publish_in_one_go(world: World) -> None:
    data = {
        "organization": world.organization.pk,
        "instructions": "New.",
        "prompts_promptversion_publish": "",
    }
    signed_in(world.admin).post("/prompts/promptversion/add/", data)
    assert published(world).instructions == "New."
    assert PromptVersion.objects.filter(organization=world.organization).count() == 2


def test_a_canned_prompt_is_edited_and_says_when_it_counts(world: World) -> None:
    client = signed_in(world.admin)
    canned = CannedPrompt.objects.get(organization=world.organization)
    data = {"question": "How much?", "answer": "250 €.", "is_active": "on"}
    response = client.post(f"/prompts/cannedprompt/{canned.pk}/change/", data, follow=True)
    assert "It takes effect with the next message." in body(response)
    canned.refresh_from_db()
    assert canned.answer == "250 €."


def test_new_canned_prompts_come_last(world: World) -> None:
    client = signed_in(world.admin)
    first = CannedPrompt.objects.get(organization=world.organization)
    data = {"organization": world.organization.pk, "question": "Q", "answer": "A", "is_active": "on"}
    client.post("/prompts/cannedprompt/add/", data)
    assert CannedPrompt.objects.get(question="Q").position == first.position + 1


def test_canned_prompts_are_switched_off_in_the_list(world: World) -> None:
    canned = CannedPrompt.objects.get(organization=world.organization)
    data = {
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": str(canned.pk),
        "form-0-position": "5",
        "_save": "Save",
    }
    response = signed_in(world.admin).post("/prompts/cannedprompt/", data, follow=True)
    assert "It takes effect with the next message." in body(response)
    canned.refresh_from_db()
    assert (canned.is_active, canned.position) == (False, 5)


def test_a_question_stands_once(world: World) -> None:
    canned = CannedPrompt.objects.create(organization=world.organization, question="Q", answer="A")
    data = {"question": "zebra canned question", "answer": "A", "is_active": "on"}
    response = signed_in(world.admin).post(f"/prompts/cannedprompt/{canned.pk}/change/", data)
    assert "already exists" in body(response)


@pytest.mark.parametrize(
    ("choices", "problem"),
    [
        ("\n".join("abcdefghijk"), "There are 11 choices: platforms show at most 10."),
        ("Prices\n" + "x" * 21, "has 21 characters: platforms show at most 20"),
        ("🦷" * 11, "has 22 characters"),
        ("Prices\n prices ", "“prices” stands there twice."),
    ],
)
def test_choices_that_some_platform_cannot_show_are_refused(choices: str, problem: str, world: World) -> None:
    canned = CannedPrompt.objects.get(organization=world.organization)
    data = {"organization": world.organization.pk, "question": "Q", "answer": "A", "choices": choices}
    address = f"/prompts/cannedprompt/{canned.pk}/change/"
    assert problem in body(signed_in(world.admin).post(address, data))


def test_choices_are_entered_one_a_line(world: World) -> None:
    canned = CannedPrompt.objects.get(organization=world.organization)
    data = {"organization": world.organization.pk, "question": "Q", "answer": "A"}
    data |= {"choices": " Opening hours\r\n\r\n" + "🦷" * 10}
    signed_in(world.admin).post(f"/prompts/cannedprompt/{canned.pk}/change/", data)
    canned.refresh_from_db()
    assert canned.offered == ["Opening hours", "🦷" * 10]
