"""One media WebSocket over raw ASGI: what `actors.media.port.Socket` promises, kept with any ASGI server.

Sending never waits: messages go into a bounded queue that one writer task empties. Closing says goodbye, waits for the
other side's answer and ends in bounded time, even with a peer that has stopped reading. Leaving the context leaves no
task behind, nor an event unread on which the server could wait.

A server whose writes cannot be cancelled (Hypercorn shields them) must put a function under `ABORT` in the scope's
state: it cuts the connection at once, so that a blocked write ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import trio

from parlance.actors.media.port import Message
from parlance.engine.errors import LineGone, Stalled

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

ABORT = "parlance.abort"
"""Where a server puts its `Callable[[], None]` that cuts this connection."""

LATE = 1.0
"""Seconds the oldest queued message may wait before the socket counts as stalled."""
QUEUE = 2048
"""Messages queued at most: a bound for what is sent faster than the clock moves, far above a second of any call."""
CLOSING = 1.0
"""Seconds that closing may take, whatever the other side does."""
PARTING = 0.8
"""The part of it for flushing, the close frame and the other side's answer; the rest is for cutting the connection."""


def open_socket(scope: Scope, receive: Receive, send: Send) -> AbstractAsyncContextManager[AsgiSocket]:
    """The socket of an accepted ASGI WebSocket, while the context is open.

    Leaving the context closes it: 1000 in good order, 1011 after an error, 1001 when cancelled.
    """
    return AsgiSocket(scope, receive, send)


