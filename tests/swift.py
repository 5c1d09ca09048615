"""A clock for whole houses: it stands still while anything works, and jumps to the next deadline when all tasks wait.

For programs whose every peer is a task of the same run. What one sends over loopback is there for the other before the
sender goes on, so that whoever waits then waits for the clock: nothing is late on a slow machine, and no test lasts as
long as what is said in it. Nobody else may use `wait_all_tasks_blocked` with a cushion: the clock is first, always.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import TypeVar

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

T = TypeVar("T")
LONGEST = 600.0
"""Seconds of the clock after which a program will not end any more: one that never does takes no time to get there."""
BUSY = 0.005
"""Real seconds until the next look at a thread that works, or at a socket that has more to carry than it holds."""


def run(
    program: Callable[[], Awaitable[T]],
    *,
    clock: trio.abc.Clock | None = None,
    instruments: Sequence[trio.abc.Instrument] = (),
    busy: Callable[[], object] = lambda: False,
) -> T:
    """As `trio.run`. `clock`: pytest-trio passes a fixture's; there must be none. `busy`: whether anything works that
    Trio does not know of.
    """
    assert clock is None, "a test has one clock"
    return trio.run(_both, program, made := MockClock(), busy, clock=made, instruments=instruments)


async def _both(program: Callable[[], Awaitable[T]], clock: MockClock, busy: Callable[[], object]) -> T:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_hurry, clock, busy)
        result = await program()
        nursery.cancel_scope.cancel()
    return result


async def _hurry(clock: MockClock, busy: Callable[[], object]) -> None:
    cushion = 0.0
    while True:
        await wait_all_tasks_blocked(cushion)
        statistics = trio.lowlevel.current_statistics()
        jump = statistics.seconds_to_next_deadline
        works = trio.to_thread.current_default_thread_limiter().borrowed_tokens or busy()
        if not works and 0 < jump < inf and (cushion or not statistics.io_statistics.tasks_waiting_write):
            cushion = 0.0
            clock.jump(jump)
            assert trio.current_time() < LONGEST, "this will never end"
        else:
            cushion = BUSY
