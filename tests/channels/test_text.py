"""Long texts are cut so that nothing is lost and nothing is torn."""

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from hub_lambdas.channels.text import one, split, utf16_units

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


@settings(max_examples=400, deadline=None)
@given(CHARACTERS, st.integers(1, 30), st.sampled_from([one, utf16_units]))
def test_joined_they_are_the_text_and_each_fits(text: str, limit: int, measure: Measure) -> None:
    pieces = split(text, limit, measure)
    assert "".join(pieces) == text
    assert all(pieces)
    for piece in pieces:
        assert size(piece, measure) <= limit or len(piece) == 1


@settings(max_examples=400, deadline=None)
@given(CHARACTERS)
@example("🇩🇪" * 20)
@example("👩‍👩‍👧‍👦" * 8)
@example("👋🏽" * 20)
@example("e\u0301" * 30)
@example("क्षि" * 15)
def test_no_character_is_torn(text: str) -> None:
    """wcwidth as the oracle of what readers see as one character."""
    graphemes = list(iter_graphemes(text))
    limit = max([25, *map(len, graphemes)])
    borders, position = {0}, 0
    for grapheme in graphemes:
        position += len(grapheme)
        borders.add(position)
    position = 0
    for piece in split(text, limit):
        position += len(piece)
        assert position in borders


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
