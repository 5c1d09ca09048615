"""The door for AudioSocket: a TCP listener whose connections are media sockets, and one such connection.

There is no handshake and no buffer on the other side: what Asterisk gets, it plays at once. So each connection has a
writer that sends a packet of audio when the one before has been heard, and what still waits can be thrown away.
Sending never waits; closing takes bounded time, whatever the other side does.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType

import trio

from parlance.actors.media.asterisk.audiosocket import CLEAR, Pacer, Packets, duration
from parlance.actors.media.port import Message, Started, Wire
from parlance.actors.media.webhook import Denied
from parlance.engine.errors import LineError, LineGone, Refused, Stalled
from parlance.http.gateway import Take
from parlance.http.serve import listen
from parlance.http.socket import CLOSING, LATE, PARTING, QUEUE, again

log = logging.getLogger(__name__)

Make = Callable[[str], tuple[Wire, Started | None]]
"""The dialect for a connection from this address (with its port). Raises `Denied` for one that is not taken."""

CHUNK = 4096
"""Bytes read at once: a dozen packets."""


async def serve(
    take: Take, make: Make, *, host: str, port: int, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Take connections until cancelled, which cuts the calls that still have one: cancel it when they have ended.

    Reports the bound port, which matters when `port` is 0. Raises `Misconfigured` when the address cannot be had.
    """
    listeners = await listen(host, port)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, partial(_connection, take, make), listeners))
        task_status.started(listeners[0].socket.getsockname()[1])


async def _connection(take: Take, make: Make, stream: trio.SocketStream) -> None:
    try:
        peer = "{}:{}".format(*stream.socket.getpeername()[:2])
        wire, started = make(peer)
    except OSError:
        return  # The other side has gone already.
    except Denied as denied:
        log.info("an AudioSocket connection is refused: %s", denied)
        return
    try:
        async with PacketSocket(stream, peer) as socket:
            if await take(socket, wire, started):
                await socket.over()
    except (LineError, Refused) as refusal:
        log.info("an AudioSocket connection from %s is refused: %s", peer, refusal)
    except LineGone:
        pass
    except Exception:
        # The edge of the house: a fault in one call must not reach the listener, and so every other call.
        log.exception("a call from %s failed", peer)


