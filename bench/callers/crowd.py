"""The crowd: all lines of a run in one loop around one `epoll`, on one absolute clock.

Frames of N lines are due one after another, a 20 ms period divided by N apart, for the whole run: a frame that is sent
late makes no other late, and how late it was is written down. Nothing is built, logged or collected on the way.
"""

from __future__ import annotations

import gc
import heapq
import random
import select
import socket
from collections.abc import Callable, Sequence
from time import perf_counter as clock
from time import process_time
from typing import Any
from urllib.parse import urlsplit

from bench.callers.carrier import Carrier
from bench.callers.line import Address, Call, State
from bench.callers.script import PERIOD, Edge, Script
from bench.callers.spec import Spec
from bench.callers.visitors import Visitors
from bench.dialects.port import Ring
from bench.measure.record import Record, Run, Said, Span
from bench.measure.result import is_refused

Tell = Callable[[dict[str, Any]], None]
"""Takes an event for the standard output."""

TELL_EVERY = 25
"""Periods between two reports of progress."""
STALL = 0.005
"""Seconds a frame must be late before its time counts as a stall of the callers."""
AT_ONCE = 0.1
"""Seconds in which all calls are dialed when they come at once."""
AGAIN = (25, 75)
"""Periods after which somebody who was refused dials again, if all came at once: a second, on average."""
LAST_CALL = 25
"""Periods before the end of the run from which nobody dials again: a refusal takes its time, too."""
GOODBYE = 1.0
"""Seconds that servers have to close after the callers have hung up."""


class Unreachable(Exception):
    """Nobody listens there. Its text says where, and why."""


def periods(seconds: float) -> int:
    return round(seconds / PERIOD)


def dials(spec: Spec, line: int) -> int:
    """The period in which a line dials first."""
    span = AT_ONCE if spec.arrival == "at once" else spec.ramp
    return periods(span * line / spec.calls)


class Line:
    """A place in the crowd, with its script, its call of the moment, and where the script is."""

    __slots__ = ("at", "call", "due", "edges", "messages", "number", "redial", "script")

    def __init__(self, number: int, script: Script) -> None:
        self.number = number
        self.script = script
        self.messages = script.messages
        self.edges = script.edges
        self.at = 0
        self.due = self.edges[0][0]
        """The period of the next edge."""
        self.call: Call | None = None
        self.redial = -1
        """The period in which to dial again after a refusal; -1: not known."""


