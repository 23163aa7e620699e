"""Text on its way into and out of a model: cleaning, UTF-8 over token borders, stop strings."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


def clean_text(text: str) -> str:
    """Drop NUL bytes, join surrogate pairs, replace lone surrogates: the result encodes as UTF-8."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class TextStream:
    """Turns the bytes of tokens into text that is safe to show as it grows.

    A character split over tokens waits for its last byte, and text that may be the beginning of a
    stop string waits until it is clear. The first stop string to be complete ends the stream.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._stop = tuple(word for word in stop if word)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.stopped = False

    def feed(self, data: bytes) -> str:
        """Take the bytes of the next token and return the text that can be shown now."""
        if self.stopped:
            return ""
        self._held += self._decoder.decode(data)
        end = self._first_stop()
        if end is not None:
            self.stopped = True
        else:
            end = len(self._held) - self._undecided()
        shown, self._held = self._held[:end], self._held[end:]
        return shown

    def finish(self) -> str:
        """Return what was held back at the end; an unfinished character is dropped."""
        if self.stopped:
            return ""
        shown, self._held = self._held, ""
        return shown

    def _first_stop(self) -> int | None:
        """Where the stop string that is complete first begins, so that chunk borders change nothing."""
        found = [(at + len(word), at) for word in self._stop if (at := self._held.find(word)) >= 0]
        return min(found)[1] if found else None

    def _undecided(self) -> int:
        """How many characters at the end may still become a stop string."""
        longest = max((len(word) for word in self._stop), default=0) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            tail = self._held[-size:]
            if any(word.startswith(tail) for word in self._stop):
                return size
        return 0
