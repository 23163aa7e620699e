"""The address of the Capacity page. It is the admin site's, so that its sign-in stands before it."""

from django.contrib import admin
from django.urls import URLPattern, path

from console.capacity import views

urlpatterns: list[URLPattern] = [
    path("capacity/", admin.site.admin_view(views.capacity), name="capacity_page"),
]
