"""Garbage: how long the collector stops the process, and what is taken out of its sight once the start is over.

A collection stops every call at once, and a full one takes the longer the more objects there are. What the start made
(modules, settings, agents) lives as long as the process: frozen, it is never walked again. With 60 calls on the line a
full collection took 65 ms before it was frozen, and 5 ms after.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import trio

WORTH_TELLING = 0.001
"""Seconds from which on a pause is remembered by itself: shorter ones come several times a second, and harm nobody."""


@dataclass(frozen=True, slots=True)
class GarbageStatistics:
    """Since measuring began: collections by generation, seconds of pause (all, the longest), objects frozen now."""

    collections: tuple[int, int, int]
    total: float
    longest: float
    frozen: int


@dataclass(slots=True)
class _Before:
    """How the collector was found, and whether it was frozen since. Shared by all who keep it at the same time."""

    threshold: tuple[int, int, int]
    froze: bool = False


class Garbage:
    """Measures the collector's pauses while it is `kept`."""

    def __init__(self) -> None:
        self._clock: Callable[[], float] = trio.current_time
        self._counts = [0, 0, 0]
        self._total = self._longest = self._began = 0.0
        self._last = (0.0, 0.0)
        self._before = _Before(gc.get_threshold())

    @contextmanager
    def kept(self, *, freeze: bool, threshold: int) -> Iterator[None]:
        """Measure; `freeze` what lives now; collect young objects when there are `threshold` more (0: as it is).

        At the end all is as it was before. The collector is the process's: where several keep it at the same time, the
        last threshold holds, and whoever is the last to leave, in whatever order, puts back what the first one found.
        """
        # The clock itself: a collection may happen in a thread, where `trio.current_time` does not work.
        self._clock = trio.lowlevel.current_clock().current_time
        others = _keepers()
        before = self._before = others[0]._before if others else _Before(gc.get_threshold())
        if freeze and not gc.get_freeze_count():
            before.froze = True
            # Without a collection first: after a start it found 10 of 79,000 objects to be garbage, in 40 ms.
            gc.freeze()
        if threshold:
            gc.set_threshold(threshold, *before.threshold[1:])
        gc.callbacks.append(self._paused)
        try:
            yield
        finally:
            gc.callbacks.remove(self._paused)
            if not _keepers():
                gc.set_threshold(*before.threshold)
                if before.froze:
                    gc.unfreeze()

    def since(self, time: float) -> float:
        """Seconds that the last pause worth telling took, if it began at or after `time` of Trio's clock; else 0."""
        began, seconds = self._last
        return seconds if began >= time else 0.0

    def statistics(self) -> GarbageStatistics:
        """Figures of this moment."""
        first, second, third = self._counts
        return GarbageStatistics((first, second, third), self._total, self._longest, gc.get_freeze_count())

    def _paused(self, phase: str, info: dict[str, int]) -> None:
        now = self._clock()
        if phase == "start":
            self._began = now
            return
        took = now - self._began
        self._counts[info["generation"]] += 1
        self._total += took
        if took > self._longest:
            self._longest = took
        if took >= WORTH_TELLING:
            self._last = (self._began, took)


def _keepers() -> list[Garbage]:
    """Who keeps the collector now: its own list of callbacks says so, and nothing else has to remember it."""
    known = (getattr(callback, "__self__", None) for callback in gc.callbacks)
    return [keeper for keeper in known if isinstance(keeper, Garbage)]
