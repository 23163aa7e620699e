"""The addresses of the dashboards. They are the admin site's, so that its sign-in stands before each."""

from django.contrib import admin
from django.urls import URLPattern, path

from console.dashboards import views

_PAGES = {"page": ("", views.dashboard), "csv": ("numbers.csv", views.numbers)}

urlpatterns: list[URLPattern] = [
    pattern
    for name, (end, view) in _PAGES.items()
    for pattern in (
        path(f"dashboard/{end}", admin.site.admin_view(view), name=f"dashboard_{name}"),
        path(
            f"dashboard/organization/<slug:slug>/{end}",
            admin.site.admin_view(view),
            name=f"dashboard_organization_{name}",
        ),
    )
]
