"""The addresses of releases. They are the admin site's, so that its sign-in stands before each."""

from collections.abc import Callable

from django.contrib import admin
from django.http import HttpResponse
from django.urls import URLPattern, path

from console.deployments import views

_VIEWS: dict[str, tuple[str, Callable[..., HttpResponse]]] = {
    "releases": ("", views.releases),
    "releases_look": ("look/", views.look),
    "releases_changes": ("changes/", views.changes),
    "releases_deploy": ("deploys/<int:deploy_id>/", views.deploy),
    "releases_deploy_news": ("deploys/<int:deploy_id>/news/", views.news),
    "releases_deploy_act": ("deploys/<int:deploy_id>/act/", views.act),
}

urlpatterns: list[URLPattern] = [
    path(f"releases/{end}", admin.site.admin_view(view), name=name) for name, (end, view) in _VIEWS.items()
]
