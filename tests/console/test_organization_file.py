# ruff: noqa: E501 - a file and its mistake read best in one line
"""Configuration as code: organizations from files and back."""

from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.test import TestCase

from console.channels.models import Channel
from console.organizations.models import Organization, Translation
from console.organizations.organization_file import SETTINGS, parse
from console.prompts.models import CannedPrompt, PromptVersion
from hub_lambdas import queues
from tests import factories
from tests.console.conftest import TOKEN, Semaphore, World
from tests.fakes.sqs import FakeSqs

ROOT = Path(__file__).parent.parent.parent
DEMO = ROOT / "demo" / "dental-clinic.yaml"
FORMAT = ROOT / "docs" / "organization_file.md"

FILE = """\
slug: hill
name: Hill Station
handover_after_seconds: 30
prompt: |
  You keep the hill.
  Be brief.
canned_prompts:
  - question: Who are you?
    answer: The hill.
    choices: [Way up, Way down]
  - question: Are you open?
    answer: Always.
channels:
  - kind: semaphore
    name: Top
    bot: drafts
    tells_contacts: false
    options:
      greeting: Ahoy
      flags: [red, blue]
      at_night: true
    credentials:
      token:
        env: HILL_TOKEN
"""


@pytest.fixture(autouse=True)
def _kind(semaphore: Semaphore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HILL_TOKEN", "right")


def run_import(tmp_path: Path, text: str) -> list[str]:
    """The lines that an import prints."""
    file = tmp_path / "hill.yaml"
    file.write_text(text, encoding="utf-8")
    output = StringIO()
    call_command("import_organization", str(file), stdout=output, stderr=output)
    return output.getvalue().splitlines()


def run_export(slug: str) -> str:
    output = StringIO()
    call_command("export_organization", slug, stdout=output)
    return output.getvalue()


@pytest.mark.django_db
def test_a_file_makes_an_organization(tmp_path: Path, semaphore: Semaphore) -> None:
    assert run_import(tmp_path, FILE)[0] == "organization hill: created"
    organization = Organization.objects.get(slug="hill")
    assert (organization.name, organization.handover_after_seconds) == ("Hill Station", 30)
    assert (
        organization.prompt_versions.get(status="published").instructions == "You keep the hill.\nBe brief."
    )
    questions = organization.canned_prompts.values_list("question", "position")
    assert list(questions) == [("Who are you?", 1), ("Are you open?", 2)]
    assert organization.canned_prompts.get(position=1).offered == ["Way up", "Way down"]
    channel = organization.channels.get()
    assert channel.credentials == {"token": "right", "webhook_secret": "made-by-the-hub-0"}
    assert channel.options == {"greeting": "Ahoy", "flags": ["red", "blue"], "at_night": True}
    assert (channel.bot, channel.tells_contacts) == ("drafts", False)
    assert channel.account == "@semaphore_station"
    assert len(semaphore.registered) == 1


@pytest.mark.django_db
def test_a_second_import_changes_nothing(tmp_path: Path, semaphore: Semaphore) -> None:
    run_import(tmp_path, FILE)
    assert run_import(tmp_path, FILE) == ["unchanged"]
    assert PromptVersion.objects.count() == 1
    assert len(semaphore.registered) == 1


@pytest.mark.django_db
def test_there_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_import(tmp_path, FILE)
    CannedPrompt.objects.filter(question="Are you open?").update(is_active=False)
    CannedPrompt.objects.filter(question="Who are you?").update(position=17, answer="Ä: 'x' # y\n\n- z\n")
    text = run_export("hill")
    monkeypatch.delenv("HILL_TOKEN")
    assert run_import(tmp_path, text) == ["canned prompt 'Who are you?': changed"]  # its ends are trimmed
    text = run_export("hill")
    assert run_import(tmp_path, text) == ["unchanged"]
    Organization.objects.get(slug="hill").channels.all().delete()
    with pytest.raises(CommandError, match="environment variable HILL_SEMAPHORE_TOP_TOKEN is not set"):
        run_import(tmp_path, text)


def test_an_export_has_no_secret(world: World) -> None:
    text = run_export("zebra-clinic")
    assert TOKEN not in text
    assert "zebra-webhook-secret" not in text
    assert yaml.safe_load(text)["channels"][0]["credentials"] == {
        "bot_token": {"env": "ZEBRA_CLINIC_TELEGRAM_ZEBRA_LINE_BOT_TOKEN"}
    }


@pytest.mark.django_db
def test_what_changed_is_said(tmp_path: Path, semaphore: Semaphore) -> None:
    run_import(tmp_path, FILE)
    text = FILE.replace("30", "45").replace("Be brief.", "Be kind.").replace("Always.", "Never.")
    text = text.replace("Who are you?", "Who is there?").replace("Ahoy", "Hoy")
    assert run_import(tmp_path, text) == [
        "organization hill: handover_after_seconds changed",
        "prompt: v2 published",
        "canned prompt 'Who is there?': added",
        "canned prompt 'Are you open?': changed",
        "canned prompt 'Who are you?': deactivated, for it is not in the file",
        "channel 'Top' (semaphore): changed",
    ]
    assert run_import(tmp_path, text) == ["unchanged"]
    assert len(semaphore.registered) == 2


EVERYTHING = """\
slug: hill
name: Hill Station
is_active: true
language: fr
other_languages: [de, "no", pt-br]
time_zone: Europe/Zurich
business_hours:
  monday: 09:00-13:00, 14:00-18:00
  saturday: 22:00-02:00
closed_dates: ["2026-12-24", "12-25 Christmas"]
after_hours: hand_over
away_text: Back {{back}}.
handover_on_request: false
request_phrases: [kto zywy]
handover_words: [refund, money back]
handover_topics:
  Complaint: [not happy, bad]
handover_after_turns: 5
retention_days: 400
burst_window_seconds: 2.5
max_answer_tokens: 99
holding_line: ""
handover_after_seconds: 45
fallback: Soon.
return_to_bot_after_minutes: null
late_after_minutes: 7
late_policy: hand_over
apology: Sorry, late.
media_policy: explain
media_line: Words, please.
unknown_delivery: send_again
contact_messages_per_minute: 5
contact_answers_per_day: null
turns_per_minute: 300
answers_per_day: 4000
limit_line: Slowly, please.
busy_line: ""
asks_for_feedback: true
translations:
  de:
    fallback: Gleich.
    holding_line: |-
      Einen Moment:
      ich sehe nach.
  "no":
    apology: Beklager.
  pt-br:
    busy_line: Muita gente, por favor espere.
    limit_line: Devagar, por favor.
    media_line: Só texto, por favor.
canned_prompts: []
channels: []
"""


@pytest.mark.django_db
def test_every_setting_and_translation_goes_there_and_back(tmp_path: Path) -> None:
    run_import(tmp_path, EVERYTHING)
    organization = Organization.objects.get(slug="hill")
    assert (organization.late_policy, organization.unknown_delivery) == ("hand_over", "send_again")
    assert (organization.holding_line, organization.contact_answers_per_day) == ("", None)
    assert organization.text(Translation.Purpose.APOLOGY, "no") == "Beklager."
    assert organization.text(Translation.Purpose.LIMIT_LINE, "pt_BR") == "Devagar, por favor."
    assert (organization.media_policy, organization.media_line) == ("explain", "Words, please.")
    text = run_export("hill")
    assert yaml.safe_load(text) == yaml.safe_load(EVERYTHING)
    assert run_import(tmp_path, text) == ["unchanged"]
    Organization.objects.all().delete()
    run_import(tmp_path, text)
    assert run_export("hill") == text


def test_a_file_can_speak_of_every_setting() -> None:
    """What the console offers and the file does not would be lost on the way to another installation."""
    own = {field.name for field in Organization._meta.get_fields() if getattr(field, "editable", False)}
    assert set(SETTINGS) == own - {"id", "slug"}
    assert set(yaml.safe_load(EVERYTHING)) >= set(SETTINGS)
    for name in SETTINGS:
        assert f"`{name}`" in FORMAT.read_text(encoding="utf-8"), name


@pytest.mark.django_db
def test_translations_follow_the_file(tmp_path: Path) -> None:
    run_import(tmp_path, EVERYTHING)
    text = EVERYTHING.replace("Gleich.", "Sofort.").replace('"no"', "nn")
    assert run_import(tmp_path, text) == [
        "organization hill: other_languages changed",
        "translation de.fallback: changed",
        "translation nn.apology: added",
        "translation no.apology: removed, for it is not in the file",
    ]
    assert run_import(tmp_path, text) == ["unchanged"]
    assert run_import(tmp_path, "slug: hill\nname: Hill Station\n") == ["unchanged"]
    assert Translation.objects.count() == 6
    assert Organization.objects.get().text(Translation.Purpose.FALLBACK, "de") == "Sofort."
    Organization.objects.update(other_languages=["nn"])  # no longer offered, and kept
    assert Organization.objects.get().text(Translation.Purpose.FALLBACK, "de") == "Soon."
    run_import(tmp_path, "slug: hill\nname: Hill Station\ntranslations: {}\n")
    assert not Translation.objects.exists()


@pytest.mark.django_db
def test_a_credential_from_a_file_repairs_a_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqs: FakeSqs
) -> None:
    run_import(tmp_path, FILE)
    channel = Channel.objects.get()
    Channel.objects.update(status="paused", status_reason="The token is wrong.")
    conversation = factories.make_conversation(channel)
    factories.make_inbound(conversation)
    monkeypatch.setenv("HILL_TOKEN", "newer")
    with TestCase.captureOnCommitCallbacks(execute=True):
        lines = run_import(tmp_path, FILE)
    assert "channel 'Top': active again, 1 that waited on the way now" in lines
    assert len(sqs.bodies(queues.WAKEUPS)) == 1


