"""The exchange: which calls are on the line, how many more may be, and how the house is emptied.

Capacity is taken before a call is answered, in one step that cannot be interrupted, so that more calls than
there are seats are refused and counted, and never degrade those that are on the line. A call runs in the
exchange's nursery and not in its connection's task: what it does to end well does not depend on who brought
it. What a call does is not known here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Protocol

import trio

from parlance.engine.agent import Agent
from parlance.engine.errors import Refused

AGAIN_LATER = 1013
"""WebSocket close code "try again later" (IANA registry of WebSocket close codes)."""
SERVICE_RESTART = 1012
"""WebSocket close code "service restart" (same registry)."""


class Placed(Protocol):
    """What the exchange wants of a call."""

    @property
    def id(self) -> str:
        """Its name, different from all others'."""

    @property
    def agent(self) -> str:
        """The name of the agent that takes it."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The whole call."""

    def drain(self) -> None:
        """Ask it to end in good order, because the house closes. Nothing, if it ends already."""


class Seat:
    """Capacity for one call. It is given back exactly once, however often that is asked for.

    Until the call is placed the seat is its holder's to give back: `with exchange.admit(agent) as seat: ...`.
    From then on it goes back when the call has ended and not before, whatever its holder does.
    """

    def __init__(self, agent: str, give_back: Callable[[], None]) -> None:
        self.agent = agent
        self._give_back: Callable[[], None] | None = give_back
        self._placed = False

    @property
    def held(self) -> bool:
        """Whether it still takes up capacity."""
        return self._give_back is not None

    def release(self) -> None:
        """Give the seat back, unless a call sits in it or it was given back before."""
        if not self._placed:
            self._free()

    def __enter__(self) -> Seat:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _take(self) -> None:
        if self._placed or self._give_back is None:
            raise ValueError("this seat is taken or was given back: admit() gives one seat for one call")
        self._placed = True

    def _free(self) -> None:
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of the calls that were on the line when draining began; `living` are left although cancelled."""

    ended: int
    closed: int
    cancelled: int
    living: int


@dataclass(frozen=True, slots=True)
class ExchangeStatistics:
    """`seats`: capacity taken, by calls on the line and by those about to be placed; `peak` is of seats."""

    total: int
    seats: int
    calls: int
    agents: Mapping[str, int]
    peak: int
    admitted: int
    refused: Mapping[str, int]
    crashed: int
    draining: bool


class Exchange:
    """Up to `total` calls at once, of each agent up to its own limit.

    `crashed` is told of a call that raised, after which that call is over and all others go on; it must
    neither wait nor raise. `patience`: seconds for which a cancelled waiter of `place` waits for its call to
    be gone.
    """

    def __init__(self, total: int, *, crashed: Callable[[Placed, BaseException], None], patience: float = 5.0) -> None:
        if total < 1:
            raise ValueError(f"an exchange must be able to take a call: total is {total}, must be at least 1")
        self._total = total
        self._tell = crashed
        self._patience = patience
        self._nursery: trio.Nursery | None = None
        self._calls: dict[str, Placed] = {}
        self._scopes: dict[str, trio.CancelScope] = {}
        self._seats: Counter[str] = Counter()
        self._taken = self._peak = self._admitted = self._ended = self._crashes = 0
        self._refused: Counter[str] = Counter()
        self._draining = self._closing = self._ran = False
        self._freed = trio.lowlevel.ParkingLot()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep calls until cancelled; then cancel them all, wait for them, and take no more, ever.

        One that was drained before it ran, by a program told to end while it starts, runs and takes none.
        """
        if self._ran:
            raise RuntimeError("this exchange runs already, or was closed: make a new one")
        self._ran = True
        try:
            async with trio.open_nursery() as self._nursery:
                try:
                    task_status.started()
                    await trio.sleep_forever()
                finally:
                    self._draining = self._closing = True
                    for scope in self._scopes.values():
                        scope.cancel()
        finally:
            self._nursery = None

    def admit(self, agent: Agent) -> Seat:
        """Take capacity for a call of `agent`.

        Raises `errors.Refused` with reason `draining`, `full` or `agent-full`.
        """
        name, limit = agent.name, agent.limits.calls
        if self._draining:
            raise self.refuse("draining", SERVICE_RESTART, "no more calls are taken: this server is going down")
        if self._taken >= self._total:
            raise self.refuse("full", AGAIN_LATER, f"all {self._total} lines are taken: try again later")
        if self._seats[name] >= limit:
            raise self.refuse("agent-full", AGAIN_LATER, f"agent {name} has its {limit} calls: try again later")
        self._admitted += 1
        self._seats[name] += 1
        self._taken += 1
        self._peak = max(self._peak, self._taken)
        return Seat(name, lambda: self._give_back(name))

    def refuse(self, reason: str, code: int, message: str) -> Refused:
        """The error to raise for a call that is not taken, counted under `reason`: also for reasons of others."""
        self._refused[reason] += 1
        return Refused(message, reason=reason, code=code)

    def put(self, seat: Seat, call: Placed, *, ended: Callable[[], None]) -> None:
        """Run `call` in `seat`; `ended` is called when it has ended, well or not. It must neither wait nor raise.

        An error of the call is told to `crashed`. Raises `errors.Refused` (reason `draining`; the seat is free again)
        where it is too late for a call to begin, and ValueError for a seat that is not free, of another agent, or an
        id that is on the line.
        """
        if self._closing:
            seat.release()
            raise self.refuse("draining", SERVICE_RESTART, "no call can begin now: this server is going down")
        if self._nursery is None:
            raise RuntimeError("no call can be placed before the exchange runs")
        if call.id in self._calls:
            raise ValueError(f"call {call.id} is on the line already: every call needs an id of its own")
        if call.agent != seat.agent:
            raise ValueError(f"call {call.id} is for agent {call.agent}, the seat is for {seat.agent}")
        seat._take()
        self._calls[call.id] = call
        # Shielded, so that a cancellation can only be ours, and what the call raises meanwhile is seen as its error.
        self._scopes[call.id] = scope = trio.CancelScope(shield=True)
        self._nursery.start_soon(self._keep, seat, call, scope, ended, name=f"call {call.id}")

    async def place(self, seat: Seat, call: Placed) -> None:
        """`put`, and wait until the call has ended.

        If we are cancelled the call is cancelled too, and we wait for it `patience` seconds at most.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        ended = trio.Event()
        self.put(seat, call, ended=ended.set)
        scope = self._scopes[call.id]
        try:
            await ended.wait()
        finally:
            if not ended.is_set():
                scope.cancel()
                with trio.move_on_after(self._patience, shield=True):
                    await ended.wait()

    async def drain(self, limit: float, *, grace: float = 5.0) -> Drained:
        """Empty the house: admit no more, and wait `limit` seconds for the calls to end by themselves.

        Then ask those that are left to end, and after `grace` seconds cancel what still lives. A seat that
        was taken before may still be used until the limit. Takes no longer than `limit` + 2 * `grace`.
        """
        self._draining = True
        before = self._ended
        with trio.move_on_after(limit):
            while self._taken:
                await self._freed.park()
        ended = self._ended - before
        self._closing = True
        asked = len(self._calls)
        for call in list(self._calls.values()):
            self._ask_to_end(call)
        with trio.move_on_after(grace):
            await self._nobody()
        left = len(self._calls)
        for scope in self._scopes.values():
            scope.cancel()
        with trio.move_on_after(grace):
            await self._nobody()
        return Drained(ended=ended, closed=asked - left, cancelled=left, living=len(self._calls))

    @property
    def calls(self) -> Mapping[str, Placed]:
        """The calls on the line by id: a view, which changes as they come and go."""
        return MappingProxyType(self._calls)

    def get(self, id: str) -> Placed | None:
        """The call of that id, if it is on the line."""
        return self._calls.get(id)

    def statistics(self) -> ExchangeStatistics:
        """Figures of this moment."""
        return ExchangeStatistics(
            total=self._total,
            seats=self._taken,
            calls=len(self._calls),
            agents=dict(self._seats),
            peak=self._peak,
            admitted=self._admitted,
            refused=dict(self._refused),
            crashed=self._crashes,
            draining=self._draining,
        )

    async def _keep(self, seat: Seat, call: Placed, scope: trio.CancelScope, ended: Callable[[], None]) -> None:
        # One of the house's few broad excepts: a call that crashes must not end the others.
        try:
            with scope:
                await call.run()
        except Exception as error:
            self._crash(call, error)
        finally:
            del self._calls[call.id], self._scopes[call.id]
            self._ended += 1
            seat._free()
            ended()

    def _ask_to_end(self, call: Placed) -> None:
        # The same broad except: a call that cannot even be asked is cancelled, and the others are asked.
        try:
            call.drain()
        except Exception as error:
            self._crash(call, error)
            self._scopes[call.id].cancel()

    def _crash(self, call: Placed, error: Exception) -> None:
        self._crashes += 1
        self._tell(call, error)

    async def _nobody(self) -> None:
        while self._calls:
            await self._freed.park()

    def _give_back(self, name: str) -> None:
        self._taken -= 1
        self._seats[name] -= 1
        if not self._seats[name]:
            del self._seats[name]
        self._freed.unpark_all()
