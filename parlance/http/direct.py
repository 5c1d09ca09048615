"""One carrier's media WebSocket that the reactor reads: what `actors.media.port.Socket` promises, without a task.

The bytes go from the kernel through websockets' sans-IO protocol to `hear` in one call, and what is sent goes straight
to the kernel. Only what the kernel does not take waits here, in order and for a bounded time. Closing says goodbye,
waits for the other side's answer and ends in bounded time.
"""

from __future__ import annotations

import select
import socket as sockets
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import trio
from websockets.server import ServerProtocol

from parlance.actors.media.port import Message
from parlance.engine.errors import LineGone, Stalled
from parlance.http.messages import Messages
from parlance.http.socket import CLOSING, LATE, PARTING, QUEUE, again, shorten

CHUNK = 4096
"""Bytes read from one socket before the next one has its turn: a dozen of a carrier's messages."""
EMPTY, BURST = 10.0, 50.0
"""Control frames and empty fragments that a peer may send in a second, and at once: pings come once in seconds."""
EARLY = 32
"""Messages kept for who has not come to `receive` them; then the socket is not read, and the peer feels it."""


class Reactor(Protocol):
    """What a socket wants of what reads it."""

    def listen(self, socket: DirectSocket, events: int) -> None:
        """Call `ready` on these of epoll's events from now on; 0 for none."""

    def forget(self, socket: DirectSocket) -> None:
        """No more calls."""


