"""Calls that we place: they wait their turn, are dialed when there is a line and the hour allows, and again if need be.

An order waits until it is due, its agent's calling hours are open, the number it calls from has a free channel and the
house a free seat. What was busy, did not answer or could not be put through is dialed again after a pause that doubles,
as often as the agent's settings say; what an operator ended, or a machine answered, is not.
"""

from __future__ import annotations

from datetime import datetime

import structlog
import trio

from parlance.actors.media.errand import Outgoing
from parlance.engine import life as l
from parlance.engine.agent import Outbound
from parlance.engine.errors import Refused
from parlance.engine.hours import Hours, zone
from parlance.engine.message import By
from parlance.engine.record import Direction
from parlance.switchboard.board import Switchboard
from parlance.switchboard.entry import Entry

POLL = 1.0
"""Seconds between two looks for a free line: nobody tells when the process is no longer saturated."""
LONGEST = 6 * 3600.0
"""Seconds of the longest pause between two attempts."""
MOST = 10_000
"""Orders that may wait."""

log = structlog.get_logger()


class Dialer:
    """The queue of all calls to be placed."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self._queue: dict[str, Entry] = {}
        self._changed = trio.Event()
        board.ended = self._ended

    @property
    def full(self) -> bool:
        return len(self._queue) >= MOST

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Dial what is due until cancelled."""
        task_status.started()
        while True:
            self._changed = trio.Event()
            wait = self._dial_due()
            with trio.move_on_after(wait):
                await self._changed.wait()

    def add(self, entry: Entry) -> None:
        """Dial this call when its record says that it is due."""
        entry.expires = None
        self._queue[entry.id] = entry
        self._changed.set()

    def drop(self, entry: Entry) -> bool:
        """Do not dial it any more. False: it does not wait."""
        return self._queue.pop(entry.id, None) is not None

    def _dial_due(self) -> float:
        """Dial what can be dialed; seconds until there may be more."""
        now, wait = self._board.wall(), float("inf")
        for entry in sorted(self._queue.values(), key=lambda one: (one.record.due or 0.0, one.record.created)):
            due = self._open(entry, max(entry.record.due or 0.0, now))
            if due > now:
                entry.change(due=due)
                wait = min(wait, due - now)
            elif not self._dial(entry):
                wait = min(wait, POLL)
        return max(wait, 0.01)

    def _open(self, entry: Entry, at: float) -> float:
        """The first time from `at` at which the agent may call."""
        plan = self._plan(entry)
        hours = Hours.parse(plan.hours)
        local = datetime.fromtimestamp(at, zone(plan.zone))
        return at if hours.open(local) else hours.next(local).timestamp()

    def _plan(self, entry: Entry) -> Outbound:
        return self._board.host.agents[entry.record.agent].outbound

    def _dial(self, entry: Entry) -> bool:
        """Dial now. False: there is no line for it."""
        board, record = self._board, entry.record
        number = board.router.number(record.carrier, record.caller)
        if number is not None and 0 < number.channels <= board.busy(record.caller, entry):
            return False
        try:
            entry.seat = board.host.seat(record.agent)
        except Refused as refused:
            if refused.reason == "draining":
                self.drop(entry)
                board.happen(entry, l.Over(By.HOUSE, "draining", failed=True))
            return refused.reason == "draining"
        self.drop(entry)
        plan = self._plan(entry)
        outgoing = Outgoing(
            entry.id, record.called, record.caller, record.agent, entry.ticket, plan.ring, plan.machines != "talk"
        )
        entry.change(due=None, attempts=record.attempts + 1)
        # Most carriers stop the ringing themselves.
        entry.ring = plan.ring + 5.0
        board.expire(entry, board.times.setup + plan.ring)
        log.info("dialing", call=entry.id, carrier=record.carrier, agent=record.agent, attempt=entry.record.attempts)
        board.soon(entry, "place", lambda control, stamp: control.place(outgoing, stamp))
        return True

    def _ended(self, entry: Entry) -> bool:
        """Whether this call is dialed again."""
        self.drop(entry)
        self._changed.set()
        life, record = entry.life, entry.record
        if record.direction is not Direction.OUTBOUND or record.started is not None or not life.failed:
            return False
        plan = self._plan(entry)
        if life.by in (By.OPERATOR, By.HOUSE) and life.reason != "no-answer":
            return False
        if entry.machine or record.attempts >= (entry.attempts or plan.attempts):
            return False
        pause = min(plan.pause(life.reason) * 2 ** (record.attempts - 1), LONGEST)
        self._board.index.forget(entry)
        entry.again(self._board.wall() + pause)
        self._board.index.note(entry)
        log.info("to be dialed again", call=entry.id, after=life.reason, again_in=pause)
        self.add(entry)
        return True
