"""How each setting of an organization stands in its file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from console.organizations.business_hours import WEEKDAYS, join_week, lines, split_week
from console.organizations.handover_rules import parse_topics, write_topic
from console.organizations.yaml_sections import Section


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Shape:
    """How a setting is read from its key in a section, and written as YAML."""

    read: Callable[[Section, str], Any]
    write: Callable[[Any], Any] = _same


def _value(kind: type) -> Shape:
    return Shape(lambda section, key: section.value(key, kind))


def _read_lines(section: Section, key: str) -> str:
    return "\n".join(text.strip() for text in section.words(key))


def _read_week(section: Section, key: str) -> str:
    days = section.section(key, WEEKDAYS)
    return join_week({day: days.value(day, str) for day in days.nodes})


def _read_topics(section: Section, key: str) -> str:
    topics = section.section(key, known=None)
    return "\n".join(write_topic(label, topics.texts(label)) for label in topics.nodes)


def _write_topics(text: str) -> dict[str, list[str]]:
    return {topic.label: list(topic.phrases) for topic in parse_topics(text)}


_TEXT, _NUMBER, _SWITCH = _value(str), _value(int), _value(bool)
_TEXTS = Shape(lambda section, key: section.texts(key))
_LINES = Shape(_read_lines, lines)

SETTINGS: Mapping[str, Shape] = {
    "name": _TEXT,
    "is_active": _SWITCH,
    "language": _TEXT,
    "other_languages": _TEXTS,
    "time_zone": _TEXT,
    "business_hours": Shape(_read_week, lambda text: dict(split_week(text))),
    "closed_dates": _LINES,
    "after_hours": _TEXT,
    "away_text": _TEXT,
    "burst_window_seconds": _value(float),
    "max_answer_tokens": _NUMBER,
    "holding_line": _TEXT,
    "handover_on_request": _SWITCH,
    "request_phrases": _LINES,
    "handover_words": _LINES,
    "handover_topics": Shape(_read_topics, _write_topics),
    "handover_after_turns": _NUMBER,
    "handover_after_seconds": _NUMBER,
    "fallback": _TEXT,
    "return_to_bot_after_minutes": _NUMBER,
    "late_after_minutes": _NUMBER,
    "late_policy": _TEXT,
    "apology": _TEXT,
    "media_policy": _TEXT,
    "media_line": _TEXT,
    "unknown_delivery": _TEXT,
    "contact_messages_per_minute": _NUMBER,
    "contact_answers_per_day": _NUMBER,
    "turns_per_minute": _NUMBER,
    "answers_per_day": _NUMBER,
    "limit_line": _TEXT,
    "busy_line": _TEXT,
    "asks_for_feedback": _SWITCH,
    "retention_days": _NUMBER,
}

CHANNEL_SETTINGS: Mapping[str, Shape] = {"bot": _TEXT, "tells_contacts": _SWITCH}
"""The same of a channel, apart from what its kind asks for."""
