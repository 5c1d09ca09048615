"""A breaker: keeps a provider that fails out for a while, and lets it back carefully. Pure.

Closed: it is asked. Open: it is left alone for a pause, which doubles from one trial that fails to the next. Half-open:
the pause is over, and one try at a time shows whether it is back. `now` is in seconds of any one clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from parlance.engine.errors import ProviderError, Rejected

FAILURES = 3
"""In a row, until it opens. What says no (`Rejected`) will say it again: then it opens at once."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds. A trial that has shown nothing for as long keeps no other one out."""

State = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider stands. `failures`: in a row; `opened`: how often; `pause`: seconds until it may be tried."""

    state: State
    failures: int
    opened: int
    pause: float


class Breaker:
    """One provider's. `until`: when it may be tried again; `asked`: whether the provider itself has asked for that
    pause; `refused`: whether it has said no, and not worked since; `error`: the last one.
    """

    def __init__(self) -> None:
        self.until = -math.inf
        self.asked = self.refused = False
        self.error: ProviderError | None = None
        self._failures = self._opened = 0
        self._pause = FIRST_PAUSE
        self._since = -math.inf
        """When it opened last. What was begun before shows nothing new."""
        self._trial = -math.inf

    def state(self, now: float) -> State:
        if self.until == -math.inf:
            return "closed"
        return "open" if now < self.until else "half-open"

    def admits(self, now: float) -> bool:
        state = self.state(now)
        return state == "closed" or (state == "half-open" and now >= self._trial + LONGEST_PAUSE)

    def resting(self, now: float) -> bool:
        """Whether the provider has itself asked to be left alone until later."""
        return self.asked and now < self.until

    def begun(self, now: float) -> None:
        """A try begins. Ends with `failed`, `succeeded` or `dropped`."""
        if self.state(now) == "half-open":
            self._trial = now

    def dropped(self, since: float) -> None:
        """The try that began at `since` has shown nothing."""
        if since == self._trial:
            self._trial = -math.inf

    def proved(self, now: float) -> None:
        """A try has begun to give something: nobody else need wait for its end. Failures in a row still count."""
        if self.state(now) == "half-open":
            self.until, self.asked, self._trial = -math.inf, False, -math.inf
        self.refused = False

    def succeeded(self, now: float) -> None:
        """Whoever has asked for a pause gets it, though a try that had begun before went well."""
        self._failures, self._pause, self._trial, self.refused = 0, FIRST_PAUSE, -math.inf, False
        if not self.resting(now):
            self.until, self.asked = -math.inf, False

    def failed(self, now: float, error: ProviderError, since: float = math.inf) -> None:
        """A try that began at `since` has failed."""
        self.error = error
        if error.after is not None:
            self._failures += 1
            # Of two that ask, whoever wants the longer pause gets it.
            self._open(now, max(error.after, self.until - now if self.resting(now) else 0.0), asked=True)
            return
        if since < self._since or self.state(now) == "open":
            return
        self._failures += 1
        self.refused = isinstance(error, Rejected)
        if self.state(now) == "half-open" or self._failures >= FAILURES or self.refused:
            self._open(now, self._pause, asked=False)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _open(self, now: float, pause: float, *, asked: bool) -> None:
        self.until, self.asked, self._since, self._trial = now + pause, asked, now, -math.inf
        self._opened += 1

    def statistics(self, now: float) -> Standing:
        return Standing(self.state(now), self._failures, self._opened, max(0.0, self.until - now))
