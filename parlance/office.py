"""The office: everything around calls that is not a call itself. Who brings them, who may, who directs them.

Part of the composition root: it makes the switchboard, its reception for each carrier, the dialer, the desk for
operators and the runners, and keeps them as long as the house lives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import trio

from parlance import carriers
from parlance.actors.media.port import Wire
from parlance.engine.hours import zone
from parlance.engine.record import Status
from parlance.engine.trace import Sink
from parlance.persistence.memory import MemoryDirectory, MemoryStore
from parlance.switchboard.arrivals import Arrivals
from parlance.switchboard.board import Switchboard
from parlance.switchboard.clerk import Clerk
from parlance.switchboard.dialer import Dialer
from parlance.switchboard.entry import Entry
from parlance.switchboard.port import Times
from parlance.switchboard.reception import Reception
from parlance.switchboard.routing import Router
from parlance.switchboard.voicemail import Voicemail

if TYPE_CHECKING:
    from parlance.house import House


def wall() -> float:
    """Seconds since 1970."""
    return datetime.now(UTC).timestamp()


class Office:
    """Made from the house's settings. Raises `Misconfigured`."""

    def __init__(self, house: House, *, clock: Callable[[], float] = wall) -> None:
        settings, self.wall = house.settings, clock
        place = zone(settings.zone)

        def local() -> datetime:
            return datetime.fromtimestamp(self.wall(), place)

        self.carriers = carriers.make(settings)
        self.runners = {
            name: runner for name, parts in self.carriers.items() if (runner := parts.runner(self.wall)) is not None
        }
        self.store = MemoryStore()
        self.directory = MemoryDirectory(trio.current_time)
        lives = settings.lives
        self.board = Switchboard(
            house,
            Router(settings.default_agent, settings.numbers, settings.rules),
            self.store,
            carriers=self.runners,
            wall=self.wall,
            times=Times(lives.setup, lives.ring, lives.media, lives.ending),
        )
        self.receptions = {name: Reception(name, self.board, local) for name in self.carriers}
        self.dialer = Dialer(self.board)
        self.desk = Clerk(self.board, self.dialer, self.directory)
        self.arrivals = Arrivals(
            self.board,
            {name: parts.access for name, parts in self.carriers.items()},
            local,
            house.exchange.refuse,
        )
        self.board.placed = self._placed

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep office until cancelled. What carriers are still asked when it closes gets a moment."""
        async with trio.open_nursery() as outer:
            carrying = await outer.start(self._carry)
            try:
                async with trio.open_nursery() as nursery:
                    await nursery.start(self.board.run)
                    await nursery.start(self.dialer.run)
                    task_status.started()
            finally:
                carrying.cancel()

    async def _carry(self, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        """Those who carry errands live until nobody asks for any more, whoever cancels."""
        with trio.CancelScope(shield=True) as scope:
            async with trio.open_nursery() as nursery:
                for runner in self.runners.values():
                    await nursery.start(runner.run)
                task_status.started(scope)

    def early(self, entry: Entry, wire: Wire) -> bool:
        """Whether the media comes before the call was answered, so that nobody listens yet."""
        return entry.outbound and wire.early and entry.life.status in (Status.INITIALIZING, Status.RINGING)

    def sinks(self, entry: Entry) -> Sequence[Sink]:
        """What the office wants to be told of a call."""
        onward = partial(self.board.noted, entry)
        return (onward, Voicemail(self.board, entry).note) if entry.outbound else (onward,)

    def _placed(self, entry: Entry) -> None:
        self.receptions[entry.record.carrier].placed(entry)
