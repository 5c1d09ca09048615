"""The agent's track of one call, as the caller's ear had it: when it was audible, and when not.

Audible is a window of 10 ms above -50 dBFS (RMS); windows are counted from where the ear's queue began to play, so that
the first one begins with the first sample. Pure.
"""

from __future__ import annotations

from binascii import a2b_base64
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.measure.record import Piece, Span
from parlance.codecs import mulaw

RATE = 8000
WINDOW = 80
"""Samples in 10 ms."""
AUDIBLE = 10 ** (-50 / 10)
"""Mean square, of full scale 1."""
PAUSE = 0.2
"""Seconds without sound that part two sounds: less is the gap between two syllables or words."""


def stretches(pieces: Sequence[Piece]) -> Iterator[tuple[float, bytes]]:
    """Audio that was played without a pause: when it began, and its µ-law."""
    begin = until = 0.0
    parts: list[bytes] = []
    for at, _, count, payload in pieces:
        if at != until and parts:
            yield begin, b"".join(parts)
            parts = []
        if not parts:
            begin = at
        parts.append(a2b_base64(payload)[:count])
        until = at + count / RATE
    if parts:
        yield begin, b"".join(parts)


def spans(begin: float, sound: bytes) -> list[Span]:
    """When a stretch was audible."""
    power = _squares()[np.frombuffer(sound, np.uint8)]
    edges = np.arange(0, len(power), WINDOW)
    if not len(edges):
        return []
    sizes = np.minimum(WINDOW, len(power) - edges)
    loud = np.add.reduceat(power, edges) / sizes > AUDIBLE
    turns = np.flatnonzero(np.diff(np.concatenate(([False], loud, [False]))))
    return [
        (begin + int(first) * WINDOW / RATE, begin + min(int(last) * WINDOW, len(power)) / RATE)
        for first, last in zip(turns[::2], turns[1::2], strict=True)
    ]


class Track:
    """`spans`: from when to when the agent was audible; `onsets`: when it began to sound; both in order.

    `clears` part sounds that a short pause would not.
    """

    def __init__(self, pieces: Sequence[Piece], clears: Sequence[float] = ()) -> None:
        self.spans = [span for begin, sound in stretches(pieces) for span in spans(begin, sound)]
        self._ends = [end for _, end in self.spans]
        self._begins = [begin for begin, _ in self.spans]
        self.onsets = self._begins[:1]
        for (_, before), (begin, _) in pairwise(self.spans):
            if begin - before >= PAUSE or any(before - 1e-3 <= clear <= begin for clear in clears):
                self.onsets.append(begin)

    def audible(self, first: float, last: float) -> bool:
        """Whether there was any sound between the two times."""
        at = bisect_right(self._ends, first)
        return at < len(self.spans) and self._begins[at] < last

    def onset(self, since: float) -> float | None:
        """When the agent next began to sound; one that has sounded already has to pause before it can begin."""
        at = bisect_left(self.onsets, since)
        return self.onsets[at] if at < len(self.onsets) else None

    def silent(self, since: float) -> float:
        """When the sound at `since` ended; `since` itself if there was none."""
        at = bisect_right(self._ends, since)
        end = since
        while at < len(self.spans) and self._begins[at] - end < PAUSE:
            end = self._ends[at]
            at += 1
        return end

    def last(self, before: float) -> float | None:
        """When the last sound that began before this time ended, but no later than this time."""
        at = bisect_left(self._begins, before)
        return min(self._ends[at - 1], before) if at else None

    def sounding(self, first: float, last: float) -> float:
        """Seconds of sound between the two times."""
        at, total = bisect_right(self._ends, first), 0.0
        while at < len(self.spans) and self._begins[at] < last:
            total += min(self._ends[at], last) - max(self._begins[at], first)
            at += 1
        return total


@cache
def _squares() -> NDArray[np.float32]:
    """The square of every µ-law value, of full scale 1."""
    values = np.frombuffer(mulaw.decode(bytes(range(256))), "<i2").astype(np.float32) / np.float32(32768)
    return np.asarray(values * values, np.float32)
