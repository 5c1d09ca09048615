"""A switchboard with everything around it faked: carriers that do as they are told, calls that only take notes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import trio

from parlance.actors.media.access import is_token
from parlance.actors.media.dialect import Dialect
from parlance.actors.media.errand import Control, Errand, Handle, Outgoing, Stamp, Verb
from parlance.actors.media.port import Started, Visit
from parlance.actors.media.webhook import News, Offer, What
from parlance.engine.agent import Agent
from parlance.engine.call import Call
from parlance.engine.errors import ProviderError, Refused
from parlance.engine.exchange import Exchange, Seat
from parlance.engine.message import By, How
from parlance.engine.record import Record
from parlance.engine.state import State
from parlance.persistence.memory import MemoryDirectory, MemoryStore
from parlance.switchboard.arrivals import Arrivals
from parlance.switchboard.board import Switchboard
from parlance.switchboard.clerk import Clerk
from parlance.switchboard.dialer import Dialer
from parlance.switchboard.entry import Entry
from parlance.switchboard.port import Times
from parlance.switchboard.reception import Reception
from parlance.switchboard.routing import OurNumber, Router, Rule

EPOCH = datetime(2026, 11, 20, 12, 0, tzinfo=UTC).timestamp()
OURS, THEIRS = "+33142685300", "+33612345678"


class Notes:
    """A control that writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, verb: str) -> Callable[..., Errand]:
        def ask(*arguments: Any) -> Errand:
            assert isinstance(arguments[-1], Stamp)
            self.asked.append((verb, *arguments[:-1]))
            return Errand("POST", f"http://carrier/{verb}")

        return ask


class FakeCarrier:
    """`fails`: the errors that the next errands of a verb end with."""

    def __init__(self, name: str, verbs: str) -> None:
        self.name = name
        self.verbs = frozenset(cast("list[Verb]", verbs.split()))
        self.notes = Notes()
        self.fails: dict[str, list[ProviderError]] = {}
        self.handles: dict[str, Handle] = {}
        self.takes = 0.0
        """Seconds for an errand."""

    async def do(self, verb: Verb, ask: Callable[[Control, Stamp], Errand]) -> Handle:
        assert verb in self.verbs
        ask(cast("Control", self.notes), Stamp(0.0, "id"))
        await trio.sleep(self.takes)
        if self.fails.get(verb):
            raise self.fails[verb].pop(0)
        return self.handles.get(verb, Handle())

    def asked(self, verb: str) -> list[tuple[Any, ...]]:
        return [one[1:] for one in self.notes.asked if one[0] == verb]


class FakeCall:
    """A call that takes notes. `end` ends it, as its actors would."""

    def __init__(self) -> None:
        self.state = State()
        self.said: list[tuple[Any, ...]] = []

    def __getattr__(self, verb: str) -> Callable[..., None]:
        return lambda *arguments, **named: self.said.append((verb, *arguments, *named.values()))

    def finish(self, reason: str, by: By, how: How = How.COMPLETED) -> None:
        self.state = replace(self.state, reason=reason, by=by, how=how)


class FakeMedia:
    def __init__(self) -> None:
        self.waiting = False
        self.told: list[str] = []

    def rejoin(self, wire: Any, socket: Any) -> bool:
        taken, self.waiting = self.waiting, False
        return taken

    def answered(self) -> None:
        self.told.append("answered")


class FakeAccess:
    carrier, paths = "tel", ("/media",)

    def guard(self, visit: Visit, now: float) -> None: ...

    def knows(self, ticket: str) -> bool:
        return is_token(ticket, "fixed")

    def open(self, visit: Visit) -> Any: ...


