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

from parlance.actors.media.errand import Control, Errand, Handle, Stamp, Verb
from parlance.actors.media.port import Wire
from parlance.engine import life as l
from parlance.engine import trace as t
from parlance.engine.call import Call
from parlance.engine.errors import Ended, ProviderError, Rejected, Unreachable
from parlance.engine.exchange import AGAIN_LATER, Seat
from parlance.engine.message import By, How
from parlance.engine.record import Direction, Record, Status
from parlance.persistence.port import Store
from parlance.switchboard.entry import Entry, new_id
from parlance.switchboard.index import Index
from parlance.switchboard.numbers import same_number
from parlance.switchboard.port import Carrier, Host, Line, Times
from parlance.switchboard.routing import Router

LAST = 3.0
"""Seconds for what is still asked of carriers when the process ends."""

TRANSFER = 3.0
"""Seconds for a carrier to take a caller over, before our media ends in any case."""

log = structlog.get_logger()
Ask = Callable[[Control, Stamp], Errand]


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
        self.carriers = dict(carriers)
        self.index = Index()
        self.completed = self.failed = 0
        """Calls that have ended, well or not."""
        self.ended: Callable[[Entry], bool] = lambda entry: False
        """Told of each call that has ended; True: it is to be dialed again, and has not."""
        self.placed: Callable[[Entry], None] = lambda entry: None
        """Told of each call that a carrier has placed for us, and now knows by an id of its own."""
        self._nursery: trio.Nursery | None = None
        self._closing = trio.Event()
        self._sooner = trio.Event()
        self._until = float("inf")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the calls' deadlines until cancelled; then wait a moment for what carriers are still asked."""
        async with trio.open_nursery() as outer:
            scope = await outer.start(self._keep_errands)
            task_status.started()
            try:
                await self._keep_deadlines()
            finally:
                scope.deadline = trio.current_time() + LAST
                self._closing.set()

    async def _keep_errands(self, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        with trio.CancelScope(shield=True) as scope:
            async with trio.open_nursery() as self._nursery:
                task_status.started(scope)
                await self._closing.wait()

    async def _keep_deadlines(self) -> None:
        while True:
            now = trio.current_time()
            for entry in self.index:
                if entry.expires is not None and entry.expires <= now:
                    entry.expires = None
                    self.happen(entry, l.Expired())
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
        **known: Any,
    ) -> Entry:
        """A call that was not known so far. `known`: fields of its record."""
        record = Record(id or new_id(), carrier, direction, agent, created=self.wall(), **known)
        entry = Entry(record, self.store.keep, ours=ours)
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
                self._hang_up(entry)
            case l.Settle():
                self._settle(entry)

    def _hang_up(self, entry: Entry) -> None:
        if not entry.ours or not entry.record.line or not self.can(entry, "hang_up"):
            self.happen(entry, l.HungUp())
            return
        handle = entry.handle
        self.soon(entry, "hang_up", lambda control, stamp: control.hang_up(handle, stamp), l.HungUp())

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
        if life.failed:
            self.failed += 1
        else:
            self.completed += 1
        log.info("call settled", call=entry.id, status=life.status.value, by=entry.record.ended_by, reason=life.reason)

    # ------------------------------------------------------------------------------------------- media

    def joined(self, entry: Entry, call: Call, wire: Wire, media: Line) -> None:
        """Its media has come: `call` carries it, in the seat that was kept."""
        entry.call, entry.wire, entry.media, entry.seat = call, wire, media, None
        self.happen(entry, l.Joined())

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

        Raises `ProviderError`: the call is still ours then.
        """
        if not self.can(entry, "transfer"):
            raise Rejected(entry.record.carrier, "it cannot transfer calls, or its keys are not set")
        handle = entry.handle
        with trio.move_on_after(TRANSFER):
            await self.ask(entry, "transfer", lambda control, stamp: control.transfer(handle, number, stamp))
            self.handed_over(entry, number)
            return
        raise Unreachable(entry.record.carrier, f"no answer within {TRANSFER:g} s")

    def noted(self, entry: Entry, record: t.Record) -> None:
        """An event of its conversation. Some wires connect the caller with somebody else themselves."""
        match record.event:
            case t.Transferred(number, failure) if failure:
                log.warning("a transfer failed", call=entry.id, error=failure)
            case t.Transferred(number):
                self.handed_over(entry, number)

    def handed_over(self, entry: Entry, number: str) -> None:
        """The caller is connected with somebody else: the line is not ours to hang up any more."""
        entry.ours = False
        entry.change(transferred=number)

    # ---------------------------------------------------------------------------------------- carriers

    def can(self, entry: Entry, verb: Verb) -> bool:
        carrier = self.carriers.get(entry.record.carrier)
        return carrier is not None and verb in carrier.verbs

    async def ask(self, entry: Entry, verb: Verb, ask: Ask) -> Handle:
        """Ask the call's carrier. Raises `ProviderError`."""
        handle = await self.carriers[entry.record.carrier].do(verb, ask)
        self.learn(entry, handle.call, handle.leg)
        return handle

    def learn(self, entry: Entry, line: str = "", leg: str = "") -> None:
        """What the carrier knows the call by."""
        if line or leg:
            entry.change(line=line or entry.record.line, leg=leg or entry.record.leg)
            self.index.note(entry)

    def soon(self, entry: Entry, verb: Verb, ask: Ask, then: l.Event | None = None) -> None:
        """Ask the call's carrier without waiting; `then` happens when it has answered, whatever it said."""
        if self._nursery is None or self._closing.is_set():
            if then is not None:
                self.happen(entry, then)
            return
        self._nursery.start_soon(self._errand, entry, verb, ask, then, name=f"{verb} {entry.id}")

    async def _errand(self, entry: Entry, verb: Verb, ask: Ask, then: l.Event | None) -> None:
        try:
            await self.ask(entry, verb, ask)
        except Ended:
            self.happen(entry, l.Over(By.CARRIER, "it had ended already"))
        except ProviderError as error:
            log.warning("a carrier did not do what it was asked", call=entry.id, asked=verb, error=str(error))
            if verb in ("answer", "place"):
                self.happen(entry, l.Over(By.CARRIER, "failed", failed=True))
        else:
            if verb == "place":
                self.placed(entry)
        if then is not None:
            self.happen(entry, then)
