"""The addresses of the proof. They are the admin site's, so that its sign-in stands before each."""

from django.contrib import admin
from django.urls import URLPattern, path

from console.proof import views

_PAGES = {
    "page": ("", views.proof),
    "turns": ("turns/", views.proof_turns),
    "csv": ("numbers.csv", views.proof_csv),
}

urlpatterns: list[URLPattern] = [
    pattern
    for name, (end, view) in _PAGES.items()
    for pattern in (
        path(f"proof/{end}", admin.site.admin_view(view), name=f"proof_{name}"),
        path(
            f"proof/organization/<slug:slug>/{end}",
            admin.site.admin_view(view),
            name=f"proof_organization_{name}",
        ),
    )
]
