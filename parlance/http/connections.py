"""The open connections of the server: streams as Hypercorn wants them, whose writes end, and how all of them end."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import trio

WRITE = 10.0
"""Seconds one write may take before the peer counts as gone."""
CUT = 2.0
"""Seconds that cancelled connections have for their goodbyes before they are cut."""


class Line:
    """A stream as Hypercorn wants one, whose writes end: in time, or because the line was cut."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.seen = b""
        """What was read before Hypercorn had the connection."""
        self.socket = stream.socket
        self.send_eof = stream.send_eof
        self.aclose = stream.aclose

    async def receive_some(self, most: int | None = None) -> bytes:
        if self.seen:
            seen, self.seen = self.seen, b""
            await trio.lowlevel.checkpoint()
            return seen
        return bytes(await self._stream.receive_some(most))

    async def send_all(self, data: bytes) -> None:
        with trio.move_on_after(WRITE) as scope:
            await self._stream.send_all(data)
        if scope.cancelled_caught:
            self.cut()
            raise trio.BrokenResourceError(f"a write took more than {WRITE} s")

    def cut(self) -> None:
        """End the connection with a reset: what the peer did not read is thrown away."""
        if self.socket.fileno() != -1:
            with suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.close()


class Lines:
    """The open connections."""

    def __init__(self) -> None:
        self._open: set[Line] = set()
        self._empty = trio.Event()
        self._looks: set[trio.CancelScope] = set()

    @contextmanager
    def looking(self) -> Iterator[trio.CancelScope]:
        """Wait for what a connection wants, no longer than the server lives: who has said nothing yet wants nothing."""
        with trio.CancelScope() as scope:
            self._looks.add(scope)
            try:
                yield scope
            finally:
                self._looks.discard(scope)

    def stop_looking(self) -> None:
        for scope in self._looks:
            scope.cancel()

    def add(self, line: Line) -> None:
        self._open.add(line)

    def discard(self, line: Line) -> None:
        self._open.discard(line)
        if not self._open:
            self._empty.set()

    async def cut_when_cancelled(self) -> None:
        """Once cancelled, give what is open its time for goodbyes, and cut what has not ended by then."""
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(CUT, shield=True):
                while self._open:
                    self._empty = trio.Event()
                    await self._empty.wait()
            for line in tuple(self._open):
                line.cut()


@asynccontextmanager
async def connections(graceful: float) -> AsyncIterator[tuple[trio.Nursery, Lines]]:
    """A nursery for connections, and those it has. Leaving waits `graceful` for them, cancels, and then cuts."""
    lines = Lines()
    async with trio.open_nursery() as outer:
        outer.start_soon(lines.cut_when_cancelled)
        async with trio.open_nursery() as nursery:
            yield nursery, lines
            outer.cancel_scope.deadline = trio.current_time() + graceful
        outer.cancel_scope.cancel()
