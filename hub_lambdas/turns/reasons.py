"""Why turns end as they do."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a turn was handed over or declined."""

    STAFF_OWNS = "staff_owns"
    UNSENT = "unsent"
    FILES_ONLY = "files_only"
    NOT_TEXT = "not_text"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    LLM_FAILED = "llm_failed"
    NO_ANSWER = "no_answer"
    NOT_KNOWN = "not_known"
    NOT_GROUNDED = "not_grounded"
    BOT_OFF = "bot_off"
    DRAFTED = "drafted"
    LATE = "late"
    AFTER_HOURS = "after_hours"
    ASKED_FOR_PERSON = "asked_for_person"
    HANDOVER_WORD = "handover_word"
    HANDOVER_TOPIC = "handover_topic"
    BOT_TURNS = "bot_turns"
    NO_ANSWER_IN_TIME = "no_answer_in_time"
    DELIVERY_FAILED = "delivery_failed"
    DELIVERY_UNKNOWN = "delivery_unknown"
    DEAD_LETTER = "dead_letter"
    ORGANIZATION_RETIRED = "organization_retired"
    CHANNEL_RETIRED = "channel_retired"
    CHANNEL_PAUSED = "channel_paused"
    CHANNEL_HELD = "channel_held"
    CONTACT_BLOCKED = "contact_blocked"
    CONTACT_ERASED = "contact_erased"
    CONTACT_RATE = "contact_rate"
    CONTACT_QUOTA = "contact_quota"
    ORGANIZATION_RATE = "organization_rate"
    ORGANIZATION_QUOTA = "organization_quota"


LIMITS_OF_ALL = (Reason.ORGANIZATION_RATE, Reason.ORGANIZATION_QUOTA)
"""Limits that all contacts of an organization use up together: no one of them has sent too much."""
