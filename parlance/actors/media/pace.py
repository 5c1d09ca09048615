"""The pace of a line: what the other side may send in a time. Pure.

A caller's audio comes in real time, but for a burst after a stall; and what is no audio costs a line nothing and us
something. Both are leaky buckets: carriers' clocks differ from ours by some parts in a thousand, all call long. A line
that sends nothing, because it suppresses silence or because it is lost, is never too fast when it goes on.
"""

from __future__ import annotations

from parlance.engine.errors import LineError

AHEAD = 3.0
"""Seconds of audio a caller may be ahead of real time: a burst after a stall is fine, a file at full speed is not."""
SIGNALS = 100
"""Messages without audio a line may send in a second, all call long: marks come ten a second at the most."""
SLACK = 1.01
"""How much faster than our clock a carrier's may run."""


class Pace:
    """One line's. `second`: bytes of a second of its audio."""

    def __init__(self, second: int) -> None:
        self.last = 0.0
        """When audio came last."""
        self._second = second
        self.ahead = 0.0
        """Seconds of audio that the caller is ahead of real time."""
        self._flood = self._flooded = 0.0

    @property
    def alive(self) -> float:
        """When anything came last, audio or not: marks are a sign of life too, where silence is not sent."""
        return max(self.last, self._flooded)

    def audio(self, size: int, now: float) -> None:
        """So many bytes of audio came. Raises `LineError`."""
        passed, self.last = now - self.last, now
        self.ahead = max(0.0, self.ahead - passed * SLACK) + size / self._second
        if self.ahead > AHEAD + 1e-6:
            raise LineError("audio arrives faster than real time", fatal=True, code=1008)

    def signal(self, now: float) -> None:
        """A message without audio came. Raises `LineError`."""
        self._flood = max(0.0, self._flood - (now - self._flooded) * SIGNALS) + 1
        self._flooded = now
        if self._flood > SIGNALS * AHEAD:
            raise LineError("too many messages without audio", fatal=True, code=1008)