class Crowd:
    """One run. `quiet`: frames of a caller who says nothing.

    Raises `Unreachable` if the server cannot even be connected to before it begins.
    """

    def __init__(
        self, spec: Spec, scripts: Sequence[Script], carrier: Carrier, tell: Tell, quiet: Sequence[bytes] = ()
    ) -> None:
        self._spec = spec
        self._tell = tell
        self._lines = [Line(number, script) for number, script in enumerate(scripts)]
        parts = urlsplit(spec.url)
        self._path = f"{parts.path}{'?' + parts.query if parts.query else ''}"
        self._address = _reach(parts.hostname or "", parts.port or 80)
        self._host = parts.netloc.rpartition("@")[2]
        self._carrier = carrier
        self._poller = select.epoll()
        self._calls: list[Call] = []
        self._by_number: dict[int, Call] = {}
        self._owed: list[tuple[float, int, Call]] = []
        self._owings = 0
        self._hang_ups = 0
        self._dice = random.Random(spec.seed)
        self._last_call = periods(spec.ramp + spec.seconds) - LAST_CALL if spec.arrival == "at once" else 0
        self._stalls: list[Span] = []
        begin, end = (periods(seconds) for seconds in (spec.ramp, spec.ramp + spec.seconds))
        self._visitors = Visitors(begin, end if spec.greeter else begin, self._visit, quiet)
        self.late: list[float] = []

    def run(self) -> Run:
        """The whole run, from the first dial to the last close."""
        ramp, total = periods(self._spec.ramp), periods(self._spec.ramp + self._spec.seconds)
        gc.collect()
        gc.freeze()
        gc.disable()  # A collection in the run would make frames late; nothing here makes cycles.
        try:
            began = clock() + PERIOD
            self._periods(began, 0, ramp, "ramp", total)
            self._tell({"event": "window", "what": "begin"})
            woke, worked = clock(), process_time()
            self._periods(began, ramp, total, "steady", total)
            cpu = (process_time() - worked) / (clock() - woke)
            self._tell({"event": "window", "what": "end"})
            self._part()
        finally:
            gc.enable()
            self._poller.close()
        return Run(
            records=[call.record for call in self._calls],
            begin=began + ramp * PERIOD,
            end=began + total * PERIOD,
            late=self.late,
            cpu=cpu,
            unread=sum(call.unread for call in self._calls),
            stalls=self._stalls,
            patience=self._spec.patience,
            end_of_turn=self._spec.budget.end_of_turn,
            providers=self._spec.budget.providers,
            reply=self._spec.reply,
            visits=[call.record for call in self._visitors.calls],
        )

    def _periods(self, began: float, first: int, last: int, phase: str, total: int) -> None:
        """Everything that is due from period `first` until `last`."""
        lines, late, owed, hear = self._lines, self.late, self._owed, self._hear
        step = PERIOD / len(lines)
        for period in range(first, last):
            base = began + period * PERIOD
            if period % TELL_EVERY == 0:
                self._report(phase, period / total)
            self._visitors.period(period, clock())
            for line in lines:
                due = base + line.number * step
                now = clock()
                while now < due:
                    hear(min(due, owed[0][0]) - now if owed else due - now)
                    now = clock()
                call = line.call
                if call is not None and call.open:
                    call.send(line.messages[period])
                    late.append(now - due)
                elif call is not None and period < self._last_call:
                    self._again(line, call, period, now)
                if now - due > STALL:
                    self._stalled(due, now)
                if period == line.due:
                    self._edge(line, period, now)
            # A loop that never catches up must hear all the same.
            hear(0.0)

    def _stalled(self, due: float, now: float) -> None:
        """One stall makes many frames late: it lasts until none is."""
        stalls = self._stalls
        if stalls and due <= stalls[-1][1]:
            stalls[-1] = (stalls[-1][0], now)
        else:
            stalls.append((due, now))

    def _hear(self, wait: float) -> None:
        """What has come, or `wait` seconds; and the marks that are due."""
        calls = self._by_number
        for number, event in self._poller.poll(max(0.0, wait)):
            calls[number].ready(clock(), event)
        owed = self._owed
        if owed and owed[0][0] <= (now := clock()):
            while owed and owed[0][0] <= now:
                heapq.heappop(owed)[2].echo(now)

    def _owes(self, due: float, call: Call) -> None:
        self._owings += 1
        heapq.heappush(self._owed, (due, self._owings, call))

    def _edge(self, line: Line, period: int, now: float) -> None:
        """The script's edges in this period, after its frame was sent."""
        while line.due == period:
            _, what, number = line.edges[line.at]
            line.at += 1
            line.due = line.edges[line.at][0] if line.at < len(line.edges) else -1
            if what is Edge.DIAL:
                self._dial(line, now)
            elif line.call is None:
                continue
            elif what is Edge.BEGIN:
                line.call.begin(now)
            elif what is Edge.END:
                said = line.script.utterances[number]
                line.call.end(now, Said(said.kind, now - (said.last - said.first + 1) * PERIOD, now))
            elif line.call.open:
                line.call.hang_up(now, abrupt=self._hang_ups % 2 == 1)
                self._hang_ups += 1

    def _dial(self, line: Line, now: float) -> None:
        if line.call is not None and line.call.record.by != "us":
            return  # It is refused, dropped or still on: only who has hung up dials again.
        self._take(line, Record(line.number, now))

    def _again(self, line: Line, call: Call, period: int, now: float) -> None:
        """Who is refused dials again, and again."""
        if call.state is not State.OVER or not is_refused(call.record):
            return
        if line.redial < 0:
            line.redial = period + self._dice.randint(*AGAIN)
        elif period >= line.redial:
            line.redial = -1
            self._take(line, Record(line.number, now, redial=True))

    def _take(self, line: Line, record: Record) -> None:
        line.call = self._call(record, self._spec.agent, f"CA{len(self._calls) + 1:032x}")
        self._calls.append(line.call)

    def _visit(self, record: Record) -> Call:
        return self._call(record, self._spec.greeter, f"CB{len(self._visitors.calls) + 1:032x}")

    def _call(self, record: Record, agent: str, id: str) -> Call:
        ring = Ring(id, agent, token=self._spec.token, bearer=self._spec.bearer)
        call = Call(record, ring, self._carrier, self._address, self._poller, self._owes)
        self._by_number[call.number] = call
        call.dial(record.dialed, self._carrier.request(self._host, self._path, ring))
        return call

    def _report(self, phase: str, done: float) -> None:
        up = sum(line.call is not None and line.call.open for line in self._lines)
        worst = max(self.late[-TELL_EVERY * len(self._lines) :], default=0.0)
        self._tell(
            {"event": "progress", "phase": phase, "done": round(done, 3), "up": up, "late_ms": round(worst * 1e3, 2)}
        )

    def _part(self) -> None:
        """All hang up, and the servers have a moment to close."""
        now = clock()
        for call in self._calls:
            if call.open:
                call.hang_up(now, abrupt=False)
        limit = now + GOODBYE
        while now < limit and any(call.state is State.LEAVING for call in self._calls):
            self._hear(limit - now)
            now = clock()
        for call in (*self._calls, *self._visitors.calls):
            call.give_up(now)
        self._report("end", 1.0)


def _reach(host: str, port: int) -> Address:
    """The address, after one connection to it. Raises `Unreachable`."""
    failed: OSError | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        found, failed = [], error
    for family, kind, _, _, address in found:
        try:
            with socket.socket(family, kind) as probe:
                probe.settimeout(5.0)
                probe.connect(address)
        except OSError as error:
            failed = error
        else:
            return family, address
    raise Unreachable(f"no server at {host}:{port}: {failed.strerror if failed and failed.strerror else failed}")
