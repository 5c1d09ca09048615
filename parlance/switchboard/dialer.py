"""Calls that we place: they wait their turn, are dialed when there is a line and the hour allows, and again if need be.

An order waits until it is due, its agent's calling hours are open, the number it calls from has a free channel and the
house a free seat. What was busy, did not answer or could not be put through is dialed again after a pause that doubles,
as often as the agent's settings say; what an operator ended, or a machine answered, is not.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import structlog
import trio

from parlance.actors.media.errand import Outgoing
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
        """Dial what can be dialed; seconds until there may be more.

        An agent or a number that has no room now has none for the orders behind either: each is asked once.
        """
        now, wait = self._board.wall(), float("inf")
        due: list[Entry] = []
        for entry in self._queue.values():
            at = entry.record.due or 0.0
            if at <= now:
                due.append(entry)
            else:
                wait = min(wait, at - now)
        shut: set[str] = set()
        for entry in sorted(due, key=lambda one: (one.record.due or 0.0, one.record.created)):
            record = entry.record
            if {record.agent, record.caller} & shut:
                continue
            opening = self._open(record.agent, now)
            if opening > now:
                entry.change(due=opening)
                wait = min(wait, opening - now)
            elif taken := self._taken(entry):
                shut.add(taken)
            else:
                self._dial(entry)
        return max(min(wait, POLL) if shut else wait, 0.01)

    def _open(self, agent: str, at: float) -> float:
        """The first time from `at` at which the agent may call."""
        plan = self._board.host.agents[agent].outbound
        hours = _hours(plan.hours)
        local = datetime.fromtimestamp(at, zone(plan.zone))
        return at if hours.open(local) else hours.next(local).timestamp()

    def _taken(self, entry: Entry) -> str:
        """Who has no room for this call now, its agent or its number; empty: there is room."""
        board, record = self._board, entry.record
        if board.host.closed(record.agent):
            return record.agent
        number = board.router.number(record.carrier, record.caller)
        full = number is not None and 0 < number.channels <= board.busy(record.caller, entry)
        return record.caller if full else ""

    def _plan(self, entry: Entry) -> Outbound:
        return self._board.host.agents[entry.record.agent].outbound

    def _dial(self, entry: Entry) -> None:
        board, record = self._board, entry.record
        try:
            entry.seat = board.host.seat(record.agent)
        except Refused as refused:
            # It had room a moment ago, and nothing has run since: but who refuses need not say so before.
            log.warning("an order has to wait", call=entry.id, reason=refused.reason)
            return
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
        board.errands.soon(entry, "place", lambda control, stamp: control.place(outgoing, stamp))

    def _ended(self, entry: Entry) -> bool:
        """Whether this call is dialed again."""
        self.drop(entry)
        self._changed.set()
        life, record = entry.life, entry.record
        if record.direction is not Direction.OUTBOUND or record.started is not None or not life.failed:
            return False
        plan = self._plan(entry)
        if (life.by in (By.OPERATOR, By.HOUSE) and life.reason != "no-answer") or life.reason == "canceled":
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


@lru_cache(maxsize=256)
def _hours(words: str) -> Hours:
    return Hours.parse(words)
