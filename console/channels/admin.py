"""Connecting channels."""

from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator
from unfold.decorators import action, display

from console import tenancy
from console.channels import connection, trial
from console.channels.addresses import page_urls, webhook_url
from console.channels.connection import connect, is_to_connect
from console.channels.forms import channel_form, field_names
from console.channels.health import facts
from console.channels.holding import held
from console.channels.models import Channel
from console.conversations.models import Contact, PlatformEvent
from console.signed_in import user_of
from console.tenant_admin import OrganizationFilter, TenantAdmin
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import ChannelError, Kind

TEST_MAX_LENGTH = 1000

STATUS_LABELS = {
    "Active": "success",
    "Paused": "warning",
    "Retired": "danger",
    "Needs attention": "danger",
    "Broken": "danger",
}

ACTIONS_BY_STATUS = {
    Channel.Status.ACTIVE: ("pause", "retire"),
    Channel.Status.PAUSED: ("resume", "retire"),
    Channel.Status.RETIRED: ("resume",),
}


@admin.register(Channel)
class ChannelAdmin(TenantAdmin):
    list_display = [
        "name",
        "kind_label",
        "account_label",
        "organization",
        "status_label",
        "problem",
        "last_webhook_at",
    ]
    list_select_related = ["organization"]
    list_filter = [OrganizationFilter, "status"]
    search_fields = ["name", "account"]
    readonly_fields = ["kind_label", "status_label"]
    actions = ["pause_selected", "resume_selected"]
    actions_submit_line = ["pause", "resume", "retire"]
    change_form_outer_before_template = "admin/channels/addresses.html"

    # --- what is shown ---

    @display(description="Kind", ordering="kind")
    def kind_label(self, channel: Channel) -> str:
        return KINDS[channel.kind].label if channel.kind in KINDS else channel.kind

    @display(description="Account", ordering="account")
    def account_label(self, channel: Channel) -> str:
        return channel.account or "-"

    @display(description="Status", ordering="status", label=STATUS_LABELS)
    def status_label(self, channel: Channel) -> str:
        if channel.status == Channel.Status.ACTIVE and channel.status_reason:
            return "Needs attention"
        if channel.is_held:
            return "Broken"
        return channel.get_status_display()

    @display(description="Problem")
    def problem(self, channel: Channel) -> Any:
        said = Truncator(channel.status_reason).chars(90)
        return format_html('<span class="hub-bad hub-problem">{}</span>', said) if said else "-"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        kind = _kind_name(request, obj)
        credentials, options = field_names(kind)
        if obj is not None and not self.has_change_permission(request, obj):
            credentials, options = [], []
        sets: list[Any] = [(None, {"fields": ["organization", "name"]})]
        if credentials:
            sets.append(
                (
                    "Connection",
                    {
                        "fields": credentials,
                        "description": "Secrets are encrypted when they are saved and are never shown again.",
                    },
                )
            )
        if options:
            sets.append(("Options", {"fields": options}))
        if obj is not None:
            sets.append(("State", {"fields": ["kind_label", "status_label"]}))
        return sets

    # --- adding and changing ---

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            kwargs["form"] = channel_form(_kind_name(request, obj))
        return super().get_form(request, obj, change=change, **kwargs)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if request.GET.get("kind") not in KINDS:
            return self._choose_kind(request)
        label = KINDS[request.GET["kind"]].label
        response: HttpResponse = super().add_view(
            request, form_url, {"title": f"Connect {label}", "simulator_url": settings.SIMULATOR_URL}
        )
        return response

    def _choose_kind(self, request: HttpRequest) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": "Connect a channel"}
        context["simulator_url"] = settings.SIMULATOR_URL
        context["kinds"] = [(kind, _needed(kind)) for kind in KINDS.values()]
        return TemplateResponse(request, "admin/channels/choose_kind.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        channel = self.get_object(request, object_id)
        known = self._known(channel) if channel else {}
        context = {"channel": channel, **known, **(extra_context or {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def _known(self, channel: Channel) -> dict[str, Any]:
        """What the page of a channel says of it above the form."""
        return {
            "held": held(channel),
            "facts": facts(channel, timezone.now()),
            "webhook_url": webhook_url(channel),
            "pages": page_urls(channel),
            "may_test": channel.status == Channel.Status.ACTIVE and channel.kind in KINDS,
            "question": trial.default_text(channel),
        }

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if is_to_connect(obj):
            # The platform is called once the row is there to be found, and no lock waits for its answer.
            transaction.on_commit(lambda: self._connect(request, obj, is_new=not change))

    def response_add(
        self, request: HttpRequest, obj: Channel, post_url_continue: str | None = None
    ) -> HttpResponse:
        """A new channel is tried at once: that is what its admin wants to see next."""
        return redirect("admin:channels_channel_test", obj.pk)

    def _connect(self, request: HttpRequest, channel: Channel, is_new: bool = False) -> None:
        connected = connect(channel)
        if is_new and not connected.problems:
            self._begin_trial(request, channel, trial.default_text(channel))
        for problem in connected.problems:
            self.message_user(request, f"{channel.name}: {problem}", messages.WARNING)
        if connected.is_repaired:
            self._say_released(request, channel, connected.released)

    def _say_released(self, request: HttpRequest, channel: Channel, count: int) -> None:
        held_back = "1 turn or message" if count == 1 else f"{count} turns and messages"
        going = f"{held_back} that waited {'is' if count == 1 else 'are'} on the way now"
        said = going if count else "nothing had to wait"
        self.message_user(request, f"{channel.name} is active again: {said}.", messages.SUCCESS)

    # --- trying it ---

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.test)
        return [
            path("<uuid:object_id>/test/", view, name="channels_channel_test"),
            *super().get_urls(),
        ]

    def test(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """How far the newest test message has come (GET), and the next one (POST)."""
        channel: Channel | None = self.get_object(request, str(object_id))
        if channel is None or channel.kind not in KINDS or not self._may(request, "change", channel):
            raise Http404("There is no such channel.")
        if request.method == "POST":
            text = request.POST.get("text", "").strip()[:TEST_MAX_LENGTH]
            self._begin_trial(request, channel, text or trial.default_text(channel))
            return redirect("admin:channels_channel_test", channel.pk)
        contact, now = trial.latest(channel), timezone.now()
        progress = trial.progress(contact, now) if contact else None
        context = {
            **self.admin_site.each_context(request),
            **self._known(channel),
            "opts": self.opts,
            "title": "Test message",
            "original": channel,
            "channel": channel,
            "kind": KINDS[channel.kind].label,
            "progress": progress,
            "question": (progress and progress.question) or trial.default_text(channel),
        }
        return TemplateResponse(request, "admin/channels/test.html", context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Test messages keep no channel from being deleted; what people wrote does."""
        deleted, counts, needed, protected = super().get_deleted_objects(objs, request)
        is_used = (
            Contact.objects.filter(channel__in=objs, is_test=False).exists()
            or PlatformEvent.objects.filter(channel__in=objs).exists()
        )
        return deleted, counts, needed, protected if is_used else []

    def delete_model(self, request: HttpRequest, obj: Channel) -> None:
        self._demand(request, "delete", obj)
        trial.forget([obj])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        trial.forget(tenancy.scope(queryset, user_of(request), self.permission("delete")))
        super().delete_queryset(request, queryset)

    def _begin_trial(self, request: HttpRequest, channel: Channel, text: str) -> None:
        try:
            trial.begin(channel, text)
        except ChannelError as error:
            self.message_user(request, f"The test message could not be delivered. {error}", messages.ERROR)

    # --- pausing ---

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> Any:
        """Pause what is active, resume what is not, retire what is not yet."""
        channel = self.get_object(request, str(object_id))
        wanted = ACTIONS_BY_STATUS[channel.status if channel else Channel.Status.ACTIVE]
        actions = super().get_actions_submit_line(request, object_id)
        return [each for each in actions if each.action_name.endswith(wanted)]

    @action(description="Pause", icon="pause")
    def pause(self, request: HttpRequest, obj: Channel) -> None:
        self._demand(request, "change", obj)
        # A reason is the mark of a pause by the hub itself, which a better credential ends.
        obj.status, obj.status_reason = Channel.Status.PAUSED, ""
        obj.save(update_fields=["status", "status_reason"])
        self.message_user(request, f"{obj.name} is paused: nothing is sent until it is resumed.")

    @action(description="Resume", icon="play_arrow")
    def resume(self, request: HttpRequest, obj: Channel) -> None:
        """What the hub paused resumes only once the platform accepts its credential, when it is connected."""
        self._demand(request, "change", obj)
        if not obj.is_held:
            self._say_released(request, obj, connection.resume(obj))

    @action(description="Retire", icon="archive")
    def retire(self, request: HttpRequest, obj: Channel) -> None:
        self._demand(request, "change", obj)
        obj.status, obj.status_reason = Channel.Status.RETIRED, ""
        obj.save(update_fields=["status", "status_reason"])
        self.message_user(request, f"{obj.name} is retired: what comes in is stored and declined.")

    @admin.action(description="Pause", permissions=["change"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        for channel in queryset:
            self.pause(request, channel)

    @admin.action(description="Resume", permissions=["change"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        for channel in queryset:
            self.resume(request, channel)
            transaction.on_commit(partial(self._connect, request, channel))


def _needed(kind: Kind) -> str:
    """What an admin needs to connect a channel of a kind."""
    return ", ".join(field.label for field in kind.fields if field.required)


def _kind_name(request: HttpRequest, channel: Channel | None) -> str:
    return channel.kind if channel is not None else request.GET.get("kind", "")
