"""The pages of the proof: numbers and charts, the turns behind a number, and a chart's numbers as CSV."""

import csv
import re
from datetime import UTC
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from console.conversations.report import Report, dead_letters, report
from console.conversations.timeline import explain
from console.organizations.models import Organization
from console.proof import page, words
from console.proof.charts import CHARTS
from console.proof.plot import Chart, Link, Series
from console.proof.selection import CUSTOM, PERIODS, Choice, ChoiceForm, Selection, SelectionForm
from console.proof.subject import Subject, address
from console.proof.turns import PAGE_SIZE, turns
from console.signed_in import user_of

ORGANIZATIONS_SHOWN = 50
"""Of those on the page; the others on request."""
SHOWN_ANYWAY = ("first_reply", "answer")
"""Measures that every list of turns has a column for."""


def proof(request: HttpRequest, slug: str = "") -> HttpResponse:
    """The numbers and the charts. Who has one organization only gets its page."""
    subject = _subject(request, slug)
    if not slug and len(subject.organizations) == 1 and not subject.user.is_ops:
        return redirect(f"{address('page', subject.organizations[0].slug)}?{request.GET.urlencode()}")
    form, selection = _selection(request, subject)
    scope, link = subject.scope(selection), subject.link(selection)
    found = report(scope, bucket=selection.bucket, by_organization=not slug, origin=selection.origin)
    standing = report(scope.standing, measures=(), by_organization=not slug)
    letters_url = subject.dead_letters_url(selection)
    series = _series(selection, found, link)
    limit = None if request.GET.get("organizations") == "all" else ORGANIZATIONS_SHOWN
    rows = [] if slug else _organizations(subject, selection, found, standing, limit)
    context = {
        "title": _("Proof · %(name)s") % {"name": subject.name},
        "form": form,
        "promises": page.promises(found.total, standing.total, subject.limit, link),
        "waiting": page.waiting(found.total, standing.total, dead_letters(scope), letters_url, link),
        "received": page.received(found.total, link),
        "outcomes": page.outcomes(found.total, link),
        "reasons": page.by_reason(found.reasons, link),
        "times": page.times(found.total, link),
        "shares": page.shares(found.total, link),
        "hops": page.hops(found.total, link),
        "charts": [draw(series) for draw in CHARTS.values()],
        "csv_url": f"{address('csv', slug)}?{selection.frozen_query()}",
        "organizations": rows,
        "left_out": 0 if slug else len(subject.organizations) - len(rows),
        "all_url": f"?{selection.query(organizations='all')}",
        "periods": _periods(selection),
        "is_custom": selection.period == CUSTOM or not form.is_valid(),
    }
    return _page(request, "admin/proof/page.html", subject, selection, context)


def proof_turns(request: HttpRequest, slug: str = "") -> HttpResponse:
    """The turns behind a number."""
    subject = _subject(request, slug)
    form, selection = _selection(request, subject)
    choice = ChoiceForm(request.GET).choice
    if choice is None or not form.is_valid():
        raise Http404("There is no such list of turns.")
    scope = choice.narrow(subject.scope(selection), selection.bucket)
    number = _page_number(request)
    found, count = turns(scope, choice, subject.readable, number)
    context = {
        "title": _called(choice, selection),
        "turns": found,
        "count": count,
        "said_count": words.turns(count),
        "measure": "" if choice.measure in SHOWN_ANYWAY else _measure(choice),
        "pages": _pages(request, number, count),
        "shows_contacts": any(organization.pk in subject.readable for organization in subject.organizations),
        "is_standing": choice.is_standing,
        "back_url": f"{address('page', slug)}?{selection.query()}",
    }
    return _page(request, "admin/proof/turns.html", subject, selection, context)


def proof_csv(request: HttpRequest, slug: str = "") -> HttpResponse:
    """The numbers of one chart."""
    subject = _subject(request, slug)
    form, selection = _selection(request, subject)
    draw = CHARTS.get(request.GET.get("chart", ""))
    if draw is None or not form.is_valid():
        raise Http404("There is no such chart.")
    found = report(subject.scope(selection), bucket=selection.bucket, origin=selection.origin)
    return _csv(draw(_series(selection, found, subject.link(selection))), slug)


