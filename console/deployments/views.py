"""The pages of releases: what runs on each stage and what ran, what a deploy would change, how far one is.

They are for ops who have a second factor; the others of ops are told how to get one.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from console.deployments import asking, history
from console.deployments.asking import AskError
from console.deployments.changes import between
from console.deployments.models import Commit, Deploy, Repository, Stage, expire
from console.signed_in import user_of
from console.signin import second_factor

View = Callable[..., HttpResponse]

SILENT_AFTER = timedelta(seconds=60)
"""A worker that is at a deploy shows it every few seconds."""
OFFERED = 100
"""So many of the latest commits can be chosen."""


def _for_ops(verb: str) -> Callable[[View], View]:
    """A view for ops who may `verb` ("view", "add", "change") deploys."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, **parts: Any) -> HttpResponse:
            user = user_of(request)
            if not user.has_perm(f"deployments.{verb}_deploy"):
                raise PermissionDenied
            if second_factor.is_set_up(user):
                return view(request, **parts)
            if request.method != "GET":
                raise PermissionDenied
            return _page(request, "no_factor", _("Releases"))

        return guarded

    return decorate


@_for_ops("view")
def releases(request: HttpRequest) -> HttpResponse:
    """The stages with what runs, and what ran."""
    expire()
    stages = list(Stage.objects.all())
    deploys = Deploy.objects.select_related("asked_by", "decided_by")
    commits = list(Commit.objects.all()[:OFFERED])
    subjects = {commit.release: commit for commit in commits}
    under_way = {each.stage: each for each in deploys.filter(state__in=Deploy.UNDER_WAY)}
    repository = Repository.objects.first()
    return _page(
        request,
        "page",
        _("Releases"),
        repository=repository,
        is_live=bool(under_way) or bool(repository and repository.is_asked_for),
        stages=[(stage, under_way.get(stage.name), subjects.get(stage.release)) for stage in stages],
        commits=commits,
        entries=history.entries(stages, deploys[: history.SHOWN]),
        subjects=subjects,
    )


@require_POST
@_for_ops("add")
def look(request: HttpRequest) -> HttpResponse:
    """Have the worker look for commits, and what the stages run."""
    _do(request, asking.ask_to_look)
    return redirect("admin:releases")


@_for_ops("add")
def changes(request: HttpRequest) -> HttpResponse:
    """What a release would change on a stage; POST asks for it."""
    asked = request.POST if request.method == "POST" else request.GET
    stage = get_object_or_404(Stage, name=asked.get("stage", ""))
    task, release = asked.get("task", ""), asked.get("release", "")
    if task not in Deploy.Task.values:
        raise Http404
    if request.method == "POST":
        return _ask(request, stage, task, release, asked.get("replaces", ""))
    commits = list(Commit.objects.all())
    return _page(
        request,
        "changes",
        _("%(task)s on %(stage)s") % {"task": Deploy.Task(task).label, "stage": stage.name},
        stage=stage,
        task=task,
        release=release,
        short=release[:12],
        commit=next((commit for commit in commits if release and commit.hash.startswith(release)), None),
        is_known=release in stage.kept
        if task == Deploy.Task.ROLLBACK
        else any(commit.hash == release for commit in commits),
        changes=between(commits, stage.release, release),
        under_way=Deploy.objects.filter(stage=stage.name, state__in=Deploy.UNDER_WAY).first(),
    )


def _ask(request: HttpRequest, stage: Stage, task: str, release: str, replaces: str) -> HttpResponse:
    if replaces != stage.release:
        said = _("%(stage)s runs another release by now: look at the changes again.")
        messages.error(request, said % {"stage": stage.name})
        return redirect("admin:releases")
    try:
        asked = asking.ask(user_of(request), stage, task, release)
    except AskError as problem:
        messages.error(request, str(problem))
        under_way = Deploy.objects.filter(stage=stage.name, state__in=Deploy.UNDER_WAY).first()
        return redirect("admin:releases_deploy", under_way.pk) if under_way else redirect("admin:releases")
    return redirect("admin:releases_deploy", asked.pk)


@_for_ops("view")
def deploy(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """One deploy: how far it is, and what can be done about it."""
    expire()
    found = _found(deploy_id)
    return _page(request, "deploy", str(found), **_live(request, found))


@_for_ops("view")
def news(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """What changes by itself of a deploy, if it is not what the page shows already (`shown`)."""
    live = _live(request, _found(deploy_id))
    if request.GET.get("shown") == live["token"]:
        return HttpResponse(status=204)
    return TemplateResponse(request, "admin/releases/live.html", live)


@require_POST
@_for_ops("change")
def act(request: HttpRequest, deploy_id: int) -> HttpResponse:
    """Approve, refuse, cancel a deploy, or have it gone on with."""
    found = _found(deploy_id)
    user = user_of(request)
    acts: dict[str, Callable[[], None]] = {
        "approve": lambda: asking.approve(user, found.pk),
        "refuse": lambda: asking.refuse(user, found.pk),
        "cancel": lambda: asking.cancel(user, found.pk),
        "take up": lambda: asking.take_up(found.pk),
    }
    chosen = acts.get(request.POST.get("do", ""))
    if chosen is None:
        raise Http404
    _do(request, chosen)
    return redirect("admin:releases_deploy", found.pk)


def _found(deploy_id: int) -> Deploy:
    people = ("asked_by", "decided_by", "cancelled_by")
    return get_object_or_404(Deploy.objects.select_related(*people), pk=deploy_id)


def _live(request: HttpRequest, found: Deploy) -> dict[str, Any]:
    user = user_of(request)
    shown_at = found.seen_at or found.asked_at
    is_silent = found.state in Deploy.AT_WORK and timezone.now() - shown_at > SILENT_AFTER
    step = found.steps[-1]["state"] if found.steps else ""
    return {
        "deploy": found,
        "commit": Commit.objects.filter(hash__startswith=found.release).first(),
        "is_silent": is_silent,
        "may_approve": found.state == Deploy.State.TO_APPROVE and found.asked_by != user,
        "token": f"{found.state}-{len(found.steps)}-{step}-{found.cancelled_by_id}-{is_silent:d}",
    }


def _do(request: HttpRequest, act: Callable[[], None]) -> None:
    try:
        act()
    except AskError as problem:
        messages.error(request, str(problem))


def _page(request: HttpRequest, name: str, title: str, **context: Any) -> TemplateResponse:
    whole = {**admin.site.each_context(request), "title": title, **context}
    return TemplateResponse(request, f"admin/releases/{name}.html", whole)
