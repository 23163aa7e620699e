"""The console's addresses: the admin site and a health check."""

from django.contrib import admin
from django.urls import path

from console.health import healthz

urlpatterns = [
    path("healthz", healthz),
    path("", admin.site.urls),
]
