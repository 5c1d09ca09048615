"""The switchboard: every call that is known, from the carrier's first word or the operator's order to its end.

Webhooks, media sockets and operators all come here, and what each of them says becomes an event of the call's life;
what the life asks for is done here. All of it is function calls. Only what is asked of carriers waits, in a nursery of
its own, and a process that ends gives those requests a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog
import trio

from parlance.actors.media.port import Wire
from parlance.engine import life as l
from parlance.engine import trace as t
from parlance.engine.call import Call
from parlance.engine.effort import CallUsed
from parlance.engine.errors import Lost, ProviderError, Rejected
from parlance.engine.exchange import AGAIN_LATER, Seat
from parlance.engine.message import By, How
from parlance.engine.record import Direction, Record, Status
from parlance.persistence.port import Store
from parlance.switchboard.entry import Entry, new_id
from parlance.switchboard.errands import Errands
from parlance.switchboard.index import Index
from parlance.switchboard.numbers import same_number
from parlance.switchboard.port import Carrier, Host, Line, Times
from parlance.switchboard.routing import Router

TRANSFER = 3.0
"""Seconds for a carrier to take a caller over, before our media ends in any case."""

log = structlog.get_logger()
ELSEWHERE = l.Over(By.CARRIER, "taken elsewhere")
"""What becomes of a call on our number that only news have told of: somebody else has answered it."""


class Switchboard:
    """`wall`: seconds since 1970."""

    def __init__(
        self,
        host: Host,
        router: Router,
        store: Store,
        *,
        carriers: Mapping[str, Carrier],
        wall: Callable[[], float],
        times: Times | None = None,
    ) -> None:
        self.host, self.router, self.store, self.wall = host, router, store, wall
        self.times = times or Times()
        self.index = Index()
        self.errands = Errands(self, carriers)
        self.completed = self.failed = 0
        """Calls that have ended, well or not."""
        self.ended: Callable[[Entry], bool] = lambda entry: False
        """Told of each call that has ended; True: it is to be dialed again, and has not."""
        self.placed: Callable[[Entry], None] = lambda entry: None
        """Told of each call that a carrier has placed for us, and now knows by an id of its own."""
        self._sooner = trio.Event()
        self._until = float("inf")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the calls' deadlines until cancelled; then end them all, and wait a moment for carriers to do it."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.errands.run)
            task_status.started()
            try:
                await self._keep_deadlines()
            finally:
                self.errands.close()
                for entry in self.index:
                    self.happen(entry, l.End(By.HOUSE, "cancelled", failed=True))

    async def _keep_deadlines(self) -> None:
        while True:
            now = trio.current_time()
            for entry in self.index:
                if entry.expires is not None and entry.expires <= now:
                    entry.expires = None
                    self.happen(entry, l.Expired() if entry.ours else ELSEWHERE)
            self._until = min(
                (entry.expires for entry in self.index if entry.expires is not None), default=float("inf")
            )
            self._sooner = trio.Event()
            with trio.move_on_at(self._until):
                await self._sooner.wait()

    # ------------------------------------------------------------------------------------------- calls

    def open(
        self,
        carrier: str,
        direction: Direction,
        agent: str,
        *,
        id: str = "",
        ours: bool = True,
        known: bool = True,
        **facts: Any,
    ) -> Entry:
        """A call of which nobody has told us so far. `facts`: fields of its record. Not `known`: it leaves no record
        unless it is joined.
        """
        record = Record(id or new_id(), carrier, direction, agent, created=self.wall(), **facts)
        entry = Entry(record, self.store.keep, ours=ours, known=known)
        if known:
            self.store.keep(record)
        self.index.add(entry)
        self.expire(entry, self.times.setup)
        return entry

    def seat(self, entry: Entry) -> Seat:
        """Capacity for an inbound call: of the number that was called, of its agent, of the house. Raises `Refused`."""
        called = entry.record.called
        number = self.router.number(entry.record.carrier, called)
        if number is not None and 0 < number.channels <= self.busy(called, entry):
            told = f"{called} carries its {number.channels} calls: try again later"
            raise self.host.refuse("number-full", AGAIN_LATER, told)
        return self.host.seat(entry.record.agent)

    def busy(self, number: str, besides: Entry) -> int:
        """How many calls one of our numbers carries, those that wait to be dialed left out."""
        return sum(
            one is not besides
            and (one.awaited or one.call is not None)
            and any(same_number(number, party) for party in (one.record.caller, one.record.called))
            for one in self.index
        )

    def happen(self, entry: Entry, event: l.Event) -> None:
        """An event of a call's life, and everything that follows from it now."""
        before = entry.life.status
        entry.life, actions = l.step(entry.life, event)
        status = entry.life.status
        if status is not before and not status.final:
            self._became(entry, status)
        for action in actions:
            self._perform(entry, action)

    def _became(self, entry: Entry, status: Status) -> None:
        times, now = self.times, self.wall()
        if status is not Status.ENDING:
            log.info(f"call {status.value.replace('_', ' ')}", call=entry.id, carrier=entry.record.carrier)
        record = entry.record
        seconds: float | None = None
        match status:
            case Status.RINGING:
                entry.change(status=status, ringing=now)
                seconds = entry.ring or times.ring
            case Status.CONNECTED:
                entry.change(status=status, connected=now)
                seconds = times.media
            case Status.IN_PROGRESS:
                entry.change(status=status, connected=record.connected or now, started=now)
            case Status.ENDING:
                entry.change(status=status)
                seconds = times.ending
        self.expire(entry, seconds)

    def expire(self, entry: Entry, seconds: float | None) -> None:
        """Its present status may last so long; None: its agent's limits bound it."""
        entry.expires = None if seconds is None else trio.current_time() + seconds
        if entry.expires is not None and entry.expires < self._until:
            self._sooner.set()

    def _perform(self, entry: Entry, action: l.Action) -> None:
        match action:
            case l.CloseMedia(by, reason, failed, words):
                if entry.call is not None:
                    entry.call.close(How.FAILED if failed else How.COMPLETED, reason, words, by=by)
            case l.HangUp():
                self.errands.hang_up(entry)
            case l.Settle():
                self._settle(entry)

    def _settle(self, entry: Entry) -> None:
        entry.expires = None
        entry.release()
        if self.ended(entry):
            return
        life = entry.life
        entry.change(
            status=life.status,
            ended=self.wall(),
            ended_by=life.by.value if life.by is not None else "",
            reason=life.reason,
            due=None,
        )
        self.index.settle(entry)
        if not entry.known:
            return
        if life.failed:
            self.failed += 1
        else:
            self.completed += 1
        log.info("call settled", call=entry.id, status=life.status.value, by=entry.record.ended_by, reason=life.reason)

    # ------------------------------------------------------------------------------------------- media

    def joined(self, entry: Entry, call: Call, wire: Wire, media: Line, *, early: bool = False) -> None:
        """Its media has come: `call` carries it, in the seat that was kept. `early`: before it was answered."""
        entry.call, entry.wire, entry.media, entry.seat = call, wire, media, None
        # Whoever told of it first: what speaks with our agent is ours to hang up.
        entry.ours = True
        if not entry.known:
            entry.known = True
            self.store.keep(entry.record)
        self.happen(entry, l.Joined(early))

    def parted(self, entry: Entry, call: Call) -> None:
        """`call` has ended."""
        if entry.call is not call:
            return
        entry.call = entry.media = None
        for ended in entry.parting:
            ended()
        entry.parting.clear()
        state = call.state
        self.happen(entry, l.Parted(state.by or By.HOUSE, state.reason, state.how is How.FAILED))

    async def onward(self, entry: Entry, number: str) -> None:
        """Connect the caller with `number`, in words of the carrier's own REST interface: the wire has none.

        Raises `ProviderError`: the call is still ours then. Cancelled, the carrier is asked all the same.
        """
        if not self.errands.can(entry, "transfer"):
            raise Rejected(entry.record.carrier, "it cannot transfer calls, or its keys are not set")
        answered = trio.Event()
        outcome: list[ProviderError | None] = []

        async def transfer() -> None:
            handle = entry.handle
            try:
                await self.errands.ask(
                    entry,
                    "transfer",
                    lambda control, stamp: control.transfer(handle, number, stamp),
                    lambda: self.handed_over(entry, number),
                )
                outcome.append(None)
            except ProviderError as error:
                outcome.append(error)
            finally:
                answered.set()

        self.errands.start(transfer, f"transfer {entry.id}")
        with trio.move_on_after(TRANSFER):
            await answered.wait()
        if not outcome:
            raise Lost(entry.record.carrier, f"no answer within {TRANSFER:g} s")
        if outcome[0] is not None:
            raise outcome[0]

    def noted(self, entry: Entry, record: t.Record) -> None:
        """An event of its conversation. Some wires connect the caller with somebody else themselves."""
        match record.event:
            case t.Transferred(number, failure) if failure:
                log.warning("a transfer failed", call=entry.id, error=failure)
            case t.Transferred(number):
                self.handed_over(entry, number)
            case CallUsed():
                entry.change(used=record.event)

    def handed_over(self, entry: Entry, number: str) -> None:
        """The caller is connected with somebody else: the line is not ours to hang up any more."""
        entry.ours = False
        if not entry.life.status.final:
            entry.change(transferred=number)

    def handed_back(self, entry: Entry) -> None:
        """The caller could not be connected: nobody speaks with him, and the line is ours again."""
        log.warning("a transfer came to nothing", call=entry.id, number=entry.record.transferred)
        entry.ours = True
        if entry.life.status.final:
            self.errands.hang_up(entry)
        else:
            entry.change(transferred="")

    # ---------------------------------------------------------------------------------------- carriers

    def learn(self, entry: Entry, line: str = "", leg: str = "") -> None:
        """What the carrier knows the call by."""
        if line or leg:
            entry.change(line=line or entry.record.line, leg=leg or entry.record.leg)
            self.index.note(entry)
