"""A real Hypercorn on a free port of this machine, with a stub for what takes the calls."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trio
from trio_websocket import WebSocketConnection, connect_websocket_url

from parlance.actors.media.port import Socket, Started, Visit, Wire
from parlance.engine.agent import Agent
from parlance.engine.errors import LineError, LineGone, Refused
from parlance.http.app import Office, View, create
from parlance.http.door import Door
from parlance.http.gateway import Gateway, Route
from parlance.http.reactor import Reactor
from parlance.http.serve import serve


class StubWire:
    """Only its name is ever looked at here."""

    def __init__(self, carrier: str) -> None:
        self.carrier = carrier


async def echo(socket: Socket, wire: Wire, started: Started | None) -> None:
    while True:
        socket.send(await socket.receive())


def routes() -> list[Route]:
    def browser(visit: Visit) -> tuple[Any, Started | None]:
        if visit.path["agent_id"] == "nobody":
            raise LineError("there is no agent 'nobody'", code=1003)
        if visit.path["agent_id"] == "busy":
            raise Refused("all lines are taken", reason="full", code=1013)
        return StubWire(visit.query.get("format", "webm")), Started(agent=visit.path["agent_id"])

    def conversation(visit: Visit) -> tuple[Any, Started | None]:
        return StubWire("browser"), Started(visit.query["agent"])

    return [
        Route("/api/v1/media/twilio", lambda visit: (StubWire("twilio"), None)),  # type: ignore[arg-type, return-value]
        Route("/ws/voice-agent/{agent_id}", browser),
        Route("/api/v1/realtime/conversation", conversation),
    ]


RECEPTIONIST = Agent(name="receptionist", title="A clinic", greeting="Hello", prompt="secret", transfer="+1555")


@dataclass
class House:
    """The running server, and knobs for what it answers."""

    static: Path
    take: Callable[..., Any] = echo
    reason: str | None = None
    graceful: float = 5.0
    direct: bool = True
    """Media sockets through the reactor, and not through the ASGI server."""
    port: int = 0
    stop: trio.Event = field(default_factory=trio.Event)
    agents: dict[str, Agent] = field(default_factory=lambda: {"receptionist": RECEPTIONIST})
    office: Office | None = None
    routes: list[Route] = field(default_factory=routes)
    gateway: Gateway = field(init=False)

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def run(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        view = View(agents=self.agents, ready=lambda: self.reason, statistics=lambda: {"calls": 3})
        app = create(view, self.static, self.office)
        # The list stays the test's: what it adds is routed.
        self.gateway = gateway = Gateway(app.asgi_app, self._take, self.routes)
        app.asgi_app = gateway  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            door = None
            if self.direct:
                reactor = Reactor()
                await nursery.start(reactor.run)
                door = Door(gateway, reactor)
            await serve(
                app,
                host="127.0.0.1",
                port=0,
                graceful=self.graceful,
                stop=self.stop,
                door=door,
                task_status=task_status,
            )
            nursery.cancel_scope.cancel()

    async def _take(self, socket: Socket, wire: Wire, started: Started | None) -> bool:
        await self.take(socket, wire, started)
        return False

    @asynccontextmanager
    async def dial(self, path: str = "/api/v1/media/twilio", **options: Any) -> AsyncIterator[WebSocketConnection]:
        async with trio.open_nursery() as nursery:
            connection = await connect_websocket_url(nursery, f"ws://127.0.0.1:{self.port}{path}", **options)
            try:
                yield connection
            finally:
                with trio.move_on_after(2):
                    await connection.aclose()
                # trio-websocket leaves its TCP stream open when the server has closed first.
                await connection._stream.aclose()

    async def raw(self, path: str = "/api/v1/media/twilio", *, buffer: int = 0, headers: str = "") -> trio.SocketStream:
        """A bare TCP connection on which the handshake was done, and its response read."""
        bare = socket.socket()
        if buffer:
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        bare.setblocking(False)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(bare))
        await stream.socket.connect(("127.0.0.1", self.port))
        await stream.send_all(
            f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n".encode()
        )
        return stream

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("GET", path, **options)

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.http, trust_env=False) as client:
            return await client.request(method, path, **options)


async def response_head(stream: trio.SocketStream) -> str:
    """Exactly the head of an HTTP response: what follows it stays in the socket."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = await stream.receive_some(1)
        assert byte, head
        head += byte
    return head.decode()


async def ending(socket: Socket) -> LineGone:
    """Read until the other side has gone, and say how it went."""
    try:
        while True:
            await socket.receive()
    except LineGone as gone:
        return gone


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def living_tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def until(condition: Callable[[], bool], *, within: float = 3.0) -> None:
    """Wait for the far end of a real socket, which has no event here to wait for."""
    with trio.fail_after(within):
        while not condition():
            await trio.sleep(0.01)
