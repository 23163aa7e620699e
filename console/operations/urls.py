"""The address of the Health page. It is the admin site's, so that its sign-in stands before it."""

from django.contrib import admin
from django.urls import URLPattern, path

from console.operations import views

urlpatterns: list[URLPattern] = [
    path("health/", admin.site.admin_view(views.health), name="operations_health"),
]