class AsgiSocket:
    """A `Socket`, and the context manager that owns its writer task."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        self.peer: str = f"{client[0]}:{client[1]}" if client else "unknown"
        self._receive = receive
        self._send = send
        self._abort: Callable[[], None] | None = (scope.get("state") or {}).get(ABORT)
        self._queue: deque[tuple[float, Message]] = deque()
        self._peak = 0
        self._dropped = 0
        self._wake = trio.Event()
        self._flushed = trio.Event()
        self._flushed.set()
        self._written = trio.Event()
        # Shielded, because a cancelled call still says goodbye; `close`, which ends it, always comes and is bounded.
        self._writing = trio.CancelScope(shield=True)
        self._reader: trio.CancelScope | None = None
        self._free = trio.Event()
        self._closing = False
        self._over = trio.Event()
        self._done = trio.Event()
        self._gone: LineGone | None = None
        self._nurseries: AbstractAsyncContextManager[trio.Nursery] = trio.open_nursery()

    async def __aenter__(self) -> AsgiSocket:
        nursery = await self._nurseries.__aenter__()
        nursery.start_soon(self._write)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close(_parting_code(error))
        finally:
            # The writer never raises, and has ended: the nursery is closed as one that went well, so that the user's
            # own error leaves the context as it is and not wrapped in a group.
            await self._nurseries.__aexit__(None, None, None)

    def statistics(self) -> dict[str, int]:
        """`queued` and its `peak`, and messages `dropped` because the other side had gone."""
        return {"queued": len(self._queue), "peak": self._peak, "dropped": self._dropped}

    # ------------------------------------------------------------------------------------------ in

    async def receive(self) -> Message:
        """The next message. Raises `LineGone` once the other side has gone or `close` was called.

        One task at a time: a second one gets `trio.BusyResourceError`.
        """
        while not self._closing:
            if self._gone is not None:
                raise again(self._gone)
            event = await self._next()
            if event is None:
                continue
            text = event.get("text")
            data: Message = text if text is not None else event["bytes"]
            return data
        await self._over.wait()
        raise again(self._gone or LineGone("the socket was closed on this side"))

    async def listen(self, hear: Callable[[Message], None]) -> None:
        """Call `hear` with every message from now on, until `LineGone` is raised."""
        while True:
            hear(await self.receive())

    async def _next(self) -> Event | None:
        """The server's next event; None if the other side has gone, or if `close` wants the reading for itself."""
        if self._reader is not None:
            raise trio.BusyResourceError("another task is receiving from this socket")
        try:
            with trio.CancelScope() as self._reader:
                event = await self._receive()
                if event["type"] == "websocket.disconnect":
                    self._vanish(event.get("code"), event.get("reason") or "")
                    return None
                return event
            return None
        finally:
            self._reader = None
            self._free.set()

    def _vanish(self, code: int | None, reason: str) -> None:
        if code in (None, 1006):
            text = f"{self.peer} dropped the line"
        else:
            text = f"{self.peer} closed the line ({f'{code} {reason}'.rstrip()})"
        self._gone = LineGone(text, code=code)
        self._dropped += len(self._queue)
        self._queue.clear()
        self._flushed.set()

    # ----------------------------------------------------------------------------------------- out

    def send(self, data: Message) -> None:
        """Queue a message; never waits. Raises `Stalled` when the oldest queued one is older than `LATE`."""
        if self._closing or self._gone is not None:
            self._dropped += 1
            return
        now = trio.current_time()
        if self._full(now):
            raise Stalled(
                f"{self.peer} does not read: {len(self._queue)} messages wait, the oldest for "
                f"{now - self._queue[0][0]:.1f} s"
            )
        if not self._queue:
            self._flushed = trio.Event()
        self._queue.append((now, data))
        self._peak = max(self._peak, len(self._queue))
        self._wake.set()

    def _full(self, now: float) -> bool:
        return bool(self._queue) and (now - self._queue[0][0] > LATE or len(self._queue) >= QUEUE)

    async def _write(self) -> None:
        try:
            with self._writing:
                while True:
                    while not self._queue:
                        self._flushed.set()
                        self._wake = trio.Event()
                        await self._wake.wait()
                    # It stays in the queue, and ages there, until the server has taken it.
                    data = self._queue[0][1]
                    kind = "text" if isinstance(data, str) else "bytes"
                    await self._pass_on({"type": "websocket.send", kind: data})
                    if self._queue:
                        self._queue.popleft()
        finally:
            self._written.set()

    async def _pass_on(self, event: Event) -> None:
        try:
            await self._send(event)
        except OSError:
            # Since ASGI 2.4 a server says so when the other side has gone; Hypercorn drops silently.
            if self._gone is None:
                self._vanish(None, "")

    # --------------------------------------------------------------------------------------- close

    async def over(self) -> None:
        """Wait until the socket has been closed on this side, or dropped."""
        await self._done.wait()

    def drop(self) -> None:
        """The call has ended: if nobody has closed the socket, leaving the context does."""
        self._done.set()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued, say goodbye, wait for the answer; then cut. `CLOSING` at most. Twice is allowed."""
        if self._closing:
            with trio.CancelScope(shield=True):
                await self._over.wait()
            return
        self._closing = True
        try:
            with trio.move_on_after(CLOSING, shield=True):
                await self._close(code, reason)
        finally:
            self._over.set()
            self._done.set()

    async def _close(self, code: int, reason: str) -> None:
        parted = False
        with trio.move_on_after(PARTING):
            if not self._full(trio.current_time()):
                await self._flushed.wait()
                self._writing.cancel()
                await self._written.wait()
                if self._gone is None:
                    await self._pass_on({"type": "websocket.close", "code": code, "reason": shorten(reason)})
                parted = True
                await self._drain()
        self._writing.cancel()
        with trio.move_on_after((CLOSING - PARTING) / 2):
            await self._written.wait()
        # A write that the server shields ends only when its connection does. A peer that has read everything and does
        # not answer is left to the server, which loses nothing that is still on its way.
        if self._abort is not None and not (parted and self._written.is_set()):
            self._abort()
            await self._drain()
            await self._written.wait()

    async def _drain(self) -> None:
        """Read until the other side has gone, so that the server's reader never waits for a queue nobody empties."""
        while self._gone is None:
            if self._reader is not None:
                self._free = trio.Event()
                self._reader.cancel()
                await self._free.wait()
            else:
                await self._next()


def again(gone: LineGone) -> LineGone:
    """A fresh exception each time: one that is raised twice would carry the first one's traceback."""
    return LineGone(str(gone), code=gone.code)


def _parting_code(error: BaseException | None) -> int:
    if error is None:
        return 1000
    return 1011 if isinstance(error, Exception) else 1001


def shorten(reason: str) -> str:
    """`reason` cut to the 123 bytes that a close frame has room for (RFC 6455, section 5.5), at a character."""
    return reason.encode()[:123].decode("utf-8", "ignore")
