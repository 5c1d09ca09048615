"""The hands: they use the mind's tools for one call, outside of any turn.

What was begun is ended, also when the caller interrupts the reply that wanted it, and for a while when he hangs up: an
appointment is not half made. Each use has one outcome in the record, and one key, by which a server can tell that it
is asked for the same thing again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import quote

import trio

from parlance.actors.thinker.port import Ask, Use
from parlance.actors.thinker.tools import Failure, Toolbox
from parlance.engine.effort import ToolAnswered, ToolAsked
from parlance.engine.mailbox import Mailbox, Policy
from parlance.engine.roles import Desk

GRACE = 4.0
"""Seconds that tools have after the call's end; less than their supervisor gives."""
JOBS = 64
"""Uses that may wait to be begun: more are a bug, since beginning one takes no time."""
UNFINISHED = "(not finished yet)"
"""The result, as the mind is told it meanwhile."""


Outcome = Literal["done", "failed", "unfinished"]


@dataclass(slots=True, eq=False)
class Job:
    """One use of a tool."""

    turn: int
    ask: Ask
    use: Use
    told: Callable[[Use], None]
    began: float
    done: trio.Event = field(default_factory=trio.Event)


class Hands:
    """One call's. `name`: the call's id, which makes the keys unique."""

    def __init__(self, toolbox: Toolbox, desk: Desk, name: str = "") -> None:
        self.toolbox = toolbox
        self._desk, self._name = desk, name
        self._orders: Mailbox[Job] = Mailbox(JOBS, Policy.REFUSE)
        self._busy: set[Job] = set()

    @property
    def needed(self) -> bool:
        """Whether there is anything to use; if not, this need not be run."""
        return not self.toolbox.empty

    def use(self, turn: int, ask: Ask, told: Callable[[Use], None]) -> Job:
        """Begin to use a tool. `told` is called with what came of it, at whatever time, and then `job.done` is set."""
        use = Use(ask.id, ask.name, ask.arguments, UNFINISHED, ask.opaque)
        job = Job(turn, ask, use, told, self._desk.clock())
        self._desk.note(ToolAsked(turn, ask.id, ask.name, dict(ask.arguments)))
        if not self.needed:
            self._finish(job, "failed", self.toolbox.refusal(ask))
            return job
        self._busy.add(job)
        self._orders.put_nowait(job)
        return job

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled; then finish what was begun, within `GRACE`."""
        guard = trio.CancelScope(shield=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work, guard)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                guard.deadline = trio.current_time() + (GRACE if self._busy else 0)
                if not self._busy:
                    guard.cancel()

    async def _work(self, guard: trio.CancelScope) -> None:
        with guard:
            async with trio.open_nursery() as nursery:
                while True:
                    nursery.start_soon(self._do, await self._orders.get(), guard)

    async def _do(self, job: Job, guard: trio.CancelScope) -> None:
        outcome: Outcome = "unfinished"
        result = UNFINISHED
        try:
            # The key becomes a header, and an id is whatever a service makes it.
            result = await self.toolbox.use(job.ask, f"{self._name}.{quote(job.ask.id, errors='replace')}")
            outcome = "done"
        except Failure as failure:
            outcome, result = "failed", str(failure)
        finally:
            self._busy.discard(job)
            self._finish(job, outcome, result)
            if guard.deadline < float("inf") and not self._busy:
                guard.cancel()

    def _finish(self, job: Job, outcome: Outcome, result: str) -> None:
        job.use = replace(job.use, result=result)
        job.told(job.use)
        seconds = round(self._desk.clock() - job.began, 3)
        self._desk.note(ToolAnswered(job.turn, job.ask.id, job.ask.name, outcome, result, seconds))
        job.done.set()
