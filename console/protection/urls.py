"""The addresses of data protection. They are the admin site's, so that its sign-in stands before each."""

from collections.abc import Callable

from django.contrib import admin
from django.http import HttpResponse
from django.urls import URLPattern, path

from console.protection import contacts, retirement

_VIEWS: dict[str, tuple[str, Callable[..., HttpResponse]]] = {
    "protection_contact_export": ("inbox/<int:conversation_id>/export/", contacts.export),
    "protection_contact_erase": ("inbox/<int:conversation_id>/erase/", contacts.erase),
    "protection_retirement": ("retirement/<slug:slug>/", retirement.page),
}

urlpatterns: list[URLPattern] = [
    path(address, admin.site.admin_view(view), name=name) for name, (address, view) in _VIEWS.items()
]