class Rig:
    """`verbs`: what the carrier `tel` can do. Another one, `mute`, cannot be asked at all."""

    def __init__(
        self,
        *,
        verbs: str = "place answer reject hang_up transfer mute hold dtmf",
        agent: Mapping[str, Any] | None = None,
        channels: int = 0,
        rules: tuple[Rule, ...] = (),
        total: int = 10,
        times: Times | None = None,
    ) -> None:
        self.agents = {
            name: Agent.model_validate({"name": name, "limits": {"calls": 3}, **(agent or {})})
            for name in ("clinic", "shop")
        }
        self.exchange = Exchange(total, crashed=lambda call, error: None)
        self.tel = FakeCarrier("tel", verbs)
        self.store = MemoryStore()
        router = Router("clinic", (OurNumber(number=OURS, carrier="tel", agent="clinic", channels=channels),), rules)
        self.board = Switchboard(self, router, self.store, carriers={"tel": self.tel}, wall=self.wall, times=times)
        self.reception = Reception("tel", self.board, self.local)
        self.board.placed = self.reception.placed
        self.dialer = Dialer(self.board)
        self.clerk = Clerk(self.board, self.dialer, MemoryDirectory(trio.current_time))
        self.arrivals = Arrivals(self.board, {"tel": FakeAccess()}, self.local, self.exchange.refuse)
        self.began: float | None = None
        self.records: dict[str, list[Record]] = {}
        keep = self.store.keep

        def kept(record: Record) -> None:
            self.records.setdefault(record.id, []).append(record)
            keep(record)

        self.store.keep = kept  # type: ignore[method-assign]

    def wall(self) -> float:
        self.began = trio.current_time() if self.began is None else self.began
        return EPOCH + trio.current_time() - self.began

    def local(self) -> datetime:
        return datetime.fromtimestamp(self.wall(), UTC)

    def agent(self, name: str) -> Agent:
        if name not in self.agents:
            raise self.exchange.refuse("unknown-agent", 1003, f"there is no agent {name}")
        return self.agents[name]

    def closed(self, agent: str) -> str:
        figures = self.exchange.statistics()
        if figures.draining or figures.seats >= figures.total:
            return "draining" if figures.draining else "full"
        return "agent-full" if figures.agents.get(agent, 0) >= self.agents[agent].limits.calls else ""

    def refuse(self, reason: str, code: int, message: str) -> Refused:
        return self.exchange.refuse(reason, code, message)

    def seat(self, agent: str) -> Seat:
        return self.exchange.admit(self.agent(agent))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Rig]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.board.run)
            await nursery.start(self.dialer.run)
            yield self
            nursery.cancel_scope.cancel()

    # --------------------------------------------------------------------------------- what carriers do

    def offer(self, call: str = "c1", *, called: str = OURS, **more: Any) -> Any:
        return self.reception.offered(Offer(call, THEIRS, called, **more))

    def news(self, what: What, call: str = "c1", **more: Any) -> None:
        self.reception.told(News(what, call, **{"caller": THEIRS, "called": OURS, **more}))

    def media(self, *, ticket: str = "", call: str = "", carrier: str = "tel", **more: Any) -> tuple[Entry, FakeCall]:
        """A media socket comes in and its call begins. Raises `Refused`."""
        entry = self.arrivals.of(carrier, Started(call=call, ticket=ticket, **more))
        seat = entry.seat or self.board.seat(entry)
        fake = FakeCall()
        self.board.joined(entry, cast("Call", fake), cast("Any", Dialect()), FakeMedia())
        # What the exchange does when a call has ended.
        entry.parting.append(seat.release)
        return entry, fake

    def part(self, entry: Entry, call: FakeCall, reason: str, by: By, how: How = How.COMPLETED) -> None:
        call.finish(reason, by, how)
        self.board.parted(entry, cast("Call", call))

    def placed(self) -> Outgoing:
        """The last call that the carrier was asked to place."""
        outgoing = self.tel.asked("place")[-1][0]
        assert isinstance(outgoing, Outgoing)
        return outgoing


def seats(rig: Rig) -> int:
    return rig.exchange.statistics().seats


def refused(error: Refused) -> tuple[str, int]:
    return error.reason, error.code
