"""The watch: what a task does between two checkpoints stops everything else, and this tells who did it for too long.

It is an instrument of Trio, which looks at the clock once before each step of a task and once before each wait. What
goes wrong in here must never harm a call: Trio takes out an instrument that raises. One task may work for many calls
(the metronome, the reader of the sockets): those time their own parts, and say by `blame` for whom a slow one was.
"""

from __future__ import annotations

import logging
import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import trio

from parlance.engine.garbage import Garbage

WINDOW = 2048
"""Turns of the loop over which `lag_p99` is taken."""
AGAIN = 10.0
"""Seconds in which the same task is reported once, whichever calls it worked for: each of them would be another."""
APART = 1.0
"""Seconds between any two reports: what holds the loop often must not hold it with log lines too."""
NAMES = 64
"""Names of tasks remembered for that, before the old ones are forgotten."""
CALLS = 3
"""Calls that a report names; it tells how many others there are."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """One step that was too long. `where`: the line at which its task waits now. `collected`: seconds of it that the
    garbage collector took. `whom`: the call it was for, or several of which it was one; empty if that is not known."""

    seconds: float
    task: str
    whom: str
    where: str
    collected: float

    def __str__(self) -> str:
        whom = f" for {self.whom}" if self.whom else ""
        collected = f"; {self.collected * 1000:.0f} ms of it was garbage collection" if self.collected else ""
        return f"{self.seconds * 1000:.0f} ms by task {self.task}{whom}, which is now {self.where}{collected}"


@dataclass(frozen=True, slots=True)
class WatchStatistics:
    """Seconds. A turn of the loop is all the steps between two waits: nothing else can begin meanwhile (the lag).
    `over`: steps longer than the limit; `worst`: the longest of them. `lag_p99` is of the last `WINDOW` turns.
    `watching`: false before and after, and when Trio took the watch out: then the figures are old ones."""

    watching: bool
    turns: int
    lag_p99: float
    lag_worst: float
    step_worst: float
    over: int
    worst: Held | None


class Watch(trio.abc.Instrument):
    """Reports steps longer than `limit` seconds while it is `on`."""

    def __init__(self, limit: float = 0.05, *, garbage: Garbage | None = None) -> None:
        if not limit > 0:
            raise ValueError(f"a watch's limit must be more than 0 seconds, not {limit}")
        self.limit = limit
        self.slow = limit / 2
        """Seconds from which on a part of a step is worth to be told by `blame`."""
        self.clock: Callable[[], float] = trio.current_time
        """What parts of a step are timed with: cheaper than `trio.current_time` while the watch is on."""
        self._garbage = garbage
        self._task: trio.lowlevel.Task | None = None
        self._began = self._turn = 0.0
        self._tell = 0.0
        self._step_worst = self._lag_worst = 0.0
        self._lags = array("d", bytes(8 * WINDOW))
        self._turns = self._over = 0
        self._worst: Held | None = None
        self._blamed = (0.0, 0.0, "")
        self._told: dict[str, tuple[float, int]] = {}
        self._line = -math.inf

    @contextmanager
    def on(self) -> Iterator[None]:
        """Watch the run that this is called in."""
        self.clock = trio.lowlevel.current_clock().current_time
        trio.lowlevel.add_instrument(self)
        try:
            yield
        finally:
            self._task = None
            self.clock = trio.current_time
            try:
                trio.lowlevel.remove_instrument(self)
            except KeyError:
                log.error("the watch was taken out of the loop by an error of its own, which was logged then")

    # -------------------------------------------------------------------------------- called by Trio

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        now = self.clock()
        if self._task is None:
            # Not from the end of the wait on: a virtual clock jumps between that and the first step.
            self._turn = now
        elif now - self._began > self._tell:
            self._long(self._task, now - self._began)
        self._task, self._began = task, now

    def before_io_wait(self, timeout: float) -> None:
        task = self._task
        if task is None:
            return
        now = self.clock()
        if now - self._began > self._tell:
            self._long(task, now - self._began)
        self._task = None
        lag = now - self._turn
        self._lags[self._turns % WINDOW] = lag
        self._turns += 1
        if lag > self._lag_worst:
            self._lag_worst = lag

    # --------------------------------------------------------- called by tasks that work for many calls

    def blame(self, whom: Sequence[object], seconds: float) -> None:
        """A part of the present step took `seconds`, more than `slow`, and was for one or more of `whom`.

        Calls are named by their `id`, sockets by their `peer`. Of several parts of one step the longest counts.
        """
        began, most, _ = self._blamed
        if began != self._began or seconds > most:
            # Their names and not themselves: nobody should live longer for having been slow.
            names = ", ".join(map(_name, whom[:CALLS]))
            if (others := len(whom) - CALLS) > 0:
                names += f" and {others} other{'s' if others > 1 else ''}"
            self._blamed = (self._began, seconds, f"one of {names}" if len(whom) > 1 else names)

    # ------------------------------------------------------------------------------------------------

    def statistics(self) -> WatchStatistics:
        """Figures of this moment, for a task of the run that is watched; sorts the window, so not for every turn."""
        window = sorted(self._lags[: min(self._turns, WINDOW)])
        return WatchStatistics(
            # Trio does not tell that it took an instrument out; but whoever asks is in a step, which a watch knows.
            watching=self._task is not None and self._task is trio.lowlevel.current_task(),
            turns=self._turns,
            lag_p99=window[len(window) * 99 // 100] if window else 0.0,
            lag_worst=self._lag_worst,
            step_worst=self._step_worst,
            over=self._over,
            worst=self._worst,
        )

    def _long(self, task: trio.lowlevel.Task, took: float) -> None:
        # If anything in here raises, no task is the watched one any more, which is what `statistics` goes by.
        self._task = None
        if took > self._step_worst:
            self._step_worst = took
        # Below the limit only a new record is of interest, above it every step is.
        self._tell = min(self._step_worst, self.limit)
        if took <= self.limit:
            return
        self._over += 1
        collected = self._garbage.since(self._began) if self._garbage is not None else 0.0
        began, _, blamed = self._blamed
        blamed = blamed if began == self._began else ""
        # A call's own task has the call's name: all of them are one kind.
        name = "call" if task.name.startswith("call ") else task.name
        held = Held(took, name, blamed or _call_of(task), _where(task), collected)
        if self._worst is None or took > self._worst.seconds:
            self._worst = held
        self._report(held)

    def _report(self, held: Held) -> None:
        """Log it, but not more than once in a while for one task, nor shortly after another one."""
        now = self._began
        if held.task not in self._told and len(self._told) >= NAMES:
            self._told = {name: entry for name, entry in self._told.items() if now - entry[0] < AGAIN}
        told, silent = self._told.get(held.task, (-math.inf, 0))
        if now - told < AGAIN or now - self._line < APART:
            self._told[held.task] = (told, silent + 1)
            return
        self._told[held.task] = (now, 0)
        self._line = now
        more = f" ({silent} more like it since the last report)" if silent else ""
        log.warning("the loop was held for %s%s", held, more)


def _name(one: object) -> str:
    if call := getattr(one, "id", ""):
        return f"call {call}"
    return str(getattr(one, "peer", "") or type(one).__name__)


def _call_of(task: trio.lowlevel.Task) -> str:
    """The call in whose tree of tasks `task` is, if it is in one."""
    above: trio.lowlevel.Task | None = task
    while above is not None:
        if above.name.startswith("call "):
            return above.name
        above = above.parent_nursery.parent_task if above.parent_nursery is not None else None
    return ""


def _where(task: trio.lowlevel.Task) -> str:
    """Where the task waits: the innermost frame that is not Trio's own."""
    found: FrameType | None = None
    inner: object = task.coro
    while inner is not None:
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None) or getattr(inner, "ag_frame", None)
        if isinstance(frame, FrameType) and not frame.f_globals.get("__name__", "").startswith("trio."):
            found = frame
        inner = next(
            filter(None, (getattr(inner, name, None) for name in ("cr_await", "gi_yieldfrom", "ag_await"))), None
        )
    if found is None:
        return "over"
    return f"at {'/'.join(Path(found.f_code.co_filename).parts[-3:])}:{found.f_lineno} in {found.f_code.co_qualname}"
