"""What is asked of carriers for the sake of calls, in a nursery of its own.

A call may end while a carrier is still asked to place, answer or transfer it. Whether there is something to hang up,
and by which id, is known only when that has been answered: until then nothing is hung up, and what comes too late for
its call is hung up at once. A house that closes waits a moment for all of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import structlog
import trio

from parlance.actors.media.errand import Control, Errand, Handle, Stamp, Verb
from parlance.engine import life as l
from parlance.engine.errors import Ended, Lost, ProviderError
from parlance.engine.message import By
from parlance.switchboard.entry import Entry
from parlance.switchboard.port import Carrier

if TYPE_CHECKING:
    from parlance.switchboard.board import Switchboard

LAST = 5.0
"""Seconds for what is still asked of carriers when the house closes: media takes leave in less."""
DECIDING = frozenset({"place", "answer", "transfer"})
"""Until these have been answered, nobody knows what there is to hang up."""

log = structlog.get_logger()
Ask = Callable[[Control, Stamp], Errand]


class Errands:
    """Of all calls of `board`, at `carriers` by their names."""

    def __init__(self, board: Switchboard, carriers: Mapping[str, Carrier]) -> None:
        self._board, self.carriers = board, dict(carriers)
        self._nursery: trio.Nursery | None = None
        self._closing = trio.Event()
        self._scope = trio.CancelScope(shield=True)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run errands until `close`, whoever cancels, and then until every call is over, or `LAST` has passed."""
        try:
            with self._scope:
                async with trio.open_nursery() as self._nursery:
                    task_status.started()
                    await self._closing.wait()
                    await self._board.index.empty()
        finally:
            self._nursery = None

    def close(self) -> None:
        """What is asked from now on is asked of a house that closes."""
        self._scope.deadline = trio.current_time() + LAST
        self._closing.set()

    def can(self, entry: Entry, verb: Verb) -> bool:
        """Whether the call's carrier has a word for this."""
        carrier = self.carriers.get(entry.record.carrier)
        return carrier is not None and verb in carrier.verbs

    async def ask(self, entry: Entry, verb: Verb, ask: Ask, done: Callable[[], None] = lambda: None) -> Handle:
        """Ask the call's carrier; it is `done` before anything is made of it. Raises `ProviderError`."""
        attempt, deciding = entry.attempt, verb in DECIDING
        entry.undecided += deciding
        try:
            handle = await self.carriers[entry.record.carrier].do(verb, ask)
            if entry.attempt == attempt and not entry.life.status.final:
                self._board.learn(entry, handle.call, handle.leg)
                done()
            elif verb in ("place", "answer"):
                self._orphaned(entry, handle)
            return handle
        finally:
            if deciding and entry.attempt == attempt:
                entry.undecided -= 1
                self._decided(entry)

    def _decided(self, entry: Entry) -> None:
        if entry.hanging and not entry.undecided:
            entry.hanging = False
            self.hang_up(entry)

    def hang_up(self, entry: Entry) -> None:
        """End the call at its carrier, if it is ours to end, as soon as it is known what there is to end."""
        if entry.undecided:
            entry.hanging = True
        elif entry.ours and entry.handle != Handle() and self.can(entry, "hang_up"):
            handle = entry.handle
            self.soon(entry, "hang_up", lambda control, stamp: control.hang_up(handle, stamp), l.HungUp())
        else:
            self._board.happen(entry, l.HungUp())

    def _orphaned(self, entry: Entry, handle: Handle) -> None:
        """A call was placed or answered that nobody wants any more."""
        log.warning("a carrier answered too late", call=entry.id, carrier=entry.record.carrier)
        if handle != Handle() and self.can(entry, "hang_up"):
            self.soon(entry, "hang_up", lambda control, stamp: control.hang_up(handle, stamp))

    def soon(self, entry: Entry, verb: Verb, ask: Ask, then: l.Event | None = None) -> None:
        """Ask the call's carrier without waiting; `then` happens when it has answered, whatever it said."""
        if self._nursery is not None:
            self._nursery.start_soon(self._run, entry, verb, ask, then, name=f"{verb} {entry.id}")
        elif then is not None:
            self._board.happen(entry, then)

    def start(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Work of others that must not end before it has an answer. Raises RuntimeError in a house that is closed."""
        if self._nursery is None:
            raise RuntimeError("nobody can be asked any more: the house is closed")
        self._nursery.start_soon(work, name=name)

    async def _run(self, entry: Entry, verb: Verb, ask: Ask, then: l.Event | None) -> None:
        attempt, happened = entry.attempt, [then] if then is not None else []
        try:
            await self.ask(entry, verb, ask)
        except Ended:
            happened.insert(0, l.Over(By.CARRIER, "it had ended already"))
        except Lost as error:
            # It may ring all the same: then it makes itself heard, or its deadline passes.
            log.warning("a carrier did not say whether it did", call=entry.id, asked=verb, error=str(error))
        except ProviderError as error:
            log.warning("a carrier did not do what it was asked", call=entry.id, asked=verb, error=str(error))
            if verb in ("answer", "place"):
                happened.insert(0, l.Over(By.CARRIER, str(error), failed=True))
        except Exception:
            # One of the house's few broad excepts: a fault in one carrier's control must not end the calls of all.
            log.exception("an errand failed by a fault of ours", call=entry.id, asked=verb)
            happened.insert(0, l.End(By.HOUSE, "fault", failed=True))
        else:
            if verb == "place" and entry.attempt == attempt:
                self._board.placed(entry)
        if entry.attempt == attempt:
            for event in happened:
                self._board.happen(entry, event)