class PacketSocket:
    """A `Socket` whose messages are packets, and the context manager that owns its writer task.

    The text `CLEAR` throws away the audio that waits; no other text is sent.
    """

    def __init__(self, stream: trio.SocketStream, peer: str) -> None:
        self.peer = peer
        self._stream = stream
        self._packets = Packets()
        self._inbox: deque[bytes] = deque()
        self._pacer = Pacer()
        self._queue: deque[tuple[float, bytes]] = deque()
        self._peak = 0
        self._dropped = 0
        self._sending = False
        """The first one in the queue is on its way."""
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

    async def __aenter__(self) -> PacketSocket:
        nursery = await self._nurseries.__aenter__()
        nursery.start_soon(self._write)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close()
        finally:
            # The writer never raises, and has ended: the user's own error leaves the context as it is.
            await self._nurseries.__aexit__(None, None, None)

    def statistics(self) -> dict[str, int]:
        """`queued` and its `peak`, and messages `dropped` because of a `CLEAR` or because the other side had gone."""
        return {"queued": len(self._queue), "peak": self._peak, "dropped": self._dropped}

    # ------------------------------------------------------------------------------------------ in

    async def receive(self) -> Message:
        """The next packet. Raises `LineGone` once the other side has gone or `close` was called.

        One task at a time: a second one gets `trio.BusyResourceError`.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._closing:
            if self._inbox:
                return self._inbox.popleft()
            if self._gone is not None:
                raise again(self._gone)
            self._inbox.extend(self._packets.feed(await self._read()))
        await self._over.wait()
        raise again(self._gone or LineGone("the socket was closed on this side"))

    async def listen(self, hear: Callable[[Message], None]) -> None:
        """Call `hear` with every packet from now on, until `LineGone` is raised."""
        while True:
            hear(await self.receive())

    async def _read(self) -> bytes:
        """What has come; empty if the other side has gone, or if `close` wants the reading for itself."""
        if self._reader is not None:
            raise trio.BusyResourceError("another task is receiving from this socket")
        try:
            with trio.CancelScope() as self._reader:
                try:
                    data = bytes(await self._stream.receive_some(CHUNK))
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    data = b""
                if not data:
                    self._vanish()
                return data
            return b""
        finally:
            self._reader = None
            self._free.set()

    def _vanish(self) -> None:
        if self._gone is None:
            self._gone = LineGone(f"{self.peer} closed the line")
        self._dropped += len(self._queue)
        self._queue.clear()
        self._flushed.set()

    # ----------------------------------------------------------------------------------------- out

    def send(self, data: Message) -> None:
        """Queue a packet; never waits. Raises `Stalled` when one should have gone more than `LATE` ago."""
        if self._closing or self._gone is not None:
            self._dropped += 1
            return
        if isinstance(data, str):
            if data == CLEAR:
                self._clear()
            return
        now = trio.current_time()
        if self._stuck(now):
            raise Stalled(f"{self.peer} does not read: {len(self._queue)} packets wait")
        if self._flushed.is_set():
            self._flushed = trio.Event()
        self._queue.append((now, data))
        self._peak = max(self._peak, len(self._queue))
        self._wake.set()

    def _stuck(self, now: float) -> bool:
        if not self._queue:
            return False
        return len(self._queue) >= QUEUE or now - max(self._pacer.due, self._queue[0][0]) > LATE

    def _clear(self) -> None:
        kept = deque(item for n, item in enumerate(self._queue) if (n == 0 and self._sending) or not duration(item[1]))
        self._dropped += len(self._queue) - len(kept)
        self._queue = kept

    async def _write(self) -> None:
        try:
            with self._writing:
                while True:
                    while not self._queue:
                        self._flushed.set()
                        self._wake = trio.Event()
                        await self._wake.wait()
                    queued, data = self._queue[0]
                    wait = self._pacer.wait(queued, trio.current_time())
                    if wait > 0:
                        # The queue may be another one afterwards.
                        await trio.sleep(wait)
                    else:
                        await self._pass_on(data)
        finally:
            self._written.set()

    async def _pass_on(self, data: bytes) -> None:
        """A packet goes in one piece: Asterisk does not find together a header that comes in two."""
        self._sending = True
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._vanish()
        finally:
            self._sending = False
        if self._queue:
            self._queue.popleft()
        self._pacer.sent(duration(data))

    # --------------------------------------------------------------------------------------- close

    async def over(self) -> None:
        """Wait until the socket has been closed on this side, or dropped."""
        await self._done.wait()

    def drop(self) -> None:
        """The call has ended: if nobody has closed the socket, leaving the context does."""
        self._done.set()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued, at its pace, then end; cut after `CLOSING`. AudioSocket has no words for a reason."""
        if self._closing:
            with trio.CancelScope(shield=True):
                await self._over.wait()
            return
        self._closing = True
        try:
            with trio.move_on_after(CLOSING, shield=True):
                await self._part()
        finally:
            self._writing.cancel()
            with trio.CancelScope(shield=True):
                await self._written.wait()
                await trio.aclose_forcefully(self._stream)
            self._over.set()
            self._done.set()

    async def _part(self) -> None:
        with trio.move_on_after(PARTING):
            if not self._stuck(trio.current_time()):
                await self._flushed.wait()
        self._writing.cancel()
        await self._written.wait()
        try:
            await self._stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        # Closing over unread data would be a reset, which takes our goodbye along.
        while self._gone is None:
            if self._reader is not None:
                self._free = trio.Event()
                self._reader.cancel()
                await self._free.wait()
            else:
                await self._read()
