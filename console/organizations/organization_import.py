"""Bringing the database to what an organization's file says. A second time changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from console.channels.connection import add_own_secrets, is_to_connect
from console.channels.models import Channel
from console.organizations.models import Organization, Translation
from console.organizations.organization_file import (
    CannedPromptEntry,
    ChannelEntry,
    FromEnvironment,
    OrganizationFile,
    Translations,
)
from console.prompts.drafts import published_of
from console.prompts.models import CannedPrompt, PromptVersion, live_canned
from hub_lambdas.channels import KINDS

FROM_FILE = "From the organization's file."
"""The note of a version that an import has published."""


@dataclass
class Outcome:
    """What an import changed, one sentence each, and the channels to connect once it is committed."""

    organization: Organization
    changes: list[str] = field(default_factory=list)
    to_connect: list[Channel] = field(default_factory=list)


@transaction.atomic
def apply(file: OrganizationFile, environment: Mapping[str, str]) -> Outcome:
    """Import `file`; credentials that it leaves to the environment are read from `environment`."""
    outcome = _apply_settings(file)
    if file.translations is not None:
        _apply_translations(outcome, file.translations)
    _apply_prompt(outcome, file)
    for entry in file.channels:
        _apply_channel(outcome, entry, environment)
    return outcome


def _apply_settings(file: OrganizationFile) -> Outcome:
    organization, is_new = Organization.objects.select_for_update().get_or_create(
        slug=file.slug, defaults=dict(file.settings)
    )
    if is_new:
        return Outcome(organization, [f"organization {file.slug}: created"])
    changed = [name for name, value in file.settings.items() if getattr(organization, name) != value]
    if not changed:
        return Outcome(organization)
    for name in changed:
        setattr(organization, name, file.settings[name])
    organization.save(update_fields=changed)
    return Outcome(organization, [f"organization {file.slug}: {', '.join(changed)} changed"])


def _apply_translations(outcome: Outcome, wanted: Translations) -> None:
    """What the file says is all there is. Its languages are offered."""
    _offer(outcome.organization, sorted({language for language, _ in wanted}))
    stored = {(each.language, each.purpose): each for each in outcome.organization.translations.all()}
    for (language, purpose), text in wanted.items():
        translation = stored.pop((language, purpose), None)
        if translation is not None and translation.text == text:
            continue
        outcome.changes.append(f"translation {language}.{purpose}: {'changed' if translation else 'added'}")
        Translation.objects.update_or_create(
            organization=outcome.organization, language=language, purpose=purpose, defaults={"text": text}
        )
    for (language, purpose), translation in stored.items():
        translation.delete()
        outcome.changes.append(f"translation {language}.{purpose}: removed, for it is not in the file")


def _offer(organization: Organization, languages: Sequence[str]) -> None:
    missing = [each for each in languages if each not in organization.other_languages]
    if missing:
        organization.other_languages = [*organization.other_languages, *missing]
        organization.save(update_fields=["other_languages"])


def _apply_prompt(outcome: Outcome, file: OrganizationFile) -> None:
    """Publish what the file tells the LLM as a version of its own, where that is something else."""
    published = published_of(outcome.organization)
    version = PromptVersion(
        organization=outcome.organization,
        instructions=published.instructions if published else "",
        note=FROM_FILE,
    )
    stored = list(live_canned(outcome.organization.pk))
    version.canned, changes = _canned_prompts(stored, file.canned_prompts)
    is_told_otherwise = file.prompt not in (None, version.instructions.strip())
    if is_told_otherwise:
        version.instructions = file.prompt or ""
    if is_told_otherwise or changes:
        version.save()
        version.publish()
    if is_told_otherwise:
        outcome.changes.append(f"prompt: v{version.number} published")
    outcome.changes += changes


def _canned_prompts(
    stored: Sequence[CannedPrompt], entries: Sequence[CannedPromptEntry] | None
) -> tuple[list[CannedPrompt], list[str]]:
    """What is to be published, and what that changes, one sentence each. What the file leaves out is kept
    behind the others, inactive; a file that says nothing of canned prompts changes none."""
    if entries is None:
        return list(stored), []
    left = {each.question: each for each in stored}
    named = {entry.question for entry in entries}
    order = [each.question for each in stored if each.question in named]
    changes: list[str] = []
    wanted: list[CannedPrompt] = []
    for entry in entries:
        canned_prompt = left.pop(entry.question, None)
        is_new = canned_prompt is None
        canned_prompt = canned_prompt or CannedPrompt(question=entry.question)
        before = canned_prompt.content
        canned_prompt.also_asked = "\n".join(entry.also_asked)
        canned_prompt.answer, canned_prompt.choices = entry.answer, "\n".join(entry.choices)
        canned_prompt.is_active = entry.is_active
        if is_new or canned_prompt.content != before:
            changes.append(f"canned prompt {entry.question!r}: {'added' if is_new else 'changed'}")
        wanted.append(canned_prompt)
    if order != [entry.question for entry in entries if entry.question in order]:
        changes.append("canned prompts: in another order")
    for question, canned_prompt in left.items():
        if canned_prompt.is_active:
            canned_prompt.is_active = False
            changes.append(f"canned prompt {question!r}: deactivated, for it is not in the file")
    return [*wanted, *left.values()], changes


def _apply_channel(outcome: Outcome, entry: ChannelEntry, environment: Mapping[str, str]) -> None:
    channel = Channel.objects.filter(
        organization=outcome.organization, kind=entry.kind, name=entry.name
    ).first()
    is_new = channel is None
    channel = channel or Channel(organization=outcome.organization, kind=entry.kind, name=entry.name)
    options = channel.options if entry.options is None else dict(entry.options)
    credentials = _credentials(channel, entry, environment)
    wanted = {"options": options, "credentials": credentials, **entry.settings}
    if not is_new and all(getattr(channel, name) == value for name, value in wanted.items()):
        return
    for name, value in wanted.items():
        setattr(channel, name, value)
    add_own_secrets(channel)
    channel.save()
    outcome.changes.append(f"channel {entry.name!r} ({entry.kind}): {'added' if is_new else 'changed'}")
    if is_to_connect(channel):
        outcome.to_connect.append(channel)


def _credentials(channel: Channel, entry: ChannelEntry, environment: Mapping[str, str]) -> dict[str, str]:
    """What is stored, with what the file or the environment gives in its place."""
    credentials = dict(channel.credentials)
    required = {each.name for each in KINDS[entry.kind].fields if each.required}
    for name, value in entry.credentials.items():
        if not isinstance(value, FromEnvironment):
            credentials[name] = value
        elif environment.get(value.name):
            credentials[name] = environment[value.name]
        elif name in required and not credentials.get(name):
            entry.credential_places[name].fail(f"the environment variable {value.name} is not set.")
    for name in sorted(required):
        if not credentials.get(name):
            entry.place.fail(f"the channel needs credentials.{name}.")
    return credentials
