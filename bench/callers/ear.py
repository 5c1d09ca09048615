"""The ear: what arrives, as it is played. One queue a call, played at once, in order and without a pause at 8 kHz.

It is the carrier's buffer of Twilio's rules: a `mark` is due when all audio before it was played, a `clear` throws away
what was not, and with that all marks are due. Dialects without marks ask for none. Pure: `now` is seconds.
"""

from __future__ import annotations

from collections import deque

from bench.measure.record import Record
from bench.measure.track import RATE


class Ear:
    """One call's. Writes `pieces`, `clears` and `echoes` of its `Record`."""

    __slots__ = ("_marks", "_pieces", "_record", "until")

    def __init__(self, record: Record) -> None:
        self.until = 0.0
        """When everything that has arrived will have been played."""
        self._record = record
        self._pieces = record.pieces
        self._marks: deque[tuple[float, str]] = deque()

    def media(self, now: float, payload: bytes, count: int) -> None:
        """`count`: the samples at 8 kHz that the payload is."""
        begin = self.until
        if begin < now:
            begin = now
        self._pieces.append((begin, now, count, payload))
        self.until = begin + count / RATE

    def mark(self, now: float, name: str) -> float:
        """When it must be sent back."""
        due = max(now, self.until)
        self._marks.append((due, name))
        return due

    def clear(self, now: float) -> list[str]:
        """The names to send back at once."""
        self._record.clears.append(now)
        self.until = min(self.until, now)
        pieces = self._pieces
        while pieces and pieces[-1][0] >= now:
            pieces.pop()
        if pieces:
            begin, arrived, count, payload = pieces[-1]
            pieces[-1] = (begin, arrived, min(count, round((now - begin) * RATE)), payload)
        return self._echo(now, len(self._marks))

    def due(self, now: float) -> list[str]:
        """The names to send back now."""
        return self._echo(now, sum(due <= now for due, _ in self._marks))

    def _echo(self, now: float, count: int) -> list[str]:
        names = [self._marks.popleft()[1] for _ in range(count)]
        self._record.echoes += [(now, name) for name in names]
        return names
