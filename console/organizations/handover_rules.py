"""What staff get before the LLM is asked, as people write it: words and phrases one a line, and topics with a
name, "Complaint: refund, money back"."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NoReturn

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from console.organizations.business_hours import lines
from hub_lambdas.turns.handover import Rules, Topic

MAX_PHRASES = 300
"""Of each setting: every message is held to all of them."""
MAX_LENGTH = 80
"""Of a phrase and of a topic's name."""


@lru_cache(maxsize=256)
def read(on_request: bool, request_phrases: str, words: str, topics: str) -> Rules:
    """The rules that these settings say."""
    return Rules(
        words=tuple(lines(words)),
        topics=tuple(parse_topics(topics)),
        asks_for_person=on_request,
        person_phrases=tuple(lines(request_phrases)),
    )


def parse_topics(text: str) -> Sequence[Topic]:
    """The topics. Raises ValidationError."""
    topics: list[Topic] = []
    for line in lines(text):
        label, colon, said = line.partition(":")
        phrases = tuple(each.strip() for each in said.split(",") if each.strip())
        if not colon or not label.strip() or not phrases:
            _fail(_("“%(text)s” is no topic: write Complaint: refund, money back."), line)
        if label.strip() in (topic.label for topic in topics):
            _fail(_("The topic “%(text)s” stands there twice."), label.strip())
        topics.append(Topic(label.strip(), phrases))
    return topics


def write_topic(label: str, phrases: Sequence[str]) -> str:
    """A line as `parse_topics` reads it."""
    return f"{label}: {', '.join(phrases)}"


def validate_phrases(text: str) -> None:
    """Raise ValidationError unless they are phrases with a letter or digit, none too long nor too many."""
    _demand(lines(text))


def validate_topics(text: str) -> None:
    """Raise ValidationError unless `parse_topics` reads it, and its phrases are as above."""
    topics = parse_topics(text)
    _demand([topic.label for topic in topics])
    _demand([phrase for topic in topics for phrase in topic.phrases])


def _demand(phrases: Sequence[str]) -> None:
    for phrase in phrases:
        if not any(map(str.isalnum, phrase)):
            _fail(_("“%(text)s” has no letter in it."), phrase)
        if len(phrase) > MAX_LENGTH:
            _fail(_("“%(text)s” is too long: at most 80 characters."), phrase)
    if len(phrases) > MAX_PHRASES:
        raise ValidationError(_("These are too many: at most %(count)s.") % {"count": MAX_PHRASES})


def _fail(problem: str, text: str) -> NoReturn:
    raise ValidationError(problem % {"text": text})
