"""Which canned prompt is found for a question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_lambdas.matching import Index

CLINIC = Index(
    [
        (1, "How much does a whitening cost?"),
        (1, "A whitening costs 240 €."),
        (2, "How much does a crown cost?"),
        (3, "Where can I park my car?"),
        (4, "What are your opening hours?"),
        (5, "كم سعر تبييض الأسنان؟"),
        (6, "¿Aceptan tarjeta de crédito?"),
    ]
)


@pytest.mark.parametrize(
    ("question", "key"),
    [
        ("whitening price", 1),
        ("WHITENNING???", 1),
        ("the cost for a new crown", 2),
        ("is there car parking", 3),
        ("when do you open?", 4),
        ("سعر تبييض", 5),
        ("acepta tarjetas", 6),
    ],
)
def test_other_words_find_it(question: str, key: int) -> None:
    match = CLINIC.find(question)
    assert match
    assert match.key == key


def test_the_same_words_are_a_full_match() -> None:
    match = CLINIC.find("how much does a CROWN cost")
    assert match
    assert match.similarity == pytest.approx(1)


@pytest.mark.parametrize("question", ["", "👍", "zzz", "   "])
def test_nothing_in_common_is_no_match(question: str) -> None:
    assert CLINIC.find(question) is None


def test_an_empty_index_finds_nothing() -> None:
    assert Index([]).find("hello") is None


@given(question=st.text())
def test_any_text_can_be_looked_up(question: str) -> None:
    match = CLINIC.find(question)
    assert match is None or 0 < match.similarity <= 1 + 1e-9
