"""Every address of the console, read from its URL resolver, with the rows of one organization in it.

A view that comes with a parameter which nobody has explained here ends the walk with a sentence about it: no
view is left out because nobody thought of it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.urls import URLPattern, URLResolver, get_resolver

from console.channels.models import Channel
from console.conversations.models import Conversation, Message, MessageMedia, Turn
from console.inbox.models import Draft, Label, Suggestion
from console.organizations.models import Organization, User
from console.prompts.models import CannedPrompt, PromptVersion
from console.workshop.models import Case, CaseRun, Rehearsal

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")
OPEN_TO_ALL = ("/healthz", "/join/no-good-token/", "/login/", "/logout/")
"""What answers to visitors who are not signed in: without any row."""


class UnknownView(Exception):
    """A view whose address the walk cannot write. Say in PARAMETERS what stands in it."""


@dataclass(frozen=True)
class Place:
    """Where a parameter stands in an address, and whose rows are asked for."""

    route: str
    organization: Organization

    @property
    def model(self) -> type[models.Model]:
        """The model that an address of the admin site belongs to: app/model/..."""
        app_label, model_name = self.route.split("/")[:2]
        try:
            return apps.get_model(app_label, model_name)
        except LookupError as error:
            raise UnknownView(f"{self.route}: say in PARAMETERS which row it is about.") from error


PARAMETERS: dict[str, Callable[[Place], Sequence[Any]]] = {
    "object_id": lambda place: [
        place.organization.pk if place.route.startswith("r/") else row_of(place.model, place.organization).pk
    ],
    "content_type_id": lambda place: [ContentType.objects.get_for_model(Organization).pk],
    "conversation_id": lambda place: [row_of(Conversation, place.organization).pk],
    "draft_id": lambda place: [row_of(Draft, place.organization).pk],
    "suggestion_id": lambda place: [row_of(Suggestion, place.organization).pk],
    "key": lambda place: [row_of(CannedPrompt, place.organization).key],
    "number": lambda place: [row_of(PromptVersion, place.organization).number],
    "pair": lambda place: [row_of(Rehearsal, place.organization).pair],
    "case_id": lambda place: [row_of(Case, place.organization).pk],
    "run_id": lambda place: [row_of(CaseRun, place.organization).pk],
    "media_id": lambda place: [row_of(MessageMedia, place.organization).pk],
    "deploy_id": lambda place: [1],
    "slug": lambda place: [place.organization.slug],
    "token": lambda place: ["no-good-token"],  # a good one is the key, to whoever holds it
    "app_label": lambda place: sorted({model._meta.app_label for model in admin.site._registry}),
    "url": lambda place: ["no-such-page"],
}


def routes(patterns: Any = None, prefix: str = "") -> Iterator[str]:
    """The route of every view of the console."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            assert isinstance(pattern, URLPattern)
            yield route


def addresses(organization: Organization) -> list[str]:
    """The address of every view, with the rows of `organization` in it, and every autocomplete."""
    found = [address for route in routes() for address in addresses_of(route, organization)]
    return sorted({*found, *_autocompletes()})


def addresses_of(route: str, organization: Organization) -> list[str]:
    """The addresses of a view, with each value that its parameters may have. Raises UnknownView."""
    match = _PARAMETER.search(route)
    if match is None:
        return ["/" + route.removesuffix("$")]
    name = match[1] or match[2]
    if name not in PARAMETERS:
        raise UnknownView(f"{route}: say in PARAMETERS what {name} is.")
    return [
        address
        for value in PARAMETERS[name](Place(route, organization))
        for address in addresses_of(f"{route[: match.start()]}{value}{route[match.end() :]}", organization)
    ]


def _autocompletes() -> Iterator[str]:
    for model in admin.site._registry:
        for field in model._meta.get_fields():
            if isinstance(field, models.ForeignKey):
                yield (
                    f"/autocomplete/?app_label={model._meta.app_label}&model_name={model._meta.model_name}"
                    f"&field_name={field.name}&term="
                )


