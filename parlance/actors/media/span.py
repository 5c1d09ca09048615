"""A phrase and its audio: which of its words the caller has heard. Pure.

Positions are bytes of the line's format, counted from the turn's first sample. A gap is where silence was sent in place
of the audio, because the agent is muted; gaps are in order and do not touch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

PACE = 15
"""Characters a second: how long a phrase is taken to be until its audio is complete."""


@dataclass(slots=True)
class Span:
    """A phrase from `start` to `end`; `end` is None while audio may still come. `guess`: bytes it is likely to take.

    `times`: as far as the voice says so, how many of its characters have been said at which byte of its own; both only
    grow. Between two of them, and after the last, length stands for time.
    """

    text: str
    start: int
    guess: int
    end: int | None = None
    times: list[tuple[int, int]] = field(default_factory=list)

    def timed(self, characters: int, at: int) -> None:
        """The voice has said so many characters `at` bytes after the phrase's start."""
        last = self.times[-1] if self.times else (0, 0)
        if last[0] <= characters <= len(self.text) and at >= last[1]:
            self.times.append((characters, at))

    def cut(self, position: int, total: int) -> str:
        """Its words before `position`, which is before its end; `total`: the end of the audio so far."""
        return _words(self.text, self._share(position, total))

    def heard(self, heard: int, total: int, gaps: Sequence[tuple[int, int]]) -> str:
        """Its words of which all that is before `heard` was heard, but for the gaps."""
        text, at = "", self.start
        for start, end in (*gaps, (heard, heard)):
            if start > at:
                before = self._until(at, total, whole=True) if at > self.start else ""
                text = f"{text} {self._until(min(start, heard), total)[len(before) :].strip()}".strip()
            at = max(at, end)
        # What lasts no time is heard as soon as it is its turn.
        return self.text if self.start == self.end and not gaps else text

    def audible(self, gaps: Sequence[tuple[int, int]]) -> int:
        """Where the caller begins to hear it: at its end, if all of it is a gap."""
        at = self.start
        for start, end in gaps:
            at = end if start <= at < end else at
        return at if self.end is None else min(at, self.end)

    def _share(self, position: int, total: int) -> float:
        length = max(total - self.start, self.guess) if self.end is None else self.end - self.start
        if self.times:
            return self._said(position - self.start, length) / max(1, len(self.text))
        return (position - self.start) / max(1, length)

    def _said(self, at: int, length: int) -> float:
        """Characters said `at` bytes after the start, by the times that the voice gave."""
        after = bisect_right(self.times, at, key=lambda time: time[1])
        said, begun = self.times[after - 1] if after else (0, 0)
        then, until = self.times[after] if after < len(self.times) else (len(self.text), max(length, begun))
        return said + (then - said) * (at - begun) / max(1, until - begun)

    def _until(self, position: int, total: int, *, whole: bool = False) -> str:
        """Its words before `position`; `whole`: with the one in the midst of which that is."""
        if self.end is not None and position >= self.end:
            return self.text
        share = self._share(position, total)
        text = _words(self.text, share)
        if not whole or len(text) >= int(len(self.text) * share):
            return text
        after = self.text.find(" ", len(text) + 1)
        return self.text if after < 0 else self.text[:after]


def _words(text: str, share: float) -> str:
    """The whole words in the first `share` of `text`, by length: always a prefix of it."""
    if share >= 1:
        return text
    cut = int(len(text) * max(0.0, share))
    if cut < len(text) and not text[cut].isspace():
        cut = text.rfind(" ", 0, cut + 1)
    return text[: max(0, cut)].rstrip()
