"""Connecting channels."""

from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import action, display

from console import tenancy
from console.channels import connection, trial
from console.channels.addresses import page_urls, webhook_url
from console.channels.connection import connect, is_to_connect
from console.channels.forms import channel_form, field_names
from console.channels.health import age, facts, is_address_to_enter
from console.channels.holding import held
from console.channels.models import Channel
from console.conversations.models import Contact, PlatformEvent
from console.signed_in import user_of
from console.stored_sentences import translate_stored
from console.tenant_admin import OrganizationFilter, TenantAdmin
from hub_lambdas.channels import KINDS
from hub_lambdas.channels.base import ChannelError, Kind

TEST_MAX_LENGTH = 1000
PROBLEM_SHOWN_LENGTH = 160
"""Of what is wrong, in a list; the channel's page has all of it."""

BOT_COLORS = {"answers": "success", "drafts": "info", "silent": "warning"}
BOT_LABELS = {
    Channel.Bot.ANSWERS: gettext_lazy("Answers"),
    Channel.Bot.DRAFTS: gettext_lazy("Drafts"),
    Channel.Bot.SILENT: gettext_lazy("Off"),
}
STATUS_BADGES = {
    Channel.Status.ACTIVE: "answered",
    Channel.Status.PAUSED: "handed_over",
    Channel.Status.RETIRED: "retired",
    "needs attention": "blocked",
    "broken": "blocked",
}
"""The colour of each state, by the name that a badge has for it."""

ACTIONS_BY_STATUS = {
    Channel.Status.ACTIVE: ("pause", "retire"),
    Channel.Status.PAUSED: ("resume", "retire"),
    Channel.Status.RETIRED: ("resume",),
}


