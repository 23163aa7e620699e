"""An organization as a YAML file: settings, translations, the prompt, canned prompts and channels."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml
from django.core.exceptions import ValidationError
from django.db.models import Model

from console.channels.models import Channel
from console.organizations.models import Organization, Translation
from console.organizations.yaml_sections import FileError, Place, Section, read
from console.organizations.yaml_settings import CHANNEL_SETTINGS, SETTINGS
from console.prompts.models import CannedPrompt, PromptVersion
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import Field

Translations = Mapping[tuple[str, str], str]
"""Texts by (language, purpose)."""
_CANNED_PROMPT_KEYS = ("question", "also_asked", "answer", "choices", "active")
_KEYS = ("slug", *SETTINGS, "translations", "prompt", "canned_prompts", "channels")


@dataclass(frozen=True)
class FromEnvironment:
    """A credential that stands in an environment variable instead of in the file."""

    name: str


@dataclass(frozen=True)
class CannedPromptEntry:
    """One canned prompt of the file."""

    question: str
    also_asked: Sequence[str]
    answer: str
    choices: Sequence[str]
    is_active: bool


@dataclass(frozen=True)
class ChannelEntry:
    """One channel of the file. `options` is None where the file says nothing of them; `settings` has what it
    says of what the hub does there."""

    kind: str
    name: str
    options: Mapping[str, Any] | None
    settings: Mapping[str, Any]
    credentials: Mapping[str, str | FromEnvironment]
    place: Place
    credential_places: Mapping[str, Place]


@dataclass(frozen=True)
class OrganizationFile:
    """What a file says. None means that it says nothing of it."""

    slug: str
    settings: Mapping[str, Any]
    translations: Translations | None = None
    prompt: str | None = None
    canned_prompts: Sequence[CannedPromptEntry] | None = None
    channels: Sequence[ChannelEntry] = field(default_factory=tuple)


# --- reading ------------------------------------------------------------------------------------------------


def parse(source: str, text: str) -> OrganizationFile:
    """The contents of a file named `source`; FileError with the line of the first mistake."""
    root = read(source, text, _KEYS)
    root.demand("slug", "name")
    settings = {name: _setting(root, name) for name in SETTINGS if name in root}
    slug = root.value("slug", str)
    organization = Organization(slug=slug, **settings)
    _validate(organization, root)
    with _mistakes_in(root):
        organization.clean()
    return OrganizationFile(
        slug=slug,
        settings=settings,
        translations=_translations(root, settings.get("other_languages")) if "translations" in root else None,
        prompt=_prompt(root) if "prompt" in root else None,
        canned_prompts=_canned_prompts(root) if "canned_prompts" in root else None,
        channels=_channels(root) if "channels" in root else (),
    )


def _setting(root: Section, name: str) -> Any:
    """The value of a setting; None (null in the file) where it may be without one."""
    if root.is_empty(name) and Organization._meta.get_field(name).null:
        return None
    return SETTINGS[name].read(root, name)


def _translations(root: Section, offered: Sequence[str] | None) -> Translations:
    """`offered`: the further languages, where the file names them; else those of the translations are."""
    found: dict[tuple[str, str], str] = {}
    languages = root.section("translations", known=None)
    for language in languages.nodes:
        if offered is not None and language not in offered:
            languages.at(language).fail(f"translations.{language}: name {language} in other_languages, too.")
        texts = languages.section(language, Translation.Purpose.values)
        for purpose in texts.nodes:
            text = texts.value(purpose, str).strip()
            translation = Translation(purpose=purpose, language=language, text=text)
            _validate(translation, texts, {"text": purpose, "language": purpose})
            found[language, purpose] = text
    return found


def _prompt(root: Section) -> str:
    instructions = root.value("prompt", str).strip()
    _validate(PromptVersion(instructions=instructions), root, {"instructions": "prompt"})
    return instructions


def _canned_prompts(root: Section) -> list[CannedPromptEntry]:
    entries: list[CannedPromptEntry] = []
    seen: dict[str, int] = {}
    for section in root.sections("canned_prompts", _CANNED_PROMPT_KEYS):
        section.demand("question", "answer")
        active = section.value("active", bool) if "active" in section else True
        entry = CannedPromptEntry(
            question=section.value("question", str).strip(),
            also_asked=_list(section, "also_asked"),
            answer=section.value("answer", str).strip(),
            choices=_list(section, "choices"),
            is_active=active,
        )
        _validate(
            CannedPrompt(
                question=entry.question,
                also_asked="\n".join(entry.also_asked),
                answer=entry.answer,
                choices="\n".join(entry.choices),
            ),
            section,
        )
        line = section.at("question").line
        if entry.question in seen:
            section.at("question").fail(f"this question stands in line {seen[entry.question]} already.")
        seen[entry.question] = line
        entries.append(entry)
    return entries


def _list(section: Section, key: str) -> list[str]:
    """The texts in the list at `key`, none where it is absent."""
    return [text.strip() for text in section.texts(key)] if key in section else []


def _channels(root: Section) -> list[ChannelEntry]:
    entries: list[ChannelEntry] = []
    for section in root.sections("channels", ("kind", "name", *CHANNEL_SETTINGS, "options", "credentials")):
        section.demand("kind", "name")
        entry = _channel(section)
        if any((entry.kind, entry.name) == (other.kind, other.name) for other in entries):
            section.at("name").fail(f"there are two {entry.kind} channels of this name.")
        entries.append(entry)
    return entries


def _channel(section: Section) -> ChannelEntry:
    kind_name, name = section.value("kind", str), section.value("name", str).strip()
    if kind_name not in KINDS:
        section.at("kind").fail(f"{kind_name!r} is no channel kind: use one of {', '.join(sorted(KINDS))}.")
    settings = {key: shape.read(section, key) for key, shape in CHANNEL_SETTINGS.items() if key in section}
    _validate(Channel(kind=kind_name, name=name, **settings), section)
    kind = KINDS[kind_name]
    options: dict[str, Any] | None = None
    if "options" in section:
        given = section.section("options", [each.name for each in kind.options])
        options = {each.name: _option(given, each) for each in kind.options if each.name in given}
        options = {key: value for key, value in options.items() if value}
    credentials: dict[str, str | FromEnvironment] = {}
    places: dict[str, Place] = {}
    if "credentials" in section:
        given = section.section("credentials", [each.name for each in kind.fields])
        credentials = {key: _credential(given, key) for key in given.nodes}
        places = {key: given.at(key) for key in given.nodes}
    return ChannelEntry(kind_name, name, options, settings, credentials, section.at("name"), places)


def _option(section: Section, option: Field) -> Any:
    match option.shape:
        case "switch":
            return section.value(option.name, bool)
        case "list":
            return section.texts(option.name)
        case "text":
            return section.value(option.name, str).strip()


def _credential(section: Section, key: str) -> str | FromEnvironment:
    if section.is_section(key):
        variable = section.section(key, ("env",))
        variable.demand("env")
        return FromEnvironment(variable.value("env", str))
    return section.value(key, str)


def _validate(instance: Model, section: Section, keys: Mapping[str, str] | None = None) -> None:
    """Hold what the section says to the model's own rules."""
    with _mistakes_in(section, keys):
        instance.clean_fields(
            exclude=[each.name for each in instance._meta.fields if not _is_named(each.name, section, keys)]
        )


