"""The console's addresses: the admin site, the proof in it, and a health check."""

from django.contrib import admin
from django.urls import path

from console.health import healthz
from console.proof.urls import urlpatterns as proof_urls

_admin_urls, _app_name, _namespace = admin.site.urls

urlpatterns = [
    path("healthz", healthz),
    path("", ([*proof_urls, *_admin_urls], _app_name, _namespace)),
]
