"""Whether the process is at its limit: a gauge of the metronome's lateness, and when to take calls again. Pure.

The signal is a quantile of the last second and not its mean: one long pause (a garbage collection, a page fault) makes
a dozen beats late, however late, and must turn nobody away; a process that has more to do than it can do is late all
the time. Above the limit no call is taken, and then none until the signal has fallen below half of the limit: at the
limit itself each call that ends would let in one that makes it late again.
"""

from __future__ import annotations

from bisect import bisect_left, insort

WINDOW = 50
"""Beats that count: the last second at 20 ms."""
RANK = 33
"""Which of them, in order of lateness, is the signal. The 33rd of 50 has 16 above it, so that it takes 17 beats, 0.34 s
of lateness within a second, to raise it."""


class Saturation:
    """How late the beats of the last second began. Work and memory are the same for every beat."""

    def __init__(self, limit: float) -> None:
        """`limit`: seconds of lateness above which the process is saturated; 0: it never is, and is measured only."""
        if not limit >= 0:
            raise ValueError(f"the limit of lateness must be 0 (none) or more seconds, not {limit}")
        self.limit = limit
        self.saturated = False
        """Whether no call should be taken now."""
        self.times = 0
        """How often it has become saturated."""
        self._ring = [0.0] * WINDOW
        self._sorted = [0.0] * WINDOW
        self._next = 0

    @property
    def late(self) -> float:
        """The signal, in seconds: the lateness that a third of the last second's beats had, or more."""
        return self._sorted[RANK - 1]

    def note(self, late: float, period: float) -> None:
        """A beat began `late` seconds after it was due. Those that it skipped, one each `period`, were late too."""
        self._push(late)
        skipped = 0
        while (late := late - period) >= 0 and skipped < WINDOW:
            self._push(late)
            skipped += 1
        if not self.limit:
            return
        signal = self._sorted[RANK - 1]
        if self.saturated:
            self.saturated = signal >= self.limit / 2
        elif signal > self.limit:
            self.saturated = True
            self.times += 1

    def clear(self) -> None:
        """Forget the last second: nothing beats any more, so nothing would."""
        self._ring[:] = self._sorted[:] = [0.0] * WINDOW
        self.saturated = False

    def _push(self, late: float) -> None:
        gone, self._ring[self._next] = self._ring[self._next], late
        self._next = (self._next + 1) % WINDOW
        del self._sorted[bisect_left(self._sorted, gone)]
        insort(self._sorted, late)
