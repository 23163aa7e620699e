"""Long texts are cut so that nothing is lost and nothing is torn."""

from collections.abc import Callable

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub_lambdas.channels.text import is_cut_allowed, one, split, utf16_units

CHARACTERS = st.text(
    st.sampled_from("ab .!?\n\r\t。é\u0301\u200d\ufe0f\u0915\u094d\u0937가\u1100\u1161\u11a8\u0e19\u0e33")
    | st.sampled_from("👩👧🏽😀🇩🇪🇫❤")
    | st.characters(),
    max_size=80,
)


Measure = Callable[[str], int]


def size(piece: str, measure: Measure) -> int:
    """The size of a piece, counted otherwise than by the code under test."""
    return len(piece) if measure is one else len(piece.encode("utf-16-le", "surrogatepass")) // 2


@settings(max_examples=400)
@given(CHARACTERS, st.integers(1, 30), st.sampled_from([one, utf16_units]))
def test_joined_they_are_the_text_and_each_fits(text: str, limit: int, measure: Measure) -> None:
    pieces = split(text, limit, measure)
    assert "".join(pieces) == text
    assert all(pieces)
    for piece in pieces:
        assert size(piece, measure) <= limit or len(piece) == 1


# One or two of each kind that Unicode Standard Annex #29 tells apart, and letters that they join.
JOINERS = (
    "a\u0301\u200d\u200c\r\n\ufe0f"
    "가각\u1100\u115f\ua960\u1161\ud7b0\u11a8\ud7cb"  # Hangul: syllables; first, middle and last parts
    "\u0915\u0937\u094d\u093c\u093f\u0d4e\U000111c2\u0600\u0bcd\u1039"  # Indic and Arabic marks
    "\u0e33\u0eb3\uff9e👩🏽❤🇩🇪"
)


def borders(text: str) -> set[int]:
    """Where readers see one character end: the package `regex` as the oracle."""
    return {0, *(found.end() for found in regex.finditer(r"\X", text))}


@settings(max_examples=400)
@given(
    st.text(st.sampled_from(JOINERS), max_size=12)
    | st.text(st.characters(exclude_categories=["Cn"]), max_size=12)  # Python knows an older Unicode
)
@example("\u1100\u1100\u1161")
@example("\u1100가")
@example("\u0d4e\u0d15")
@example("\u0915\u094d\u093c\u0937")
def test_no_place_within_a_character_is_one_to_cut_at(text: str) -> None:
    cuts = {index for index in range(len(text) + 1) if is_cut_allowed(text, index)}
    assert cuts <= borders(text)


@settings(max_examples=400)
@given(CHARACTERS)
@example("🇩🇪" * 20)
@example("👩‍👩‍👧‍👦" * 8)
@example("👋🏽" * 20)
@example("e\u0301" * 30)
@example("क्षि" * 15)
def test_no_character_is_torn(text: str) -> None:
    limit = max([25, *map(len, regex.findall(r"\X", text))])
    position = 0
    for piece in split(text, limit):
        position += len(piece)
        assert position in borders(text)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("short", ["short"]),
        ("one two. three\n\nfour five six", ["one two. three\n\n", "four five six"]),
        ("one two three\nfour five six", ["one two three\n", "four five six"]),
        ("One two three. Four five six.", ["One two three. ", "Four five six."]),
        ("one two three four five six", ["one two three four ", "five six"]),
        ("x" * 45, ["x" * 20, "x" * 20, "x" * 5]),
        (
            "一二三四五六七八九十。一二三四五六七八九十一二",
            ["一二三四五六七八九十。", "一二三四五六七八九十一二"],
        ),
    ],
)
def test_it_is_cut_where_a_reader_pauses(text: str, pieces: list[str]) -> None:
    assert split(text, 20) == pieces


def test_astral_characters_count_twice_for_utf16() -> None:
    assert split("😀" * 5, 4, utf16_units) == ["😀😀", "😀😀", "😀"]