class DirectSocket:
    """A `Socket` after its handshake; `protocol` has accepted it. It closes `raw`, a non-blocking socket."""

    def __init__(self, raw: sockets.socket, peer: str, protocol: ServerProtocol, reactor: Reactor) -> None:
        self.peer = peer
        self.descriptor = raw.fileno()
        self._raw, self._reactor = raw, reactor
        self._messages = Messages(protocol, peer, self._arrive)
        self._hear: Callable[[Message], None] | None = None
        self._inbox: deque[Message] = deque()
        self._arrived = trio.Event()
        self._receiving = False
        self._queue: deque[tuple[float, bytes]] = deque()
        self._peak = 0
        self._dropped = 0
        self._flushed = trio.Event()
        self._flushed.set()
        self._closing = False
        self._left = trio.Event()
        """Set once nobody wants more: the other side has gone or broke the protocol, or `hear` has failed."""
        self._ended = trio.Event()
        """Set once nothing more can come."""
        self._fault: Exception | None = None
        self._finished = False
        """The protocol has said its last word: after what waits, the end is to be sent."""
        self._empty = self._emptied = 0.0
        self._over = trio.Event()
        reactor.listen(self, select.EPOLLIN)

    def statistics(self) -> dict[str, int]:
        """`queued` and its `peak`, and messages `dropped` because the other side had gone."""
        return {"queued": len(self._queue), "peak": self._peak, "dropped": self._dropped}

    # ------------------------------------------------------------------------------------------ in

    def ready(self, events: int) -> None:
        """The kernel has something for this socket, or room for what it has."""
        if events & select.EPOLLOUT:
            self._flush()
        if events & ~select.EPOLLOUT and not self._ended.is_set():
            self._read()

    def early(self, data: bytes) -> None:
        """What came in one segment with the handshake."""
        if data:
            self._feed(data)

    def _read(self) -> None:
        try:
            data = self._raw.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        messages = self._messages
        messages.feed(data)
        if messages.empty:
            self._bound(messages.empty)
            messages.empty = 0
        # Answers to pings and to a close frame, and the close frame for a peer that broke the protocol.
        for answer in messages.outgoing():
            self._put(answer)
        if messages.gone is not None:
            self._leave()

    def _bound(self, count: int) -> None:
        """Frames that bring nothing cost their sender little, and us an answer: a flood of them ends the socket."""
        now = trio.current_time()
        self._empty = max(0.0, self._empty - (now - self._emptied) * EMPTY) + count
        self._emptied = now
        if self._empty > BURST:
            self._messages.refuse("sent too many empty frames", 1008)

    def _arrive(self, message: Message) -> None:
        if self._closing or self._left.is_set():
            return
        if self._hear is None:
            self._inbox.append(message)
            self._arrived.set()
            if len(self._inbox) >= EARLY:
                self._watch()
            return
        # One of the house's few broad excepts, at its edge: a fault in one call must not end the reactor, and with it
        # every other call. `listen` raises it where the call is supervised.
        try:
            self._hear(message)
        except Exception as error:
            self._fault = error
            self._leave()

    def _leave(self) -> None:
        if self._messages.over:
            self._ended.set()
        self._left.set()
        self._arrived.set()
        self._watch()

    def _lose(self) -> None:
        """The kernel says that the connection is no more."""
        self._messages.over = True
        self._messages.lose()
        self._leave()

    async def receive(self) -> Message:
        """The next message. Raises `LineGone` once the other side has gone or `close` was called.

        One task at a time: a second one gets `trio.BusyResourceError`. Not after `listen`.
        """
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this socket")
        self._receiving = True
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            while not self._inbox:
                if self._left.is_set() or self._closing:
                    await self._end()
                self._arrived = trio.Event()
                await self._arrived.wait()
            message = self._inbox.popleft()
            if len(self._inbox) == EARLY - 1:
                self._watch()
            return message
        finally:
            self._receiving = False

    async def listen(self, hear: Callable[[Message], None]) -> None:
        """Call `hear` with every message from now on, until `LineGone` is raised, or what `hear` raised."""
        while self._inbox:
            hear(self._inbox.popleft())
        self._hear = hear
        self._watch()
        await self._left.wait()
        await self._end()

    async def _end(self) -> None:
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        if self._messages.gone is None:
            await self._over.wait()
        raise again(self._messages.gone or LineGone("the socket was closed on this side"))

    # ----------------------------------------------------------------------------------------- out

    def send(self, data: Message) -> None:
        """Send a message; never waits. Raises `Stalled` when the oldest that still waits is older than `LATE`."""
        messages = self._messages
        if self._closing or not messages.open:
            self._dropped += 1
            return
        if self._queue:
            now = trio.current_time()
            if now - self._queue[0][0] > LATE or len(self._queue) >= QUEUE:
                raise Stalled(
                    f"{self.peer} does not read: {len(self._queue)} messages wait, the oldest for "
                    f"{now - self._queue[0][0]:.1f} s"
                )
        messages.pack(data)
        for part in messages.outgoing():
            self._put(part)

    def _put(self, data: bytes) -> None:
        """To the kernel, or behind what waits for it. Empty data is the protocol's word for the end."""
        if not data:
            self._finished = True
            self._finish()
            return
        if len(self._queue) > QUEUE:
            self._lose()
            return
        if not self._queue:
            try:
                data = data[self._raw.send(data) :]
            except BlockingIOError:
                pass
            except OSError:
                self._lose()
                return
            if not data:
                return
        self._flushed = trio.Event() if self._flushed.is_set() else self._flushed
        self._queue.append((trio.current_time(), data))
        self._peak = max(self._peak, len(self._queue))
        self._watch()

    def _finish(self) -> None:
        if self._finished and not self._queue:
            with suppress(OSError):
                self._raw.shutdown(sockets.SHUT_WR)

    def _flush(self) -> None:
        try:
            while self._queue:
                at, data = self._queue[0]
                left = data[self._raw.send(data) :]
                if left:
                    self._queue[0] = (at, left)
                    return
                self._queue.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._dropped += len(self._queue)
            self._queue.clear()
            self._lose()
        self._flushed.set()
        self._finish()
        self._watch()

    def _watch(self) -> None:
        """Tell the reactor what to look for now."""
        if self._over.is_set():
            return
        events = 0
        # While closing it is read to its end: closing over unread data would be a reset, which takes our goodbye along.
        if not self._ended.is_set() and (self._closing or (len(self._inbox) < EARLY and not self._left.is_set())):
            events |= select.EPOLLIN
        if self._queue:
            events |= select.EPOLLOUT
        self._reactor.listen(self, events)

    # --------------------------------------------------------------------------------------- close

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what waits, say goodbye, wait for the answer; then cut. `CLOSING` at most. Twice is allowed."""
        if not self._closing:
            self._closing = True
            self._arrived.set()
            try:
                with trio.move_on_after(CLOSING, shield=True):
                    await self._part(code, reason)
            finally:
                self._cut()
        else:
            with trio.CancelScope(shield=True):
                await self._over.wait()

    async def _part(self, code: int, reason: str) -> None:
        with trio.move_on_after(PARTING):
            self._watch()
            await self._flushed.wait()
            if self._messages.open:
                self._messages.bid_farewell(code, shorten(reason))
            for part in self._messages.outgoing():
                self._put(part)
            await self._flushed.wait()
            await self._ended.wait()

    def drop(self) -> None:
        """The call has ended: if nobody has closed the socket, it is cut."""
        if not self._over.is_set():
            self._closing = True
            self._cut()

    def fail(self, error: Exception) -> None:
        """Reading has failed by a fault of ours: `listen` raises it, and nothing more is read."""
        self._fault = self._fault or error
        self._ended.set()
        self._leave()

    def _cut(self) -> None:
        """End the connection. What the kernel has taken still goes out, unless there is more that it did not take."""
        try:
            self._reactor.forget(self)
            if self._queue:
                self._dropped += len(self._queue)
                self._queue.clear()
                with suppress(OSError):
                    self._raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        finally:
            self._raw.close()
            self._left.set()
            self._arrived.set()
            self._over.set()
