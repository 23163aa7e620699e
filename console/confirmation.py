"""A page that asks before something is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.template.response import TemplateResponse


@dataclass(frozen=True)
class Question:
    """What somebody is asked. `items` are what it is about, `fields` what the form carries on, as (name,
    value) pairs."""

    title: str
    text: str
    button: str
    cancel_url: str
    items: Sequence[str] = ()
    fields: Sequence[tuple[str, str]] = ()
    is_harmful: bool = False


def is_confirmed(request: HttpRequest) -> bool:
    """Whether the user has been asked and said yes."""
    return request.POST.get("confirmed") == "yes"


def ask(request: HttpRequest, model_admin: Any, question: Question) -> TemplateResponse:
    """The page with the question; its button posts to the same address."""
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": question.title,
        "question": question,
        "address": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/confirm.html", context)
