"""How the console looks and what its sidebar offers: django-unfold's settings."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.signed_in import user_of

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise


def _static(path: str) -> Callable[[HttpRequest], str]:
    return lambda request: static(path)


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: bool(request.user.has_perm(permission))


def _item(title: "str | StrPromise", icon: str, model: str, **more: Any) -> dict[str, Any]:
    app_label, model_name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app_label}_{model_name}_changelist"),
        "permission": _may(f"{app_label}.view_{model_name}"),
        **more,
    }


def _organization_title(request: HttpRequest) -> str:
    from console import tenancy

    organizations = tenancy.in_view(user_of(request), "organizations.view_organization")
    return _("Organization") if organizations.count() == 1 else _("Organizations")


def _inbox_item(request: HttpRequest) -> dict[str, Any]:
    """The inbox, with how many conversations wait for staff."""
    from console.inbox.queues import waiting_count

    count = waiting_count(user_of(request))
    return {
        "title": _("Inbox"),
        "icon": "inbox",
        "link": reverse_lazy("admin:inbox"),
        "permission": _may("conversations.view_conversation"),
        **({"badge": count, "badge_variant": "warning"} if count else {}),
    }


def _dead_letters_badge(request: HttpRequest) -> dict[str, Any]:
    """How many dead letters wait to be replayed or discarded."""
    from console import tenancy
    from console.conversations.models import DeadLetter

    letters = tenancy.scope_in_view(
        DeadLetter.objects.all(), user_of(request), "conversations.view_deadletter"
    )
    count = letters.filter(state=DeadLetter.State.WAITING).count()
    return {"badge": count, "badge_variant": "danger"} if count else {}


def switcher(request: HttpRequest) -> list[dict[str, Any]]:
    """What a member of several organizations chooses from; site_dropdown.html posts what is in `link`."""
    if not request.user.is_authenticated:
        return []
    user = user_of(request)
    own = user.memberships.order_by("organization__name").values_list("organization", "organization__name")
    chosen = user.chosen_organization if user.chosen_organization in user.roles else None
    choices = [(None, _("All organizations")), *own]
    return (
        [
            {"title": name, "link": str(key or ""), "icon": "check" if key == chosen else ""}
            for key, name in choices
        ]
        if len(user.roles) > 1
        else []
    )


def site_header(request: HttpRequest) -> str:
    """The organization that the user has chosen, or the hub's name."""
    chosen = [item["title"] for item in switcher(request) if item["icon"] and item["link"]]
    return chosen[0] if chosen else "channels-hub"


def account_links(request: HttpRequest) -> list[dict[str, Any]]:
    """Entries of the user's own menu."""
    return [
        {"title": _("Change password"), "link": reverse("admin:password_change")},
        {"title": _("Second factor"), "link": reverse("second_factor_set_up")},
        {"title": _("Sessions"), "link": reverse("sessions")},
        {"title": _("Language and time zone"), "link": reverse("admin:preferences")},
    ]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the sidebar; unfold leaves out what the user may not see."""
    return [
        {
            "items": [
                {"title": _("Today"), "icon": "today", "link": reverse_lazy("admin:index")},
                {
                    "title": _("Dashboard"),
                    "icon": "monitoring",
                    "link": reverse_lazy("admin:dashboard_page"),
                    "permission": _may("proof.view_numbers"),
                },
                {
                    "title": _("Proof"),
                    "icon": "verified",
                    "link": reverse_lazy("admin:proof_page"),
                    "permission": _may("proof.view_numbers"),
                },
            ]
        },
        {
            "title": _("Messages"),
            "items": [
                _inbox_item(request),
                _item(_("Conversations"), "forum", "conversations.conversation"),
                _item(
                    _("Dead letters"),
                    "mail_lock",
                    "conversations.deadletter",
                    **_dead_letters_badge(request),
                ),
                _item(_("Labels"), "label", "inbox.label"),
                _item(_("Exports"), "download", "conversations.export"),
                _item(_("Erasures"), "person_off", "protection.erasure"),
                _item(_("Retention"), "auto_delete", "protection.purge"),
            ],
        },
        {
            "title": _("Answers"),
            "items": [
                {
                    "title": _("Prompt workshop"),
                    "icon": "psychology",
                    "link": reverse_lazy("admin:workshop"),
                    "permission": _may("prompts.view_promptversion"),
                },
            ],
        },
        {
            "title": _("Setup"),
            "items": [
                _item(_("Channels"), "hub", "channels.channel"),
                _item(_organization_title(request), "apartment", "organizations.organization"),
                _item(_("Members"), "group", "organizations.member"),
                _item(_("Invitations"), "mail", "organizations.invitation"),
                _item(_("Audit log"), "history_edu", "audit.change"),
            ],
        },
        {
            "title": _("Platform"),
            "items": [
                {
                    "title": _("Health"),
                    "icon": "ecg_heart",
                    "link": reverse_lazy("admin:operations_health"),
                    "permission": _may("operations.view_health"),
                },
                {
                    "title": _("Capacity"),
                    "icon": "query_stats",
                    "link": reverse_lazy("admin:capacity_page"),
                    "permission": _may("capacity.view_run"),
                },
                {
                    "title": _("Releases"),
                    "icon": "rocket_launch",
                    "link": reverse_lazy("admin:releases"),
                    "permission": _may("deployments.view_deploy"),
                },
                _item(_("Users"), "shield_person", "organizations.user"),
            ],
        },
    ]


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "channels-hub",
    "SITE_HEADER": site_header,
    "SITE_DROPDOWN": switcher,
    "SITE_SUBHEADER": gettext_lazy("Every message answered"),
    "SITE_URL": None,
    "SITE_ICON": {"light": _static("console/icon.svg"), "dark": _static("console/icon.svg")},
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _static("console/icon.svg")}],
    "SHOW_BACK_BUTTON": False,
    "BORDER_RADIUS": "8px",
    "DASHBOARD_CALLBACK": "console.today.add_today",
    "LOGIN": {"form": "console.signin.forms.SignInForm", "image": _static("console/login.svg")},
    "STYLES": [_static("console/console.css")],
    "SCRIPTS": [_static("console/console.js")],
    "ACCOUNT": {"navigation": account_links},
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": sidebar},
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(67.3% .182 276.935)",
            "500": "oklch(58.5% .233 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        },
    },
}
