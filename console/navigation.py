"""How the console looks and what its sidebar offers: django-unfold's settings."""

from collections.abc import Callable
from typing import Any

from django.db.models import OuterRef, Subquery
from django.db.models.lookups import Exact
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse, reverse_lazy

from console.signed_in import user_of


def _static(path: str) -> Callable[[HttpRequest], str]:
    return lambda request: static(path)


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: bool(request.user.has_perm(permission))


def _item(title: str, icon: str, model: str, **more: Any) -> dict[str, Any]:
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

    organizations = tenancy.organizations_with(user_of(request), "organizations.view_organization")
    return "Organization" if organizations.count() == 1 else "Organizations"


def _waiting_badge(request: HttpRequest) -> dict[str, Any]:
    """How many conversations wait for staff: those of theirs in which they did not have the last word."""
    from console import tenancy
    from console.conversations.models import Conversation, Message

    conversations = tenancy.scope(
        Conversation.objects.all(), user_of(request), "conversations.view_conversation"
    )
    newest = Message.objects.filter(conversation=OuterRef("pk")).order_by("-id")
    of_staff = conversations.filter(owner=Conversation.Owner.STAFF, contact__is_test=False)
    waiting = of_staff.exclude(Exact(Subquery(newest.values("purpose")[:1]), Message.Purpose.STAFF))
    count = waiting.count()
    return {"badge": count, "badge_variant": "warning"} if count else {}


def _dead_letters_badge(request: HttpRequest) -> dict[str, Any]:
    """How many dead letters wait to be replayed or discarded."""
    from console import tenancy
    from console.conversations.models import DeadLetter

    letters = tenancy.scope(DeadLetter.objects.all(), user_of(request), "conversations.view_deadletter")
    count = letters.filter(state=DeadLetter.State.WAITING).count()
    return {"badge": count, "badge_variant": "danger"} if count else {}


def account_links(request: HttpRequest) -> list[dict[str, Any]]:
    """Entries of the user's own menu."""
    return [{"title": "Change password", "link": reverse("admin:password_change")}]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the sidebar; unfold leaves out what the user may not see."""
    return [
        {
            "items": [
                {"title": "Dashboard", "icon": "monitoring", "link": reverse_lazy("admin:index")},
                {
                    "title": "Proof",
                    "icon": "verified",
                    "link": reverse_lazy("admin:proof_page"),
                    "permission": _may("organizations.view_organization"),
                },
            ]
        },
        {
            "title": "Inbox",
            "items": [
                _item("Conversations", "forum", "conversations.conversation", **_waiting_badge(request)),
                _item(
                    "Dead letters",
                    "mail_lock",
                    "conversations.deadletter",
                    **_dead_letters_badge(request),
                ),
                _item("Exports", "download", "conversations.export"),
            ],
        },
        {
            "title": "Answers",
            "items": [
                _item("Prompts", "psychology", "prompts.promptversion"),
                _item("Canned prompts", "quickreply", "prompts.cannedprompt"),
            ],
        },
        {
            "title": "Setup",
            "items": [
                _item("Channels", "hub", "channels.channel"),
                _item(_organization_title(request), "apartment", "organizations.organization"),
                _item("Members", "group", "organizations.member"),
            ],
        },
        {
            "title": "Platform",
            "items": [_item("Users", "shield_person", "organizations.user")],
        },
    ]


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "channels-hub",
    "SITE_HEADER": "channels-hub",
    "SITE_SUBHEADER": "Every message answered",
    "SITE_URL": None,
    "SITE_ICON": {"light": _static("console/icon.svg"), "dark": _static("console/icon.svg")},
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _static("console/icon.svg")}],
    "SHOW_BACK_BUTTON": False,
    "BORDER_RADIUS": "8px",
    "DASHBOARD_CALLBACK": "console.dashboard.add_dashboard",
    "LOGIN": {"image": _static("console/login.svg")},
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
