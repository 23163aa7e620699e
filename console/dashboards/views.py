"""The dashboards: of one organization, or of all that the user sees; and each table of them as CSV."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from console.dashboards import figures, tables
from console.dashboards.charts import CHARTS, Plot
from console.dashboards.costs import price
from console.dashboards.figures import Subset
from console.dashboards.heat import HeatMap, heat_map
from console.dashboards.periods import CUSTOM, PERIODS, Period, PeriodForm
from console.dashboards.tables import Table
from console.dashboards.tiles import tiles
from console.proof.plot import Chart
from console.proof.subject import Subject
from console.signed_in import user_of


def dashboard(request: HttpRequest, slug: str = "") -> HttpResponse:
    """Charts and numbers. Who has one organization only gets its page."""
    asked = _asked(request, slug)
    subject = asked.subject
    if not slug and len(subject.organizations) == 1 and not subject.user.is_ops:
        return redirect(f"{address('page', subject.organizations[0].slug)}?{request.GET.urlencode()}")
    query = urlencode(asked.period.query)
    proof = reverse("admin:proof_organization_page", args=[slug]) if slug else reverse("admin:proof_page")
    context = {
        **admin.site.each_context(request),
        "title": _("Dashboard · %(name)s") % {"name": subject.name},
        "subject": subject,
        "form": asked.form,
        "period": asked.period,
        "said_period": f"{asked.period} ({asked.period.zone.key.replace('_', ' ')})",
        "periods": _periods(asked.period),
        "is_custom": asked.period.key == CUSTOM or not asked.form.is_valid(),
        "tiles": tiles(asked.report, price()),
        "charts": asked.charts,
        "heat": asked.heat,
        "tables": asked.tables,
        "parts": asked.tables["channels" if slug else "organizations"],
        "parts_title": _("Channels") if slug else _("Organizations"),
        "counted_at": figures.counted_at(),
        "csv_url": f"{address('csv', slug)}?{query}",
        "proof_url": proof,
    }
    return TemplateResponse(request, "admin/dashboards/page.html", context)


def numbers(request: HttpRequest, slug: str = "") -> HttpResponse:
    """The numbers of one chart or table."""
    asked = _asked(request, slug)
    charts = {chart.name: tables.of_chart(chart) for chart in asked.charts}
    table = {**charts, **asked.tables}.get(request.GET.get("chart", ""))
    if table is None or not asked.form.is_valid():
        raise Http404("There is no such table.")
    return tables.as_csv(table, f"{slug or 'all'}-{table.name}-{asked.period.since:%Y-%m-%d}.csv")


def address(view: str, slug: str = "") -> str:
    """The address of a page ("page", "csv") about the organization `slug`, without it about all."""
    if slug:
        return reverse(f"admin:dashboard_organization_{view}", args=[slug])
    return reverse(f"admin:dashboard_{view}")


@dataclass(frozen=True)
class _Asked:
    """What somebody asks to see."""

    subject: Subject
    form: PeriodForm
    period: Period

    @cached_property
    def subset(self) -> Subset:
        ids = [each.pk for each in self.subject.organizations]
        return Subset(ids) if self.subject.slug else Subset.of_all(self.subject.user, ids)

    @cached_property
    def report(self) -> figures.Report:
        return figures.report(self.subset, self.period)

    @cached_property
    def charts(self) -> list[Chart]:
        plot = Plot(self.period, self.report.over_time, price())
        return [draw(plot) for draw in CHARTS.values()]

    @cached_property
    def heat(self) -> HeatMap:
        return heat_map(self.report.hours)

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """What is no chart over time, by name."""
        found = [tables.of_reasons(self.report.reasons), tables.of_hours(self.heat), self._parts]
        return {table.name: table for table in found}

    @property
    def _parts(self) -> Table:
        if self.subject.slug:
            channels = {each.pk: (each.name, "") for each in self.subject.channels}
            return tables.of_parts("channels", figures.by_channel(self.subset, self.period), channels)
        query = urlencode(self.period.query)
        organizations = {
            each.pk: (each.name, f"{address('page', each.slug)}?{query}")
            for each in self.subject.organizations
        }
        counted = figures.by_organization(self.subset, self.period)
        return tables.of_parts("organizations", counted, organizations)


def _asked(request: HttpRequest, slug: str) -> _Asked:
    subject = Subject(user_of(request), slug)
    if slug and not subject.organizations:
        raise Http404("There is no such organization.")
    current = timezone.get_current_timezone()
    own = current if isinstance(current, ZoneInfo) else ZoneInfo("UTC")
    zone = ZoneInfo(subject.organizations[0].time_zone) if slug else own
    form = PeriodForm(request.GET, subject.channels, timezone.now().astimezone(zone))
    return _Asked(subject, form, form.chosen(zone))


def _periods(chosen: Period) -> list[dict[str, Any]]:
    """The choice of periods, each keeping the channel."""
    channel = {"channel": str(chosen.channel.pk)} if chosen.channel else {}
    return [
        {"label": label, "query": urlencode({"period": key, **channel}), "is_chosen": key == chosen.key}
        for key, (label, _length) in PERIODS.items()
    ]
