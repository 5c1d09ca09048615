"""When connections that are kept warm are due: their lifetimes, their signs of life, the pauses after failures. Pure.

Everything is jittered, so that connections which were opened together do not end together.
"""

from __future__ import annotations

from itertools import count
from random import Random

FIRST_PAUSE = 1.0
"""Seconds after a connection could not be opened."""
LONGEST_PAUSE = 30.0

_each = count()


class Warmth:
    """The times of one provider's warm connections. `lifetime`: seconds."""

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._random = Random(f"warmth {next(_each)}")
        self._pause = FIRST_PAUSE

    def lifetime(self) -> float:
        """Seconds that a new connection lives, if nobody uses it: up to a fifth less than the setting."""
        return self.jittered(self._lifetime)

    def jittered(self, seconds: float) -> float:
        """`seconds`, less up to a fifth."""
        return seconds * self._random.uniform(0.8, 1.0)

    def failed(self, after: float | None = None) -> float:
        """Seconds until the next try; each time twice as many. `after`: what the provider has asked for."""
        pause = max(self.jittered(self._pause), after or 0.0)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return pause

    def succeeded(self) -> None:
        self._pause = FIRST_PAUSE
