"""The console's addresses: the admin site and the pages in it, invitations, and a health check."""

from django.contrib import admin
from django.urls import path

from console.capacity.urls import urlpatterns as capacity_urls
from console.dashboards.urls import urlpatterns as dashboards_urls
from console.deployments.urls import urlpatterns as releases_urls
from console.health import healthz
from console.inbox.urls import urlpatterns as inbox_urls
from console.operations.urls import urlpatterns as operations_urls
from console.organizations.join import join
from console.organizations.preferences import preferences
from console.organizations.switch import switch
from console.proof.urls import urlpatterns as proof_urls
from console.protection.urls import urlpatterns as protection_urls
from console.signin import views as signin
from console.signin.session_page import session_page
from console.workshop.urls import urlpatterns as workshop_urls

_admin_urls, _app_name, _namespace = admin.site.urls

_switch = path("switch/", admin.site.admin_view(switch), name="switch")
_preferences = path("preferences/", admin.site.admin_view(preferences), name="preferences")
_reports = [*dashboards_urls, *proof_urls, *operations_urls, *capacity_urls]
_pages = [_switch, _preferences, *inbox_urls, *workshop_urls, *_reports, *protection_urls, *releases_urls]

urlpatterns = [
    path("healthz", healthz),
    path("second-factor/", signin.ask, name="second_factor"),
    path("second-factor/set-up/", signin.set_up, name="second_factor_set_up"),
    path("sessions/", session_page, name="sessions"),
    path("join/<str:token>/", join, name="join"),
    path("", ([*_pages, *_admin_urls], _app_name, _namespace)),
]
