"""A whole house on real ports with every carrier set up, and phones of every dialect in it.

A test module has its phones play in one house at once (`perform`): what they heard and what the calls' records say is
kept, and the tests look at it.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import swift
import trio
from census import census, settled
from cloud import Cloud, bearer
from installed import TOKEN, agents, carriers
from links import WAITING, Link, Packets, WebSocket
from phone import Phone
from trio_websocket import ConnectionRejected, WebSocketConnection, wrap_client_stream

from bench.dialects import DIALECTS
from bench.dialects.port import Dialect, Handshake, Ring
from parlance import main
from parlance.actors.media.actor import MediaActor
from parlance.engine.call import Call
from parlance.engine.trace import CallEnded, Record, TraceEvent
from parlance.house import House
from parlance.office import wall
from parlance.settings import Settings

E = TypeVar("E", bound=TraceEvent)
LAST = "parlance.main._keep_watch"
"""What the house starts last."""
LONGEST = 20.0
"""Seconds of one play."""


class Watched(House):
    """A house whose calls can be looked into."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.traces: dict[str, list[Record]] = {}
        self.calls: dict[str, Call] = {}
        self.fed: dict[str, bytearray] = {}
        """What of each caller has reached the ear."""

    def call(self, *given: Any) -> tuple[Call, MediaActor]:
        call, media = super().call(*given)
        self.calls[call.id] = call
        fed, feed = self.fed.setdefault(call.id, bytearray()), media._feed

        def both(frame: bytes) -> None:
            fed.extend(frame)
            feed(frame)

        media._feed = both
        call.trace.sinks.append(self.traces.setdefault(call.id, []).append)
        return call, media


class Rejected(Exception):
    """A handshake was answered with another HTTP status than 101."""

    def __init__(self, error: Any) -> None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self.status: int = error.status_code
        super().__init__(f"{error.status_code} {error.body!r}")


@dataclass
class Hall:
    """The house, its ports, and the nursery that its phones live in."""

    house: Watched
    port: int
    audiosocket: int
    cloud: Cloud
    nursery: trio.Nursery
    count: int = field(default=0)

    def ring(self, name: str, agent: str = "brief", **changes: Any) -> Ring:
        """A call of that dialect, with the carrier's token."""
        self.count += 1
        signed = bearer(wall()) if name.startswith("acs") else ""
        return replace(Ring(f"{name}-{self.count}", agent, token=TOKEN, bearer=signed), **changes)

    async def link(self, dialect: Dialect, ring: Ring) -> Link:
        """An open socket that has said nothing. Raises `Rejected` for a handshake that is refused."""
        if dialect.stream:
            return Packets(await trio.open_tcp_stream("127.0.0.1", self.audiosocket))
        try:
            connection: WebSocketConnection = await self.nursery.start(self._open, dialect.handshake(ring))
        except* ConnectionRejected as rejected:
            raise Rejected(rejected.exceptions[0]) from None
        return WebSocket(connection)

    async def _open(self, shake: Handshake, *, task_status: trio.TaskStatus[WebSocketConnection]) -> None:
        """A connection in a nursery of its own, where trio-websocket's reader raises what a handshake is refused with.

        The stream is closed here: trio-websocket leaves it open where the server has closed first, or has refused.
        """
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        try:
            async with trio.open_nursery() as nursery:
                task_status.started(
                    await wrap_client_stream(
                        nursery,
                        stream,
                        f"127.0.0.1:{self.port}",
                        shake.path,
                        subprotocols=list(shake.subprotocols) or None,
                        extra_headers=[(name.encode(), value.encode()) for name, value in shake.headers],
                        message_queue_size=WAITING,
                    )
                )
        finally:
            await trio.aclose_forcefully(stream)

    async def dial(self, name: str, agent: str = "brief", **changes: Any) -> Phone:
        """A phone that has said its hello."""
        dialect = DIALECTS[name]()
        return await self.call(dialect, self.ring(name, agent, **changes))

    async def call(self, dialect: Dialect, ring: Ring) -> Phone:
        phone = Phone(dialect, ring)
        await self.connect(phone)
        return phone

    async def connect(self, phone: Phone) -> None:
        link = await self.link(phone.dialect, phone.ring)
        for message in phone.dialect.hello(phone.ring):
            await link.send(message)
        phone.serve(link, self.nursery)

    def events(self, phone: Phone) -> list[TraceEvent]:
        return [record.event for record in self.house.traces.get(phone.id, [])]

    def all(self, phone: Phone, kind: type[E]) -> list[E]:
        return [event for event in self.events(phone) if isinstance(event, kind)]

    async def answered(self, phone: Phone) -> Call:
        """The call, once it is there."""
        await phone.until(lambda: phone.id in self.house.calls)
        return self.house.calls[phone.id]

    async def ended(self, phone: Phone) -> None:
        await phone.until(lambda: self.all(phone, CallEnded))


