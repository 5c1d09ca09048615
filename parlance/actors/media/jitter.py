"""The jitter buffer: a caller's audio in the order in which it was spoken, where the carrier numbers or times it. Pure.

In order is the rule, and costs one comparison. What comes early waits for what is missing; what does not come is
concealed as telephones do it (ITU-T G.711 Appendix I, in its simplest form): the last sound once more, fading, and then
silence. A long hole is silence that was not sent: it is not filled, and nothing waits. Nothing here has a clock: a line
that sends nothing asks for nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from parlance.codecs.convert import convert
from parlance.codecs.format import Format
from parlance.engine.errors import LineError

WINDOW = 3
"""Messages that wait for a missing one: 60 ms of a telephone's."""
BACK = 1.0
"""Seconds: who is further behind than that has begun anew."""
MOST = 0.2
"""Seconds of the longest hole, but for the window's length: what is further ahead comes after silence that was not
sent, or after so much loss that to fill it would be to invent time."""
FARTHEST = 2.0**63
"""A position beyond that is none: what carriers count fits 64 bits."""
FADE = 0.06
"""Seconds in which a repeated sound fades away."""


@dataclass(frozen=True, slots=True)
class JitterStatistics:
    """Messages that came too `late`, were `lost`, or came twice (`doubled`); `jumps`, and `concealed` seconds."""

    late: int = 0
    lost: int = 0
    doubled: int = 0
    jumps: int = 0
    concealed: float = 0.0


class Sequencer:
    """One stream. `rate`: how many of its positions are a second (1000 where positions are milliseconds, 8000 where
    they are samples); None where they number the messages, of which each counts, with audio or without.

    Positions up to 64 bits are exact where each message takes a whole number of them, as those of samples and of
    nanoseconds do; where they are rounded, up to 2**52.
    """

    def __init__(self, line: Format, *, rate: float | None = None, window: int = WINDOW) -> None:
        if window < 1:
            raise ValueError(f"at least one message waits for a missing one, not {window}")
        self._line, self._rate, self._window = line, rate, window
        self._next: float | None = None
        """The position that is due."""
        self._last = b""
        self._kept: dict[float, bytes] = {}
        self._holes: deque[tuple[float, float]] = deque(maxlen=16)
        """From where to where nothing came in time."""
        self._late = self._lost = self._doubled = self._jumps = self._concealed = 0

    def place(self, position: float, audio: bytes) -> bytes | None:
        """What can be heard now that `audio` has come, in order: mostly `audio` itself; None: nothing yet.

        Raises `LineError` for a position that is not finite, or beyond 64 bits.
        """
        if position != self._next or self._kept or not audio:
            return self._sort(position, audio)
        self._last = audio
        self._next = position + self._span(audio)
        return audio

    def flush(self) -> bytes:
        """What still waits, with what is missing in between concealed. The next position begins a new stream."""
        parts = []
        while self._kept:
            parts.append(self._skip())
        self._next = None
        return b"".join(parts)

    def statistics(self) -> JitterStatistics:
        seconds = self._concealed / self._line.second
        return JitterStatistics(self._late, self._lost, self._doubled, self._jumps, round(seconds, 3))

    def _span(self, audio: bytes) -> float:
        """How many positions this audio takes: an integer if it can be one, because beyond 2**53 a float skips some."""
        if self._rate is None:
            return 1
        span = len(audio) * self._rate / self._line.second
        return int(span) if span.is_integer() else span

    def _seconds(self, positions: float) -> float:
        """How long so many positions last: messages are as long as the last one was."""
        if self._rate is not None:
            return positions / self._rate
        return positions * len(self._last) / self._line.second

    def _sort(self, position: float, audio: bytes) -> bytes | None:
        if not abs(position) < FARTHEST:
            raise LineError("the position of some audio is no position")
        if not audio and self._rate is not None:
            return None
        if self._next is None:
            return self._deliver(position, audio) or None
        ahead = position - self._next
        # Who comes early by less than the window's length may have overtaken others: he waits for them.
        most = max(MOST, self._seconds(self._window * self._span(audio)))
        if not -BACK <= self._seconds(ahead) <= most:
            self._jumps += 1
            self._holes.append((self._next, position))
            return self.flush() + self._deliver(position, audio) or None
        # Milliseconds are rounded: half a message is no hole.
        if abs(ahead) < self._span(audio) / 2:
            return self._deliver(position, audio) + self._follow() or None
        if ahead < 0 or position in self._kept:
            self._missed(position)
            return None
        self._kept[position] = audio
        return (self._skip() or None) if len(self._kept) > self._window else None

    def _deliver(self, position: float, audio: bytes) -> bytes:
        self._last = audio or self._last
        self._next = position + self._span(audio)
        return audio

    def _follow(self) -> bytes:
        """Whatever waited for what has just come."""
        parts = []
        while self._kept and self._next is not None:
            first = min(self._kept)
            if first - self._next >= self._span(self._kept[first]) / 2:
                break
            parts.append(self._deliver(first, self._kept.pop(first)))
        return b"".join(parts)

    def _skip(self) -> bytes:
        """Give up what is missing, and go on with what comes after it."""
        first = min(self._kept)
        filling = b""
        if self._next is not None and first > self._next:
            missing = first - self._next
            self._holes.append((self._next, first))
            self._lost += max(1, round(missing / self._span(self._kept[first])))
            filling = self._conceal(min(self._seconds(missing), MOST))
        return filling + self._deliver(first, self._kept.pop(first)) + self._follow()

    def _missed(self, position: float) -> None:
        """It is too late for this message, or it was here before."""
        if any(start <= position < end for start, end in self._holes):
            self._late += 1
        else:
            self._doubled += 1

    def _conceal(self, seconds: float) -> bytes:
        count = round(seconds * self._line.rate)
        plain = Format("pcm16", self._line.rate)
        last = np.frombuffer(convert(self._last, self._line, plain), "<i2")
        sound = np.resize(last, count) if len(last) else np.zeros(count)
        fade = np.clip(1.0 - np.arange(count) / (FADE * self._line.rate), 0.0, 1.0)
        filling = convert(np.rint(sound * fade).astype("<i2").tobytes(), plain, self._line)
        self._concealed += len(filling)
        return filling
