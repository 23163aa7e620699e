"""Which messages are for staff before the LLM is asked: the same for the same text."""

import pytest
from django.core.exceptions import ValidationError

from console.organizations import handover_rules
from hub_lambdas.turns import Match, Reason
from hub_lambdas.turns.handover import find

WORDS = "refund\nmoney back\nStraße\n退款"
TOPICS = "Complaint: not happy, réclamation\nLegal: lawyer, Anwalt"


def match(text: str, *more: str) -> Match | None:
    return find(handover_rules.read(True, "kto zywy", WORDS, TOPICS), [text, *more])


@pytest.mark.parametrize(
    "text",
    [
        "Can I speak with a real person please?",
        "human",
        "HUMAN PLEASE!!",
        "connect me to an operator",
        "Let me chat with one of your colleagues",
        "Ich möchte mit einem Menschen sprechen",
        "Kann ich bitte mit einem Mitarbeiter reden?",
        "Je voudrais parler à un conseiller s’il vous plaît",
        "Puis-je parler avec quelqu'un ?",
        "¿Puedo hablar con una persona?",
        "un agente por favor",
        "Vorrei parlare con un operatore",
        "Quero falar com um atendente",
        "gostaria de falar com alguém",
        "Ik wil graag met een medewerker spreken",
        "Kan ik iemand spreken?",
        "kto żywy?",
    ],
)
def test_who_asks_for_a_person(text: str) -> None:
    assert match(text) == Match(Reason.ASKED_FOR_PERSON)


@pytest.mark.parametrize(
    "text",
    [
        "How much is a whitening per person?",
        "Do I need an agent to buy a flat?",
        "Are you a human?",
        "Can a person with a pacemaker get an X-ray?",
        "Do your staff speak German?",
        "Spricht jemand bei euch Englisch?",
        "¿Hablan inglés? ¿Cuánto cuesta por persona?",
        "Combien pour une personne ?",
        "Hoeveel kost het per persoon?",
        "I spoke to someone yesterday",
        "Give me the price for one person",
        "",
    ],
)
def test_who_does_not(text: str) -> None:
    assert match(text) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I want a REFUND.", Match(Reason.HANDOVER_WORD, "refund")),
        ("refunds are fine", None),
        ("give me my money\n  back", Match(Reason.HANDOVER_WORD, "money back")),
        ("in der STRASSE", Match(Reason.HANDOVER_WORD, "Straße")),
        ("我要退款谢谢", Match(Reason.HANDOVER_WORD, "退款")),
        ("une reclamation", Match(Reason.HANDOVER_TOPIC, "Complaint")),
        ("my lawyer wants a refund", Match(Reason.HANDOVER_TOPIC, "Legal")),
    ],
)
def test_words_and_topics(text: str, found: Match | None) -> None:
    assert match(text) == found


def test_a_turn_is_read_as_a_whole() -> None:
    assert match("I want my money", "back") == Match(Reason.HANDOVER_WORD, "money back")


def test_a_long_message_is_read_in_no_time() -> None:
    assert match("talk to a " * 4000) is None


@pytest.mark.parametrize(
    ("topics", "problem"),
    [
        ("Complaint", "“Complaint” is no topic"),
        ("Complaint: ,", "“Complaint: ,” is no topic"),
        ("A: x\nA: y", "The topic “A” stands there twice."),
        ("A: !!!", "“!!!” has no letter in it."),
        (f"A: {'x' * 81}", "too long: at most 80 characters"),
        (f"A: {', '.join(map(str, range(301)))}", "These are too many: at most 300."),
    ],
)
def test_what_is_no_topic(topics: str, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        handover_rules.validate_topics(topics)
    assert problem in caught.value.messages[0]