QUERY: Mapping[str, Callable[[Organization], Any]] = {
    "at": lambda organization: "2026-11-30T11:59:00Z",
    "at_least": lambda organization: 0,
    "before": lambda organization: _message(organization).pk + 1,
    "bucket": lambda organization: "2026-11-30T00:00:00Z",
    "channel": lambda organization: row_of(Channel, organization).pk,
    "chart": lambda organization: "outcomes",
    "end": lambda organization: "2026-11-30",
    "extended": lambda organization: 1,
    "found": lambda organization: _message(organization).pk,
    "kind": lambda organization: row_of(Channel, organization).kind,
    "label": lambda organization: row_of(Label, organization).pk,
    "next": lambda organization: f"/dashboard/organization/{organization.slug}/",
    "of": lambda organization: "answer",
    "organizations": lambda organization: "all",
    "open": lambda organization: row_of(Conversation, organization).pk,
    "page": lambda organization: 1,
    "pages": lambda organization: 20,
    "period": lambda organization: "custom",
    "q": lambda organization: organization.slug.partition("-")[0],
    "queue": lambda organization: "all",
    "reason": lambda organization: "not_text",
    "release": lambda organization: organization.slug,
    "reply": lambda organization: _message(organization, purpose="staff").pk,
    "s": lambda organization: organization.slug.partition("-")[0],
    "shown": lambda organization: organization.slug,
    "stage": lambda organization: organization.slug,
    "standing": lambda organization: "on",
    "start": lambda organization: "2026-11-01",
    "task": lambda organization: "deploy",
    "term": lambda organization: organization.slug.partition("-")[0],
    "to": lambda organization: row_of(PromptVersion, organization).number,
    "turn": lambda organization: row_of(Turn, organization).pk,
    "which": lambda organization: "turns",
}
"""What the console's own pages are asked with: what names a row names one of an organization. Lists of the
admin site are asked by `queries`."""
_OF_DJANGO = {"_facets", "_popup", "_to_field", "_changelist_filters", "o", "p", "all", "e", "app_label",
              "model_name", "field_name", "organization", "urlencode"}  # fmt: skip


def query(names: Iterable[str], organization: Organization) -> dict[str, Any]:
    """What a page may be asked with, by the names that it reads. Raises UnknownView."""
    asked = set(names) - _OF_DJANGO
    if unknown := asked - QUERY.keys():
        raise UnknownView(f"Say in QUERY what a page may be asked by these: {', '.join(sorted(unknown))}.")
    return {name: QUERY[name](organization) for name in sorted(asked)}


def _message(organization: Organization, **which: str) -> Message:
    found = rows_of(Message, organization).filter(**which).last()
    assert isinstance(found, Message), f"the walk's organization has no message with {which}"
    return found


def tenant_models() -> list[type[models.Model]]:
    """Every model whose rows belong to an organization."""
    return [model for model in apps.get_models() if hasattr(model, "organization_lookup")]


def rows_of(model: type[models.Model], organization: Organization) -> "models.QuerySet[Any]":
    """The rows of `organization`, the oldest first."""
    lookup: str = model.organization_lookup  # type: ignore[attr-defined]
    return model._default_manager.filter(**{lookup: organization.pk}).order_by("pk")


def row_of(model: type[models.Model], organization: Organization) -> Any:
    """A row of `organization`."""
    if model is User:
        return User.objects.filter(memberships__organization=organization).order_by("pk")[0]
    row = rows_of(model, organization).first()
    assert row is not None, f"the walk's organization has no {model.__name__}: give it one in `world`"
    return row


def actions(model_admin: Any) -> list[str]:
    """The names of everything that can be done with the selected rows of a list, or with one row's form."""
    bulk = [action if isinstance(action, str) else action.__name__ for action in model_admin.actions or ()]
    every = [name for name, _ in model_admin.admin_site.actions]
    return [*bulk, *every]


def submit_names(model_admin: Any) -> list[str]:
    """The names of the buttons of one row's form."""
    prefix = f"{model_admin.opts.app_label}_{model_admin.opts.model_name}"
    return [f"{prefix}_{name}" for name in model_admin.actions_submit_line or ()]


def queries(model_admin: Any, organization: Organization) -> list[str]:
    """What somebody may add to the address of a list: a search, the organization, lookups that the page does
    not offer, and all its filters with the values of a row of `organization`."""
    row = row_of(model_admin.model, organization)
    filters = ["o=-1"]
    for path in model_admin.list_filter:
        if isinstance(path, str):
            value: Any = row
            for name in path.split("__"):
                value = getattr(value, name)
            filters.append(f"{path}__exact={int(value) if isinstance(value, bool) else value}")
    lookups = f"organization__id__exact={organization.pk}&organization__slug={organization.slug}"
    return ["q=zebra", f"organization={organization.slug}", lookups, "&".join(filters)]
