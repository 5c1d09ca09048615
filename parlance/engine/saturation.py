"""Whether the process is at its limit: a gauge of the metronome's lateness, and when to take calls again. Pure.

The signal is a quantile of the last second and not its mean: one long pause (a garbage collection, a page fault) makes
a dozen beats late, however late, and must turn nobody away; a process that has more to do than it can do is late all
the time. Above the limit no call is taken, and then none until the signal has stayed a little below the limit for a
while: at the limit itself each call that ends would let in one that makes it late again, and far below it a process
that has room would turn callers away for ever.

Then callers are let in one by one: those that were turned away may all come at once, and the load that they bring shows
in the signal only after a third of a second.
"""

from __future__ import annotations

from bisect import bisect_left, insort

WINDOW = 50
"""Beats that count: the last second at 20 ms."""
RANK = 33
"""Which of them, in order of lateness, is the signal. The 33rd of 50 has 17 above it, so that it takes 18 beats, 0.36 s
of lateness within a second, to raise it."""
RELEASE = 0.8
"""Part of the limit below which the signal must stay."""
CALM = 100
"""Beats for which it must: two seconds."""
PACED = 100
"""Beats after a release in which calls are let in one by one."""
PACE = 10
"""Beats between two of those: five calls a second. Each of them prolongs the pacing by as much, so that it does not end
before the herd has come in; it ends although calls come, as long as they are fewer than that."""


class Saturation:
    """How late the beats of the last second began. Work and memory are the same for every beat."""

    def __init__(self, limit: float) -> None:
        """`limit`: seconds of lateness above which the process is saturated; 0: it never is, and is measured only."""
        if not limit >= 0:
            raise ValueError(f"the limit of lateness must be 0 (none) or more seconds, not {limit}")
        self.limit = limit
        self.saturated = False
        """Whether there is more to do than can be done. Whether a call may be taken now, `ready` says."""
        self.times = 0
        """How often it has become saturated."""
        self._ring = [0.0] * WINDOW
        self._sorted = [0.0] * WINDOW
        self._next = 0
        self._calm = self._paced = self._wait = 0

    @property
    def ready(self) -> bool:
        """Whether a call may be taken now. Whoever takes one says so with `admitted`."""
        return not self.saturated and not self._wait

    def admitted(self) -> None:
        """A call was taken: if they are let in one by one, the next one has to wait."""
        if self._paced:
            self._wait = PACE
            self._paced += PACE

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
            self._calm = self._calm + 1 if signal < self.limit * RELEASE else 0
            if self._calm == CALM:
                self.saturated = False
                self._paced, self._wait = PACED, 0
        elif signal > self.limit:
            self.saturated = True
            self._calm = 0
            self.times += 1
        elif self._paced:
            self._paced -= 1
            if self._wait:
                self._wait -= 1

    def clear(self) -> None:
        """Forget what was: nothing beats any more, so nothing would."""
        self._ring[:] = self._sorted[:] = [0.0] * WINDOW
        self.saturated = False
        self._calm = self._paced = self._wait = 0

    def _push(self, late: float) -> None:
        gone, self._ring[self._next] = self._ring[self._next], late
        self._next = (self._next + 1) % WINDOW
        del self._sorted[bisect_left(self._sorted, gone)]
        insort(self._sorted, late)
