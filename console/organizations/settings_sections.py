"""The sections of the page with an organization's settings."""

from typing import Any

from django.utils.translation import gettext_lazy as _

SECTIONS: list[Any] = [
    (None, {"fields": ["name", "slug", "is_active"]}),
    (
        _("Languages"),
        {
            "fields": ["language", "other_languages", "missing_texts"],
            "description": _(
                "What contacts are told stands in the sections below, and further down in other languages."
            ),
        },
    ),
    (
        _("Business hours"),
        {
            "fields": ["time_zone", "business_hours", "closed_dates", "after_hours", "away_text"],
            "description": _(
                "When staff are there. The bot answers at any time, unless you choose otherwise."
            ),
        },
    ),
    (
        _("What goes to staff at once"),
        {
            "fields": [
                "handover_on_request",
                "request_phrases",
                "handover_words",
                "handover_topics",
                "handover_after_turns",
            ],
            "description": _(
                "Looked at before the LLM is asked. Staff see in the conversation which rule it was."
            ),
        },
    ),
    (
        _("When staff take over"),
        {"fields": ["handover_after_seconds", "fallback", "return_to_bot_after_minutes"]},
    ),
    (_("How turns are answered"), {"fields": ["bots", "burst_window_seconds", "max_answer_tokens"]}),
    (
        _("When the answer takes longer"),
        {
            "fields": ["holding_line"],
            "description": _("So that nobody waits more than five seconds for a sign."),
        },
    ),
    (
        _("Pictures, voice notes and files"),
        {
            "fields": ["media_policy", "media_line"],
            "description": _("Staff see them in the conversation either way. The LLM reads text only."),
        },
    ),
    (
        _("Late messages"),
        {
            "fields": ["late_after_minutes", "late_policy", "apology"],
            "description": _(
                "After an outage, platforms deliver what contacts wrote long before. When they wrote it is "
                "judged by the platform's own clock."
            ),
        },
    ),
    (
        _("Delivery"),
        {
            "fields": ["unknown_delivery"],
            "description": _("A platform that does not answer may have taken an answer or not."),
        },
    ),
    (
        _("Limits"),
        {
            "fields": [
                ("contact_messages_per_minute", "contact_answers_per_day"),
                ("turns_per_minute", "answers_per_day"),
                "limit_line",
                "busy_line",
            ],
            "description": _(
                "Against abuse and unexpected costs: what goes beyond a limit is stored and declined. Empty: "
                "no limit."
            ),
        },
    ),
    (_("Feedback"), {"fields": ["asks_for_feedback"]}),
    (
        _("Data protection"),
        {
            "fields": ["retention_days"],
            "description": _("What was deleted last stands under “Retention”."),
        },
    ),
]