def _subject(request: HttpRequest, slug: str) -> Subject:
    subject = Subject(user_of(request), slug)
    if slug and not subject.organizations:
        raise Http404("There is no such organization.")
    return subject


def _selection(request: HttpRequest, subject: Subject) -> tuple[SelectionForm, Selection]:
    form = SelectionForm(request.GET, subject.channels)
    return form, form.selection


def _series(selection: Selection, found: Report, link: Link) -> Series:
    return Series(selection.buckets, selection.bucket, found.over_time, link)


def _organizations(
    subject: Subject, selection: Selection, found: Report, standing: Report, limit: int | None
) -> list[page.OrganizationRow]:
    def link_of(organization: Organization) -> Link:
        return Subject(subject.user, organization.slug).link(selection)

    def page_of(organization: Organization) -> str:
        return f"{address('page', organization.slug)}?{selection.query()}"

    return page.organization_rows(
        subject.organizations, found.by_organization, standing.by_organization, link_of, page_of, limit
    )


def _periods(selection: Selection) -> list[dict[str, Any]]:
    """The choice of periods, each keeping the channel."""
    channel = {"channel": str(selection.channel.pk)} if selection.channel else {}
    return [
        {
            "label": _(label),
            "query": urlencode({"period": key, **channel}),
            "is_chosen": key == selection.period,
        }
        for key, (label, length) in PERIODS.items()
    ]


def _called(choice: Choice, selection: Selection) -> str:
    """What a list of turns is, in words."""
    parts = (
        [_(words.CONDITIONS[choice.condition])] if choice.condition != "turns" or not choice.measure else []
    )
    if choice.reason:
        parts.append(explain(choice.reason).rstrip("."))
    if choice.measure:
        least = _("%(measure)s of %(time)s or more")
        said = {"measure": _measure(choice), "time": words.duration(choice.at_least)}
        parts.append(said["measure"] if choice.at_least is None else least % said)
    if choice.bucket:
        parts.append(words.stretch(choice.bucket, selection.bucket))
    return " · ".join(parts)


def _measure(choice: Choice) -> str:
    return _(words.MEASURES[choice.measure]) if choice.measure in words.MEASURES else ""


def _page_number(request: HttpRequest) -> int:
    """Of a list; what is no number is the first page."""
    asked = request.GET.get("page", "")
    return max(1, int(asked)) if re.fullmatch("[0-9]{1,6}", asked) else 1


def _pages(request: HttpRequest, number: int, count: int) -> dict[str, str]:
    """Addresses of the pages before and after this one, and which turns this one shows."""
    first, last = (number - 1) * PAGE_SIZE + 1, min(number * PAGE_SIZE, count)

    def query(page_number: int) -> str:
        parameters = request.GET.copy()
        parameters["page"] = str(page_number)
        return f"?{parameters.urlencode()}"

    said = _("%(first)s–%(last)s of %(count)s") % {
        "first": words.number(first),
        "last": words.number(last),
        "count": words.number(count),
    }
    return {
        "said": said if count else "",
        "before": query(number - 1) if number > 1 else "",
        "after": query(number + 1) if last < count else "",
    }


def _csv(chart: Chart, slug: str) -> HttpResponse:
    name = f"{slug or 'all'}-{chart.name}.csv"
    response = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
    writer = csv.writer(response)
    writer.writerow(["start_utc", *(key for key, _ in chart.legend)])
    for row in chart.rows:
        writer.writerow(
            [f"{row.start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", *(cell.raw for cell in row.cells)]
        )
    return response


def _page(
    request: HttpRequest, template: str, subject: Subject, selection: Selection, context: dict[str, Any]
) -> HttpResponse:
    zone = f"{localtime(selection.until):%Z}"
    shared = {
        **admin.site.each_context(request),
        "subject": subject,
        "selection": selection,
        "said_period": f"{words.moment(selection.since)} – {words.moment(selection.until)} {zone}",
    }
    return TemplateResponse(request, template, shared | context)
