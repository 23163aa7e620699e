"""Which canned prompt a question is about.

Texts are compared by the pieces of their words (character n-grams within word borders) weighted by rarity,
with the cosine of their TF-IDF vectors (Salton & Buckley, "Term-weighting approaches in automatic text
retrieval", 1988). Pieces rather than words make inflection and typing errors harmless, in any alphabet and
without a dictionary.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

PIECE_LENGTHS = (3, 4, 5)


@dataclass(frozen=True)
class Match:
    """The entry most like a question; `similarity` is 0 (nothing in common) to 1."""

    key: int
    similarity: float


class Index:
    """Texts to be found again, each under the key of what it belongs to."""

    def __init__(self, entries: Sequence[tuple[int, str]]) -> None:
        counted = [(key, _pieces(text)) for key, text in entries]
        spread = Counter(piece for _, pieces in counted for piece in pieces)
        self._unseen = _rarity(len(counted), 0)
        self._rarity = {piece: _rarity(len(counted), count) for piece, count in spread.items()}
        self._entries = [(key, pieces, self._length(pieces)) for key, pieces in counted]

    def find(self, question: str) -> Match | None:
        """The best match for a question; None when nothing is shared with any entry."""
        asked = _pieces(question)
        length = self._length(asked)
        matches = [
            Match(key, self._shared(asked, pieces) / (length * its_length))
            for key, pieces, its_length in self._entries
            if length and its_length
        ]
        best = max(matches, key=lambda match: match.similarity, default=None)
        return best if best and best.similarity > 0 else None

    def _shared(self, one: Counter[str], other: Counter[str]) -> float:
        return sum(min(one[piece], other[piece]) * self._weight(piece) for piece in one.keys() & other.keys())

    def _length(self, pieces: Counter[str]) -> float:
        return math.sqrt(sum(count * count * self._weight(piece) for piece, count in pieces.items()))

    def _weight(self, piece: str) -> float:
        return self._rarity.get(piece, self._unseen) ** 2


@lru_cache(maxsize=64)
def index(entries: tuple[tuple[int, str], ...]) -> Index:
    """The index of these entries, kept while they stay the same."""
    return Index(entries)


def _rarity(entries: int, count: int) -> float:
    """Inverse document frequency, smoothed so that an unknown piece has one too."""
    return math.log((entries + 1) / (count + 0.5))


def _pieces(text: str) -> Counter[str]:
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
    bordered = (f" {word} " for word in words)
    return Counter(
        word[start : start + length]
        for word in bordered
        for length in PIECE_LENGTHS
        for start in range(len(word) - length + 1)
    )