@admin.register(Channel)
class ChannelAdmin(TenantAdmin):
    list_display = ["name_and_kind", "account_label", "organization", "bot_label", "state", "last_webhook"]
    list_select_related = ["organization"]
    list_filter = [OrganizationFilter, "status"]
    search_fields = ["name", "account"]
    readonly_fields = ["kind_label", "state"]
    actions = ["pause_selected", "resume_selected"]
    actions_submit_line = ["pause", "resume", "retire"]
    change_form_outer_before_template = "admin/channels/addresses.html"

    # --- what is shown ---

    @display(description=gettext_lazy("Kind"), ordering="kind")
    def kind_label(self, channel: Channel) -> str:
        return KINDS[channel.kind].label if channel.kind in KINDS else channel.kind

    @display(description=gettext_lazy("Account"), ordering="account")
    def account_label(self, channel: Channel) -> str:
        return channel.account or "-"

    @display(description=gettext_lazy("Bot"), ordering="bot", label=BOT_COLORS)
    def bot_label(self, channel: Channel) -> tuple[str, str]:
        return channel.bot, str(BOT_LABELS[Channel.Bot(channel.bot)])

    @display(description=gettext_lazy("Name"), ordering="name", header=True)
    def name_and_kind(self, channel: Channel) -> list[str]:
        return [channel.name, self.kind_label(channel)]

    @display(description=gettext_lazy("Status"), ordering="status")
    def state(self, channel: Channel) -> Any:
        """With what is wrong below it."""
        name, label = _state(channel)
        said = Truncator(translate_stored(channel.status_reason)).chars(PROBLEM_SHOWN_LENGTH)
        if not said and is_address_to_enter(channel):
            said = _("Its address is to be entered at the platform.")
        problem = format_html('<span class="hub-bad hub-problem">{}</span>', said) if said else ""
        return format_html(
            '<span class="hub-state"><span class="hub-badge hub-badge-{}">{}</span>{}</span>',
            STATUS_BADGES[name],
            label,
            problem,
        )

    @display(description=gettext_lazy("Last webhook"), ordering="last_webhook_at")
    def last_webhook(self, channel: Channel) -> str:
        at = channel.last_webhook_at
        return age(at, timezone.now()) if at else _("never")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        kind = _kind_name(request, obj)
        credentials, options = field_names(kind)
        if obj is not None and not self.has_change_permission(request, obj):
            credentials, options = [], []
        sets: list[Any] = [(None, {"fields": ["organization", "name"]})]
        if credentials:
            sets.append(
                (
                    _("Connection"),
                    {
                        "fields": credentials,
                        "description": _(
                            "Secrets are encrypted when they are saved and are never shown again."
                        ),
                    },
                )
            )
        sets.append((_("Bot"), {"fields": ["bot", "tells_contacts"]}))
        if options:
            sets.append((_("Options"), {"fields": options}))
        if obj is not None:
            sets.append((_("State"), {"fields": ["kind_label", "state"]}))
        return sets

    # --- adding and changing ---

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            kwargs["form"] = channel_form(_kind_name(request, obj))
        return super().get_form(request, obj, change=change, **kwargs)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.GET.get("kind") not in KINDS:
            return self._choose_kind(request)
        label = KINDS[request.GET["kind"]].label
        response: HttpResponse = super().add_view(
            request,
            form_url,
            {"title": _("Connect %(kind)s") % {"kind": label}, "simulator_url": settings.SIMULATOR_URL},
        )
        return response

    def _choose_kind(self, request: HttpRequest) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Connect a channel"),
        }
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
            "is_address_to_enter": is_address_to_enter(channel),
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
            self.message_user(request, f"{channel.name}: {translate_stored(problem)}", messages.WARNING)
        if connected.is_repaired:
            self._say_released(request, channel, connected.released)

    def _say_released(self, request: HttpRequest, channel: Channel, count: int) -> None:
        if count:
            said = ngettext(
                "%(channel)s is active again: %(count)s turn or message that waited is on the way now.",
                "%(channel)s is active again: %(count)s turns and messages that waited are on the way now.",
                count,
            )
        else:
            said = _("%(channel)s is active again: nothing had to wait.")
        self.message_user(request, said % {"channel": channel.name, "count": count}, messages.SUCCESS)

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
            "title": _("Test message"),
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
            problem = _("The test message could not be delivered. %(why)s")
            self.message_user(request, problem % {"why": translate_stored(str(error))}, messages.ERROR)

    # --- pausing ---

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> Any:
        """Pause what is active, resume what is not, retire what is not yet."""
        channel = self.get_object(request, str(object_id))
        wanted = ACTIONS_BY_STATUS[channel.status if channel else Channel.Status.ACTIVE]
        actions = super().get_actions_submit_line(request, object_id)
        return [each for each in actions if each.action_name.endswith(wanted)]

    @action(description=gettext_lazy("Pause"), icon="pause")
    def pause(self, request: HttpRequest, obj: Channel) -> None:
        self._demand(request, "change", obj)
        # A reason is the mark of a pause by the hub itself, which a better credential ends.
        obj.status, obj.status_reason = Channel.Status.PAUSED, ""
        obj.save(update_fields=["status", "status_reason"])
        said = _("%(channel)s is paused: nothing is sent until it is resumed.")
        self.message_user(request, said % {"channel": obj.name})

    @action(description=gettext_lazy("Resume"), icon="play_arrow")
    def resume(self, request: HttpRequest, obj: Channel) -> None:
        """What the hub paused resumes only once the platform accepts its credential, when it is connected."""
        self._demand(request, "change", obj)
        if not obj.is_held:
            self._say_released(request, obj, connection.resume(obj))

    @action(description=gettext_lazy("Retire"), icon="archive")
    def retire(self, request: HttpRequest, obj: Channel) -> None:
        self._demand(request, "change", obj)
        obj.status, obj.status_reason = Channel.Status.RETIRED, ""
        obj.save(update_fields=["status", "status_reason"])
        said = _("%(channel)s is retired: what comes in is stored and declined.")
        self.message_user(request, said % {"channel": obj.name})

    @admin.action(description=gettext_lazy("Pause"), permissions=["change"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        for channel in queryset:
            self.pause(request, channel)

    @admin.action(description=gettext_lazy("Resume"), permissions=["change"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        for channel in queryset:
            self.resume(request, channel)
            transaction.on_commit(partial(self._connect, request, channel))


def _state(channel: Channel) -> tuple[str, str]:
    """A name of STATUS_BADGES, and the word for it."""
    if channel.status == Channel.Status.ACTIVE and channel.status_reason:
        return "needs attention", _("Needs attention")
    if channel.is_held:
        return "broken", _("Broken")
    return channel.status, channel.get_status_display()


def _needed(kind: Kind) -> str:
    """What an admin needs to connect a channel of a kind."""
    return ", ".join(_(field.label) for field in kind.fields if field.required)


def _kind_name(request: HttpRequest, channel: Channel | None) -> str:
    return channel.kind if channel is not None else request.GET.get("kind", "")
