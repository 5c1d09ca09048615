"""One beat for all calls of the process: when the next tick is due, who gets it, and how punctual it was.

What a member does in its tick is not known here. A tick is a plain call: it must not wait, and whatever it
spends is taken from every other member's punctuality. A timer per call costs nine times as much (12 % of a
core at 100 calls against 1.4 %, measured), which is why there is one.
"""

from __future__ import annotations

import logging
from array import array
from dataclasses import dataclass
from typing import Protocol

import trio

from parlance.engine.saturation import Saturation
from parlance.engine.watch import Watch

WINDOW = 512
"""Ticks over which `median` and `p99` are taken: ten seconds at 20 ms."""
GROUP = 16
"""Members that are timed together: a look at the clock costs twice what the tick of an idle member does."""
CLOSELY = 1000
"""Beats in which members are timed one by one, after a group of them was slow: who is slow again is known by name.
Twice as long as the watch is silent about the same task, so that the next report has the name."""

log = logging.getLogger(__name__)


class Member(Protocol):
    """What wants to be called once a period."""

    def tick(self, now: float) -> None:
        """Do what is due. `now`: seconds of Trio's clock, the same for all members. Must not wait."""

    def fail(self, error: Exception) -> None:
        """`tick` raised `error`: this member gets no more ticks. Must not raise."""


@dataclass(frozen=True, slots=True)
class MetronomeStatistics:
    """Lateness: seconds from when a tick was due to when it began; `median`, `p99` are of the last `WINDOW`."""

    members: int
    ticks: int
    skipped: int
    failed: int
    last: float
    worst: float
    median: float
    p99: float


class Metronome:
    """Calls every member once per `period` seconds, at deadlines that do not drift."""

    def __init__(
        self, period: float = 0.02, *, saturation: Saturation | None = None, watch: Watch | None = None
    ) -> None:
        """`saturation` is told how late each beat is, `watch` whose tick was slow."""
        if not period > 0:
            raise ValueError(f"a metronome's period must be more than 0 seconds, not {period}")
        self.period = period
        self._saturation, self._watch = saturation, watch
        self._closely = 0
        # Replaced, never changed in place: a beat in progress goes on with the list it began with.
        self._members: list[Member] = []
        self._idle = trio.lowlevel.ParkingLot()
        self._running = False
        self._ticks = self._skipped = self._failed = 0
        self._last = self._worst = 0.0
        self._lateness = array("d", bytes(8 * WINDOW))

    def join(self, member: Member) -> None:
        """Beat for `member` from the next tick on. Joining twice is joining once."""
        if not self._has(member):
            self._members = [*self._members, member]
            self._idle.unpark()

    def leave(self, member: Member) -> None:
        """No more ticks for `member`, not even the one in progress. Whoever is not there may leave, too."""
        self._members = [other for other in self._members if other is not member]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Beat until cancelled; parked, without waking, while there is no member.

        The first tick comes a period after the first member. A tick that begins a whole period late or more
        makes up for nothing: the ticks in between are skipped and counted, and the next one is again on the
        old grid.
        """
        if self._running:
            raise RuntimeError("this metronome is running already: there is one for the whole process")
        self._running = True
        task_status.started()
        try:
            while True:
                if not self._members:
                    if self._saturation is not None:
                        self._saturation.clear()
                    await self._idle.park()
                await self._beat_while_needed()
        finally:
            self._running = False

    async def _beat_while_needed(self) -> None:
        period = self.period
        origin = trio.current_time()
        count = 1
        while True:
            # From the origin each time: adding up periods would add up their rounding.
            due = origin + count * period
            await trio.sleep_until(due)
            if not self._members:
                return
            now = trio.current_time()
            late = now - due
            self._note(late)
            self.beat(now)
            missed = int(late / period)
            self._skipped += missed
            count += 1 + missed

    def beat(self, now: float) -> None:
        """One tick for every member. `run` calls this; nobody else but a test or a benchmark should."""
        members, watch = self._members, self._watch
        if watch is None:
            self._tick(members, members, now)
            return
        size = 1 if self._closely else GROUP
        if self._closely:
            self._closely -= 1
        before = watch.clock()
        for first in range(0, len(members), size):
            group = members[first : first + size]
            self._tick(group, members, now)
            after = watch.clock()
            if after - before > watch.slow:
                self._closely = CLOSELY
                watch.blame(group, after - before)
            before = after

    def _tick(self, group: list[Member], members: list[Member], now: float) -> None:
        """Tick those of `group` that have not left since the beat began with `members`."""
        for member in group:
            if self._members is not members and not self._has(member):
                continue
            # One of the house's few broad excepts: a bug in one call must not stop the beat of all others.
            try:
                member.tick(now)
            except Exception as error:
                self._expel(member, error)

    def statistics(self) -> MetronomeStatistics:
        """Figures of this moment; sorts the window, so not for every tick."""
        window = sorted(self._lateness[: min(self._ticks, WINDOW)])
        return MetronomeStatistics(
            members=len(self._members),
            ticks=self._ticks,
            skipped=self._skipped,
            failed=self._failed,
            last=self._last,
            worst=self._worst,
            median=window[len(window) // 2] if window else 0.0,
            p99=window[len(window) * 99 // 100] if window else 0.0,
        )

    def _note(self, late: float) -> None:
        self._lateness[self._ticks % WINDOW] = late
        self._ticks += 1
        self._last = late
        if self._saturation is not None:
            self._saturation.note(late, self.period)
        if late > self._worst:
            self._worst = late

    def _has(self, member: Member) -> bool:
        # By identity: a member may well be a dataclass, which is equal to others and has no hash.
        return any(other is member for other in self._members)

    def _expel(self, member: Member, error: Exception) -> None:
        self.leave(member)
        self._failed += 1
        # Still the same broad except: there is nobody left to tell but the log.
        try:
            member.fail(error)
        except Exception:
            log.exception("a member of the metronome failed, and then failed to take note of it")
