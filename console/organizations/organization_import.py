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
from console.prompts.models import CannedPrompt, PromptVersion
from hub_lambdas.channels import KINDS


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
    if file.prompt is not None:
        _apply_prompt(outcome, file.prompt)
    if file.canned_prompts is not None:
        _apply_canned_prompts(outcome, file.canned_prompts)
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
    """What the file says is all there is."""
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


def _apply_prompt(outcome: Outcome, instructions: str) -> None:
    versions = PromptVersion.objects.filter(organization=outcome.organization)
    published = versions.filter(status=PromptVersion.Status.PUBLISHED).first()
    if published and published.instructions.strip() == instructions:
        return
    prompt = PromptVersion(organization=outcome.organization, instructions=instructions)
    prompt.save()
    prompt.publish()
    outcome.changes.append(f"prompt: v{prompt.number} published")


def _apply_canned_prompts(outcome: Outcome, entries: Sequence[CannedPromptEntry]) -> None:
    stored = {each.question: each for each in CannedPrompt.objects.filter(organization=outcome.organization)}
    wanted = [entry.question for entry in entries]
    is_in_order = [question for question in stored if question in set(wanted)] == wanted
    for position, entry in enumerate(entries, start=1):
        canned_prompt = stored.get(entry.question)
        if canned_prompt is None:
            canned_prompt = CannedPrompt(organization=outcome.organization, question=entry.question)
        keep = is_in_order and canned_prompt.pk is not None
        new = {
            "also_asked": "\n".join(entry.also_asked),
            "answer": entry.answer,
            "choices": "\n".join(entry.choices),
            "is_active": entry.is_active,
            "position": canned_prompt.position if keep else position,
        }
        if canned_prompt.pk and all(getattr(canned_prompt, name) == value for name, value in new.items()):
            continue
        outcome.changes.append(
            f"canned prompt {entry.question!r}: {'changed' if canned_prompt.pk else 'added'}"
        )
        for name, value in new.items():
            setattr(canned_prompt, name, value)
        canned_prompt.save()
    for question, canned_prompt in stored.items():
        if question not in wanted and canned_prompt.is_active:
            canned_prompt.is_active = False
            canned_prompt.save(update_fields=["is_active", "updated_at"])
            outcome.changes.append(f"canned prompt {question!r}: deactivated, for it is not in the file")


def _apply_channel(outcome: Outcome, entry: ChannelEntry, environment: Mapping[str, str]) -> None:
    channel = Channel.objects.filter(
        organization=outcome.organization, kind=entry.kind, name=entry.name
    ).first()
    is_new = channel is None
    channel = channel or Channel(organization=outcome.organization, kind=entry.kind, name=entry.name)
    options = channel.options if entry.options is None else dict(entry.options)
    credentials = _credentials(channel, entry, environment)
    if not is_new and (options, credentials) == (channel.options, channel.credentials):
        return
    channel.options, channel.credentials = options, credentials
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
