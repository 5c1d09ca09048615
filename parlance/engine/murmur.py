"""Words that do not interrupt ("uh-huh", "okay"): which these are, and when they are an answer all the same. Pure.

People answer a question as it ends, not after it: "okay" over the last syllables is meant, and nobody says it twice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

TAIL = 1.5
"""Seconds before the end of a reply from which on a murmur is an answer to it. A hold, which takes 0.5 s of them at the
least, leaves one second of the reply's audio."""

_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")


class Murmurs:
    """One call's murmurs; `words`: those that count as one, in lower case."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._text, self._began = "", -math.inf

    def others(self, text: str) -> int:
        """How many words of `text` are no murmurs."""
        return sum(word not in self._words for word in _WORD.findall(text.lower()))

    def keep(self, text: str, began: float) -> None:
        """`text` was murmured over a reply, by a voice that began at `began`."""
        self._text, self._began = text, began

    def answer(self, ended: float) -> str:
        """What was murmured as the reply ended at `ended`, or nothing. After that it is forgotten."""
        text, self._text = self._text, ""
        return text if ended - self._began < TAIL else ""