@pytest.mark.django_db
def test_what_the_file_does_not_speak_of_stays(tmp_path: Path) -> None:
    run_import(tmp_path, FILE)
    assert run_import(tmp_path, "slug: hill\nname: Hill Station\n") == ["unchanged"]
    assert Channel.objects.count() == 1
    assert CannedPrompt.objects.filter(is_active=True).count() == 2


@pytest.mark.django_db
def test_a_platform_that_refuses_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HILL_TOKEN", "wrong")
    assert "warning: channel 'Top': The platform does not accept the token" in "\n".join(
        run_import(tmp_path, FILE)
    )
    assert Channel.objects.get().status_reason


MISTAKES = [
    ("slug: x\nname: X\nhandover_after_secnds: 9\n", 3, "handover_after_secnds is unknown: did you mean handover_after_seconds"),
    ("slug: x\nname: X\nhandover_after_seconds: 3\n", 3, "handover_after_seconds: Ensure this value is greater"),
    ("slug: x\nname: X\nhandover_after_seconds: soon\n", 3, "handover_after_seconds must be a whole number"),
    ("slug: x\nname: X\nis_active: 1\n", 3, "is_active must be true or false"),
    ("slug: x\nname: 3\n", 2, "name must be text (put it in quotes)"),
    ("slug: x\nname: 2026-99-99\n", 2, "name must be text"),
    ("slug: not a slug\nname: X\n", 1, "slug: Enter a valid"),
    ("name: X\n", 1, "slug is missing"),
    ("slug: x\nname: X\nname: Y\n", 3, "name is there twice"),
    ("slug: x\nname: X\nprompt: ''\n", 3, "prompt: This field cannot be blank"),
    ("slug: x\nname: X\ncanned_prompts:\n- question: a\n  answer: b\n- question: c\n", 6, "canned_prompts[1].answer is missing"),
    ("slug: x\nname: X\ncanned_prompts:\n- question: a\n  answer: b\n- question: a\n  answer: c\n", 6, "stands in line 4 already"),
    ("slug: x\nname: X\ncanned_prompts:\n- question: a\n  anwser: b\n", 5, "canned_prompts[0].anwser is unknown: did you mean answer?"),
    ("slug: x\nname: X\ncanned_prompts:\n- question: a\n  answer: b\n  choices: [a, A]\n", 6, "“A” stands there twice"),
    ("slug: x\nname: X\ncanned_prompts:\n- question: a\n  answer: b\n  choices: yes\n", 6, "choices must be a list"),
    ("slug: x\nname: X\ncanned_prompts: none\n", 3, "canned_prompts must be a list"),
    ("slug: x\nname: X\nchannels:\n- kind: pigeons\n  name: n\n", 4, "'pigeons' is no channel kind"),
    ("slug: x\nname: X\nchannels:\n- kind: semaphore\n  name: n\n", 5, "the channel needs credentials.token"),
    ("slug: x\nname: X\nchannels:\n- kind: semaphore\n  name: n\n  credentials:\n    token: {env: NO_SUCH_VARIABLE}\n", 7, "NO_SUCH_VARIABLE is not set"),
    ("slug: x\nname: X\nchannels:\n- kind: semaphore\n  name: n\n  options:\n    flags: red\n", 7, "options.flags must be a list"),
    ("slug: x\nname: X\nchannels:\n- kind: semaphore\n  name: n\n  options:\n    at_night: maybe\n", 7, "options.at_night must be true or false"),
    ("slug: x\nname: X\nchannels:\n- kind: semaphore\n  name: n\n  options:\n    greetin: red\n", 7, "did you mean greeting?"),
    ("slug: x\nname: X\nlate_policy: shrug\n", 3, "late_policy: Value 'shrug' is not a valid choice"),
    ("slug: x\nname: X\ncontact_answers_per_day: 0\n", 3, "contact_answers_per_day: Ensure this value is greater"),
    ("slug: x\nname: X\nbusiness_hours:\n  moonday: 9-17\n", 4, "business_hours.moonday is unknown: did you mean monday?"),
    ("slug: x\nname: X\nbusiness_hours:\n  monday: 9 to 5\n", 4, "“9 to 5” is no time span"),
    ("slug: x\nname: X\nclosed_dates: [2026-12-24, 2026-13-24]\n", 3, "There is no date 2026-13-24."),
    ("slug: x\nname: X\nhandover_topics: [a]\n", 3, "handover_topics must be a mapping"),
    ("slug: x\nname: X\nhandover_topics:\n  A: []\n", 4, "“A:” is no topic"),
    ("slug: x\nname: X\nchannels:\n- kind: semaphore\n  name: n\n  bot: sings\n", 6, "bot: Value 'sings' is not a valid choice"),
    ("slug: x\nname: X\ntime_zone: Middle/Earth\n", 3, "There is no time zone “Middle/Earth”"),
    ("slug: x\nname: X\nretention_days: 0\n", 3, "retention_days: Ensure this value is greater"),
    ("slug: x\nname: X\nother_languages: de\n", 3, "other_languages must be a list"),
    ("slug: x\nname: X\nother_languages: [de, de]\n", 3, "de stands there twice"),
    ("slug: x\nname: X\nother_languages: [de]\nlanguage: de\n", 3, "de is the organization's own language"),
    ("slug: x\nname: X\nother_languages: [fr]\ntranslations:\n  de:\n    fallback: Ja\n", 6, "name de in other_languages, too"),
    ("slug: x\nname: X\nfallback: null\n", 3, "fallback must be text"),
    ("slug: x\nname: X\nfallback: ''\n", 3, "fallback: This field cannot be blank"),
    ("slug: x\nname: X\nturns_per_minute: []\n", 3, "turns_per_minute must be a whole number"),
    ("slug: x\nname: X\ntranslations:\n  de:\n    fallbck: Ja\n", 5, "translations.de.fallbck is unknown: did you mean fallback?"),
    ("slug: x\nname: X\ntranslations:\n  de:\n    fallback: Ja\n    apology: 5\n", 6, "translations.de.apology must be text"),
    ("slug: x\nname: X\ntranslations:\n  de:\n    fallback: ''\n", 5, "translations.de.fallback: This field cannot be blank"),
    ("slug: x\nname: X\ntranslations:\n  Deutsch!:\n    fallback: Ja\n", 5, "Write a language as de or pt-br."),
    ("slug: x\nname: X\ntranslations:\n  de: Ja\n", 4, "translations.de must be a mapping"),
    ("slug: x\nname: X\ntranslations:\n  de:\n    fallback: Ja\n  de:\n    fallback: Nein\n", 6, "translations.de is there twice"),
    ("slug: x\nname: [\n", 3, "this is not YAML"),
    ("- slug\n", 1, "the file must be a mapping"),
    ("", 1, "the file is empty"),
    ("name: \x01\n", 1, "this is not YAML"),
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(("text", "line", "problem"), MISTAKES)
def test_a_mistake_is_named_with_its_line(text: str, line: int, problem: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        run_import(tmp_path, text)
    assert str(caught.value).startswith(f"hill.yaml, line {line}: ")
    assert problem in str(caught.value)
    assert not Organization.objects.exists()


@pytest.mark.django_db
def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_organization", str(tmp_path / "absent.yaml"))
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    with pytest.raises(CommandError, match="is not UTF-8"):
        call_command("import_organization", str(tmp_path / "latin.yaml"))


@pytest.mark.django_db
def test_an_unknown_organization() -> None:
    with pytest.raises(CommandError, match="There is no organization 'nobody'"):
        run_export("nobody")


@pytest.mark.django_db
def test_the_demo_organization(tmp_path: Path) -> None:
    text = DEMO.read_text(encoding="utf-8")
    file = parse(DEMO.name, text)
    assert file.slug == "bright-smile"
    assert len(file.canned_prompts or []) >= 14
    assert file.prompt is not None
    assert "Bright Smile Dental" in file.prompt
    run_import(tmp_path, text)
    assert run_import(tmp_path, run_export("bright-smile")) == ["unchanged"]
    output = StringIO()
    call_command("chat_urls", stdout=output)
    channel = Channel.objects.get(kind="webchat")
    assert output.getvalue().strip().endswith(f"/webchat/{channel.pk}")
