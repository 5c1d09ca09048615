"""The search for the knee: which number of calls to try next, and when the answer is known. Pure: it runs nothing.

A number of calls holds if two runs of three hold: one run may have met something else that the machine did. On the way
up one run that holds is enough; what is stated in the end has been confirmed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field

FIRST = STEP = 100
LEAST = 25
"""The step at which the search ends, and so the error of its answer."""
MAJORITY = 2
"""Of three."""


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


@dataclass(slots=True)
class Score:
    """Every run so far: the calls of each, and how often each number of calls held and broke."""

    tried: list[int] = field(default_factory=list)
    held: Counter[int] = field(default_factory=Counter)
    broken: Counter[int] = field(default_factory=Counter)
    words: dict[int, tuple[str, ...]] = field(default_factory=dict)


def search(most: int, first: int = FIRST, step: int = STEP, least: int = LEAST) -> Generator[int, Tried, Knee]:
    """Yields the calls of the next run, is sent how it went, and returns the knee. No more than `most` are tried."""
    score = Score()
    held, calls, broke = 0, min(first, most), ""
    while True:
        went = yield from _settle(calls, 1, score)
        if went.void:
            broke = _unknown(calls, went.void)
            break
        if went.broke:
            broke = _beyond(calls, went.broke)
        else:
            held = calls
            if held == most:
                broke = f"none up to {most} calls, the most that was tried"
                break
        # Once something broke the step is halved each time: the next try lies between what held and what did not.
        if broke:
            step //= 2
            if step < least:
                break
        calls = min(held + step, most)
    while held:
        went = yield from _settle(held, MAJORITY, score)
        if went.void:
            return Knee(held, f"{broke}; not confirmed: {went.void}", tuple(score.tried))
        if not went.broke:
            break
        broke = _beyond(held, went.broke)
        held = max(held - least, 0)
    return Knee(held, broke, tuple(score.tried))


def _settle(calls: int, needed: int, score: Score) -> Generator[int, Tried, Tried]:
    """Runs with `calls` until `needed` of them held, two once one broke, or two broke. A void run is repeated once."""
    void = False
    while True:
        if score.broken[calls] >= MAJORITY:
            return Tried(score.words[calls])
        if score.held[calls] >= (MAJORITY if score.broken[calls] else needed):
            return Tried()
        score.tried.append(calls)
        went = yield calls
        if went.broke:
            score.broken[calls] += 1
            score.words[calls] = went.broke
        elif not went.void:
            score.held[calls] += 1
        elif void:
            return went
        else:
            void = True


def _beyond(calls: int, broke: tuple[str, ...]) -> str:
    return f"with {calls} calls: {'; '.join(broke)}"


def _unknown(calls: int, void: str) -> str:
    if "callers" in void:
        return f"none: with {calls} calls the callers are the limit ({void})"
    return f"not known: with {calls} calls the runs are void ({void})"
