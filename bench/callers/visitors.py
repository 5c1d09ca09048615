"""Visitors: short calls beside all others, one after another, to an agent that greets.

What is measured of them is how soon they hear something, on a server that has all its other calls to carry. They say
nothing, are no part of the crowd's turns, and are gone before the server is asked what it holds at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.callers.line import Call
from bench.measure.record import Record

EVERY, LASTS = 20, 40
"""Periods from one visitor to the next, and of a visit: five in two seconds, two at a time."""
AFTER, BEFORE = 25, 200
"""Periods from the begin of the window to the first visitor, and from the last one to its end."""


class Visitors:
    """`dial` makes and dials a call; `quiet`: what a caller who says nothing sends in each period."""

    def __init__(self, begin: int, end: int, dial: Callable[[Record], Call], quiet: Sequence[bytes]) -> None:
        self.calls: list[Call] = []
        self._due = range(begin + AFTER, end - BEFORE, EVERY)
        self._dial, self._quiet = dial, quiet
        self._there: list[tuple[int, Call]] = []

    def period(self, period: int, now: float) -> None:
        """Who is due comes, who has heard enough goes, and everybody else sends a frame."""
        if period in self._due:
            call = self._dial(Record(-1, now))
            self.calls.append(call)
            self._there.append((period + LASTS, call))
        for until, call in self._there:
            if period >= until:
                call.hang_up(now, abrupt=False)
            elif call.open:
                call.send(self._quiet[period % len(self._quiet)])
        if self._there and period >= self._there[0][0]:
            del self._there[0]