@contextmanager
def _mistakes_in(section: Section, keys: Mapping[str, str] | None = None) -> Iterator[None]:
    """What a model objects to is a mistake of the section."""
    try:
        yield
    except ValidationError as error:
        name, problems = next(iter(error.message_dict.items()))
        key = (keys or {}).get(name, name)
        place = section.at(key)
        place.fail(f"{place.path}: {' '.join(problems)}")


def _is_named(field_name: str, section: Section, keys: Mapping[str, str] | None) -> bool:
    return (keys or {}).get(field_name, field_name) in section


# --- writing ------------------------------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and lists indented below their name."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump(organization: Organization) -> str:
    """The file of an organization. Credentials are not in it, only names of variables to put them in."""
    content: dict[str, Any] = {"slug": organization.slug}
    content |= {name: shape.write(getattr(organization, name)) for name, shape in SETTINGS.items()}
    if translations := _translation_entries(organization):
        content["translations"] = translations
    prompt = PromptVersion.objects.filter(
        organization=organization, status=PromptVersion.Status.PUBLISHED
    ).first()
    if prompt:
        content["prompt"] = prompt.instructions
    content["canned_prompts"] = [_canned_prompt_entry(each) for each in organization.canned_prompts.all()]
    channels = organization.channels.exclude(status=Channel.Status.RETIRED)
    content["channels"] = [_channel_entry(channel) for channel in channels if channel.kind in KINDS]
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _translation_entries(organization: Organization) -> dict[str, dict[str, str]]:
    entries: dict[str, dict[str, str]] = {}
    for translation in organization.translations.order_by("language", "purpose"):
        entries.setdefault(translation.language, {})[translation.purpose] = translation.text
    return entries


def _canned_prompt_entry(canned_prompt: CannedPrompt) -> dict[str, Any]:
    entry: dict[str, Any] = {"question": canned_prompt.question}
    if canned_prompt.wordings[1:]:
        entry["also_asked"] = canned_prompt.wordings[1:]
    entry["answer"] = canned_prompt.answer
    if canned_prompt.offered:
        entry["choices"] = canned_prompt.offered
    return entry if canned_prompt.is_active else {**entry, "active": False}


def _channel_entry(channel: Channel) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": channel.kind, "name": channel.name}
    entry |= {key: shape.write(getattr(channel, key)) for key, shape in CHANNEL_SETTINGS.items()}
    declared = {each.name for each in KINDS[channel.kind].options}
    if options := {key: value for key, value in channel.options.items() if value and key in declared}:
        entry["options"] = options
    if credentials := {
        each.name: {"env": _variable(channel, each.name)} for each in KINDS[channel.kind].fields
    }:
        entry["credentials"] = credentials
    return entry


def _variable(channel: Channel, credential: str) -> str:
    parts = (channel.organization.slug, channel.kind, channel.name, credential)
    return re.sub(r"[^A-Z0-9]+", "_", "_".join(parts).upper()).strip("_")


__all__ = ["ChannelEntry", "FileError", "FromEnvironment", "OrganizationFile", "dump", "parse"]
