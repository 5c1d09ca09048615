"""The search for the knee: which number of calls to try next, and when the answer is known. Pure: it runs nothing.

A limit is broken when it breaks in two runs out of two: one run may have met something else that the machine did.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

FIRST = STEP = 100
LEAST = 25
"""The step at which the search ends, and so the error of its answer."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How a run went: what it broke, or why it is void."""

    broke: tuple[str, ...] = ()
    void: str | None = None


@dataclass(frozen=True, slots=True)
class Knee:
    """`calls`: the most that held, 0 if none did. `broke`: what broke beyond them. `tried`: each run's calls."""

    calls: int
    broke: str
    tried: tuple[int, ...]


def search(most: int, first: int = FIRST, step: int = STEP, least: int = LEAST) -> Generator[int, Tried, Knee]:
    """Yields the calls of the next run, is sent how it went, and returns the knee. No more than `most` are tried."""
    tried: list[int] = []
    held, calls, broke = 0, min(first, most), ""
    while True:
        for _ in range(2):
            tried.append(calls)
            went = yield calls
            if not went.broke:
                break
        if went.void:
            return Knee(held, f"none: with {calls} calls the callers are the limit ({went.void})", tuple(tried))
        if went.broke:
            broke = f"with {calls} calls: {'; '.join(went.broke)}"
        else:
            held = calls
            if held == most:
                return Knee(held, f"none up to {most} calls, the most that was tried", tuple(tried))
        # Once something broke the step is halved each time: the next try lies between what held and what did not.
        if broke:
            step //= 2
            if step < least:
                return Knee(held, broke, tuple(tried))
        calls = min(held + step, most)
