"""The addresses of the prompt workshop. They are the admin site's, so that its sign-in stands before each."""

from collections.abc import Callable

from django.contrib import admin
from django.http import HttpResponse
from django.urls import URLPattern, path, re_path

from console.workshop import canned, cases, draft, playground, publishing, runs, unanswered, versions
from console.workshop.page import choose

_VIEWS: dict[str, tuple[str, Callable[..., HttpResponse]]] = {
    "workshop": ("", choose),
    "workshop_draft": ("<slug:slug>/", draft.show),
    "workshop_instructions": ("<slug:slug>/instructions/", draft.change_instructions),
    "workshop_discard": ("<slug:slug>/discard/", draft.discard),
    "workshop_canned_add": ("<slug:slug>/canned/add/", canned.add),
    "workshop_canned": ("<slug:slug>/canned/<uuid:key>/", canned.change),
    "workshop_canned_move": ("<slug:slug>/canned/<uuid:key>/move/", canned.move),
    "workshop_canned_switch": ("<slug:slug>/canned/<uuid:key>/switch/", canned.switch),
    "workshop_canned_remove": ("<slug:slug>/canned/<uuid:key>/remove/", canned.remove),
    "workshop_publish": ("<slug:slug>/publish/", publishing.publish),
    "workshop_playground": ("<slug:slug>/playground/", playground.ask),
    "workshop_rehearsal": ("<slug:slug>/playground/<uuid:pair>/", playground.show),
    "workshop_cases": ("<slug:slug>/cases/", cases.show),
    "workshop_case_add": ("<slug:slug>/cases/add/", cases.add),
    "workshop_case": ("<slug:slug>/cases/<int:case_id>/", cases.change),
    "workshop_case_delete": ("<slug:slug>/cases/<int:case_id>/delete/", cases.delete),
    "workshop_run_start": ("<slug:slug>/cases/run/", runs.start),
    "workshop_run": ("<slug:slug>/cases/run/<int:run_id>/", runs.show),
    "workshop_run_stop": ("<slug:slug>/cases/run/<int:run_id>/stop/", runs.stop),
    "workshop_unanswered": ("<slug:slug>/unanswered/", unanswered.show),
    "workshop_versions": ("<slug:slug>/versions/", versions.history),
    "workshop_version": ("<slug:slug>/versions/<int:number>/", versions.show),
    "workshop_restore": ("<slug:slug>/versions/<int:number>/restore/", versions.restore),
}

urlpatterns: list[URLPattern] = [
    *(
        path(f"workshop/{end}", admin.site.admin_view(view), name=name)
        for name, (end, view) in _VIEWS.items()
    ),
    # Where prompts were edited before, of which somebody may have kept the address.
    re_path("^prompts/", admin.site.admin_view(choose)),
]
