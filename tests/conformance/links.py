"""A phone's socket: a WebSocket, or TCP with AudioSocket's packets. What the other side's closing said is kept."""

from __future__ import annotations

from typing import Protocol

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from bench.dialects.port import Message

CLOSING = 2.0
"""Seconds for a closing handshake."""
WAITING = 100_000
"""Messages that may wait to be taken. Where there is no room for one, trio-websocket's reader waits for it, also when
its stream has been closed and nobody will ever take them: a task that is left for good.
"""


class Link(Protocol):
    stream: trio.SocketStream
    code: int | None
    reason: str

    async def send(self, message: Message) -> None:
        """Sends nothing more once the line is down."""

    async def receive(self) -> Message | None:
        """The next message; None: the line is down."""

    async def close(self) -> None:
        """In good order, as far as there is one."""


class WebSocket:
    def __init__(self, connection: WebSocketConnection) -> None:
        self._connection = connection
        self.stream: trio.SocketStream = connection._stream
        self.code: int | None = None
        self.reason = ""
        self._closing = False
        self._closed = trio.Event()

    async def send(self, message: Message) -> None:
        try:
            await self._connection.send_message(message)
        except ConnectionClosed:
            await trio.lowlevel.checkpoint()

    async def receive(self) -> Message | None:
        try:
            message: Message = await self._connection.get_message()
        except ConnectionClosed as closed:
            if closed.reason is not None:
                self.code, self.reason = closed.reason.code, closed.reason.reason or ""
            if self._closing:
                # Nobody may close the stream before the handshake is done: over unread audio that would be a reset.
                await self._closed.wait()
            return None
        return message

    async def close(self) -> None:
        self._closing = True
        with trio.move_on_after(CLOSING):
            await self._connection.aclose(1000, "")
        self._closed.set()
        await trio.aclose_forcefully(self.stream)


class Packets:
    """`code` stays None: TCP has none."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.code: int | None = None
        self.reason = ""
        self._rest = b""
        self._sending = trio.Lock()

    async def send(self, message: Message) -> None:
        assert isinstance(message, bytes)
        try:
            async with self._sending:
                await self.stream.send_all(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.lowlevel.checkpoint()

    async def receive(self) -> Message | None:
        while True:
            if len(self._rest) >= 3:
                size = 3 + int.from_bytes(self._rest[1:3], "big")
                if len(self._rest) >= size:
                    packet, self._rest = self._rest[:size], self._rest[size:]
                    return packet
            try:
                some = await self.stream.receive_some(65536)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                some = b""
            if not some:
                await self.stream.aclose()
                return None
            self._rest += bytes(some)

    async def close(self) -> None:
        await self.stream.aclose()