@asynccontextmanager
async def hall(settings: Mapping[str, Any] | None = None) -> AsyncIterator[Hall]:
    cloud, audiosocket = Cloud(), free_port()
    made: list[Watched] = []

    def build(*given: Any, **named: Any) -> Watched:
        made.append(Watched(*given, **named))
        return made[-1]

    usual = vars(main)["House"]
    vars(main)["House"] = build
    bound: list[int] = []
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(cloud.run)
            chosen = Settings.model_validate(
                {
                    "port": 0,
                    "default_agent": "receptionist",
                    "public_url": "https://house.example",
                    "carriers": carriers(cloud, audiosocket),
                    # This machine is slower than the one the house is meant for.
                    "limits": {"lateness": 0},
                    **(settings or {}),
                    # Of pages nothing is asked here.
                    "media": {"open": True, **(settings or {}).get("media", {})},
                }
            )
            nursery.start_soon(partial(main.run, chosen, agents(), opened=lambda host, port: bound.append(port)))
            with trio.fail_after(20):
                while not (bound and made and made[0].ready and keys(made[0]) and census()[LAST]):
                    await trio.sleep(0.01)
            yield Hall(made[0], bound[0], audiosocket, cloud, nursery)
            nursery.cancel_scope.cancel()
    finally:
        vars(main)["House"] = usual


def keys(house: House) -> bool:
    """Whether Azure's have been fetched."""
    learner: Any = house.office.carriers["acs"].learners[0]
    return bool(learner._keys)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


Play = Callable[[Hall, str], Awaitable[Any]]


@dataclass
class Show:
    """What became of the plays, by play and dialect, and what was left afterwards."""

    results: dict[tuple[str, str], Any] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    def of(self, play: str, name: str) -> Any:
        """What this play returned; raises what it raised."""
        result = self.results[play, name]
        if isinstance(result, Exception):
            raise result
        return result


def perform(*acts: Mapping[str, tuple[Play, tuple[str, ...]]], settings: Mapping[str, Any] | None = None) -> Show:
    """Perform the acts one after another in one house, in each of them all plays on all their dialects at once."""
    show = Show()

    async def one(play: Play, house: Hall, key: tuple[str, str]) -> None:
        try:
            with trio.fail_after(LONGEST):
                show.results[key] = await play(house, key[1])
        except Exception as error:
            show.results[key] = error

    async def run() -> None:
        async with hall(settings) as house:
            before = census()
            for act in acts:
                async with trio.open_nursery() as nursery:
                    for title, (play, names) in act.items():
                        for name in names:
                            nursery.start_soon(one, play, house, (title, name))
            show.left = await settled(partial(remains, house, before))

    swift.run(run)
    return show


def remains(house: Hall, before: Counter[str]) -> Counter[str]:
    """What is there that was not there before."""
    figures = house.house.exchange.statistics()
    return (
        census() - before + Counter(seats=figures.seats, calls=figures.calls, known=len(house.house.office.board.index))
    )
