"""Records and small facts in this process's memory: nothing survives it, and nothing grows without a bound."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from heapq import heappop, heappush

import trio

from parlance.engine.record import Record

STRIDE = 256
"""Records looked at in one go: asking for what is rare must not hold up the calls."""


class MemoryStore:
    """A `Store` of the last `most` records; more only while more than `most` calls go on."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._records: dict[str, Record] = {}
        self._order: list[tuple[float, str]] = []
        """(created, id) of each record, the oldest first."""
        self._ended: dict[str, None] = {}
        """Ids of calls that are over, in the order in which they ended."""

    def __len__(self) -> int:
        return len(self._records)

    def keep(self, record: Record) -> None:
        """This is now the record of its call. Of those that have ended, the first one to end makes room."""
        known = self._records.get(record.id)
        if known is None or known.created != record.created:
            if known is not None:
                self._forget(known)
            insort(self._order, (record.created, record.id))
        self._records[record.id] = record
        if not record.status.final:
            self._ended.pop(record.id, None)
        else:
            self._ended.setdefault(record.id)
        while len(self._records) > self._most and self._ended:
            self._forget(self._records[next(iter(self._ended))])

    def _forget(self, record: Record) -> None:
        del self._records[record.id]
        del self._order[bisect_left(self._order, (record.created, record.id))]
        self._ended.pop(record.id, None)

    async def get(self, id: str) -> Record | None:
        await trio.lowlevel.checkpoint()
        return self._records.get(id)

    async def find(
        self, match: Callable[[Record], bool], *, before: tuple[float, str] | None, limit: int
    ) -> Sequence[Record]:
        found: list[Record] = []
        # What is kept or dropped meanwhile moves the places: so the way back to one's own is by key each time.
        last = before
        while len(found) < limit:
            await trio.lowlevel.checkpoint()
            end = len(self._order) if last is None else bisect_left(self._order, last)
            if not end:
                break
            for last in reversed(self._order[max(0, end - STRIDE) : end]):
                record = self._records[last[1]]
                if match(record):
                    found.append(record)
                    if len(found) == limit:
                        break
        return found


class MemoryDirectory:
    """A `Directory` of at most `most` claims and `most` budgets."""

    def __init__(self, clock: Callable[[], float] = trio.current_time, most: int = 100_000) -> None:
        """`clock`: seconds, from whenever. Of too many claims the ones that would expire first are forgotten, of too
        many budgets those that were not spent from for the longest time.
        """
        self._clock = clock
        self._most = most
        self._claims: dict[str, tuple[str, float]] = {}
        self._expiries: list[tuple[float, str]] = []
        """A heap of (when, key); one whose claim was released or renewed means nothing."""
        self._budgets: dict[str, tuple[float, float]] = {}
        """(tokens, when there were as many), the one that was spent from last at the end."""

    async def claim(self, key: str, value: str, seconds: float) -> str | None:
        """Remember `value` under `key`, unless there is one already: then that one is returned, else None."""
        await trio.lowlevel.checkpoint()
        now = self._clock()
        self._expire(now)
        if (claim := self._claims.get(key)) is not None:
            return claim[0]
        self._claims[key] = (value, now + seconds)
        heappush(self._expiries, (now + seconds, key))
        while len(self._claims) > self._most:
            self._pop()
        if len(self._expiries) > 2 * self._most:
            # Claims that are released long before they expire leave their times behind.
            self._expiries = sorted((when, name) for name, (_, when) in self._claims.items())
        return None

    def _expire(self, now: float) -> None:
        while self._expiries and self._expiries[0][0] <= now:
            self._pop()

    def _pop(self) -> None:
        when, key = heappop(self._expiries)
        if (claim := self._claims.get(key)) is not None and claim[1] == when:
            del self._claims[key]

    async def release(self, key: str) -> None:
        """Forget what is under `key`."""
        await trio.lowlevel.checkpoint()
        self._claims.pop(key, None)

    async def spend(self, key: str, *, rate: float, burst: int) -> float:
        """Take one of the tokens that come back at `rate` a second, `burst` at most. 0.0, or seconds until there is
        one: then none was taken. `rate` is more than 0, `burst` 1 or more.
        """
        await trio.lowlevel.checkpoint()
        now = self._clock()
        tokens, then = self._budgets.pop(key, (float(burst), now))
        tokens = min(float(burst), tokens + (now - then) * rate)
        # A hair under one is one: adding up what came back must not cost a token.
        enough = tokens >= 1 or math.isclose(tokens, 1)
        self._budgets[key] = (max(0.0, tokens - 1) if enough else tokens, now)
        if len(self._budgets) > self._most:
            del self._budgets[next(iter(self._budgets))]
        return 0.0 if enough else (1 - tokens) / rate
