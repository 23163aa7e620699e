"""Cuts a text into pieces that a platform takes: all of it, at good places, and never inside what readers
see as one character (Unicode Standard Annex #29, a little stricter)."""

import re
import unicodedata
from collections.abc import Callable, Iterator

_BORDERS = [
    re.compile(r"\n\s*\n\s*"),  # paragraphs
    re.compile(r"\n\s*"),  # lines
    re.compile(r"[.!?…؟۔][\"'”’»)\]]*\s+|[。！？]+\s*"),  # sentences
    re.compile(r"\s+"),  # words
]
_JOINED_TO_THE_LEFT = {"Mn", "Mc", "Me", "Cf"}
_LETTERS_JOINED_TO_THE_LEFT = "\u0e33\u0eb3\uff9e\uff9f"  # Thai and Lao AM, halfwidth katakana sound marks
# Letters of Indic scripts that stand before a consonant, above or in front of it.
_LETTERS_JOINED_TO_THE_RIGHT = (
    "\u0d4e\u1cf5\u1cf6\U000111c2\U000111c3\U0001193f\U00011941\U00011a3a"
    "\U00011a84\U00011a85\U00011a86\U00011a87\U00011a88\U00011a89\U00011d46\U00011f02"
)
_VIRAMA_CLASS = 9


def one(character: str) -> int:
    """Measure for a limit in code points."""
    return 1


def utf16_units(character: str) -> int:
    """Measure for a limit in UTF-16 code units."""
    return 2 if character > "\uffff" else 1


def utf8_bytes(character: str) -> int:
    """Measure for a limit in bytes of UTF-8."""
    return len(character.encode("utf-8", "surrogatepass"))


def split(text: str, limit: int, measure: Callable[[str], int] = one) -> list[str]:
    """`text` in pieces of at most `limit`; joined they are `text` again. A piece ends after a paragraph where
    that leaves it at least half full, else after a line, a sentence, a word. No pieces for an empty text."""
    pieces = []
    start = 0
    while start < len(text):
        end = _furthest(text, start, limit, measure)
        if end < len(text):
            end = _good_cut(text, start, end)
        pieces.append(text[start:end])
        start = end
    return pieces


def _furthest(text: str, start: int, limit: int, measure: Callable[[str], int]) -> int:
    """Where a piece from `start` must end at the latest; it holds at least one character."""
    size = 0
    for index in range(start, len(text)):
        size += measure(text[index])
        if size > limit and index > start:
            return index
    return len(text)


def _good_cut(text: str, start: int, end: int) -> int:
    half = start + (end - start) // 2
    for border in _BORDERS:
        cuts = [cut for cut in _ends(border, text, start, end) if cut >= half and is_cut_allowed(text, cut)]
        if cuts:
            return cuts[-1]
    for cut in range(end, start, -1):
        if is_cut_allowed(text, cut):
            return cut
    return end  # one character longer than a whole piece: there is no better place


def _ends(border: re.Pattern[str], text: str, start: int, end: int) -> Iterator[int]:
    return (match.end() for match in border.finditer(text, start, end))


def is_cut_allowed(text: str, index: int) -> bool:
    """Whether readers see the characters before and after `index` as two."""
    if not 0 < index < len(text):
        return True
    before, after = text[index - 1], text[index]
    if _is_mark(after) or _is_jamo_inside(after) or (_is_leading_jamo(before) and _is_hangul(after)):
        return False
    if unicodedata.category(before) == "Cf" or before in _LETTERS_JOINED_TO_THE_RIGHT:
        return False  # joiners, prepended marks
    if _ends_with_virama(text, index):
        return False
    if before == "\r" and after == "\n":
        return False
    if "\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff":
        return False
    return not (_is_regional(before) and _is_regional(after) and _regionals_before(text, index) % 2)


def _is_mark(character: str) -> bool:
    """What only adds to the character before it, skin tones too."""
    is_joined = unicodedata.category(character) in _JOINED_TO_THE_LEFT
    return is_joined or character in _LETTERS_JOINED_TO_THE_LEFT or "\U0001f3fb" <= character <= "\U0001f3ff"


def _ends_with_virama(text: str, index: int) -> bool:
    """Whether a conjunct goes on at `index`: further marks may stand between its virama and what follows."""
    while index and _is_mark(text[index - 1]):
        index -= 1
        if unicodedata.combining(text[index]) == _VIRAMA_CLASS:
            return True
    return False


def _is_leading_jamo(character: str) -> bool:
    """The first consonant of a Hangul syllable written in its parts; there may be several."""
    return "\u1100" <= character <= "\u115f" or "\ua960" <= character <= "\ua97c"


def _is_hangul(character: str) -> bool:
    """What may follow a leading consonant, apart from vowels: another, or a whole syllable."""
    return _is_leading_jamo(character) or "\uac00" <= character <= "\ud7a3"


def _is_jamo_inside(character: str) -> bool:
    """A vowel or final consonant of a Hangul syllable written in its parts."""
    return "\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7ff"


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _regionals_before(text: str, index: int) -> int:
    count = 0
    while count < index and _is_regional(text[index - 1 - count]):
        count += 1
    return count
