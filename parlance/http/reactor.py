"""The reactor: one task that reads every media socket of the process.

It has an epoll of its own, awaits that one's descriptor, and calls every socket that is ready: no task switch, no
channel and no timer for a frame. What a socket does with its bytes is in `direct`. Linux only: elsewhere media sockets
come through the ASGI server like any other.
"""

from __future__ import annotations

import logging
import select

import trio

from parlance.engine.watch import Watch
from parlance.http.direct import DirectSocket
from parlance.http.socket import CLOSING

log = logging.getLogger(__name__)

REST = 0.003
"""Seconds between two looks at many sockets: what comes meanwhile shares one wake-up, which costs more than reading a
frame does. It is on average half of that later for it, of the 20 ms that a frame itself took to be spoken."""
LAST = 4 * CLOSING
"""Seconds for the goodbyes of all sockets once the reactor is cancelled: a call's other actors end before its media."""
MANY = 8
"""Open sockets above which nobody waits for the next frame: with fifty a second from each there always is one."""


def possible() -> bool:
    """Whether this system has what the reactor stands on."""
    return hasattr(select, "epoll")


class Reactor:
    """Reads sockets while `run` runs. `watch` is told whose frames were slow to work on."""

    def __init__(self, watch: Watch | None = None) -> None:
        self._watch = watch
        self._epoll = select.epoll()
        self._sockets: dict[int, tuple[DirectSocket, int]] = {}
        self._empty = trio.Event()
        self.passes = 0
        self.reads = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read until cancelled; then go on for as long as closing sockets may take, so that they can say goodbye."""
        task_status.started()
        try:
            await self._read()
        finally:
            with trio.move_on_after(LAST, shield=True):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read)
                    while self._sockets:
                        self._empty = trio.Event()
                        await self._empty.wait()
                    nursery.cancel_scope.cancel()
            self._epoll.close()
            for socket, _ in tuple(self._sockets.values()):
                socket.drop()

    async def _read(self) -> None:
        while True:
            if len(self._sockets) > MANY:
                await trio.sleep(REST)
            else:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
            self._pass()

    def _pass(self) -> None:
        self.passes += 1
        watch = self._watch
        before = watch.clock() if watch is not None else 0.0
        for descriptor, events in self._epoll.poll(0):
            known = self._sockets.get(descriptor)
            if known is None:
                continue  # Closed by what another socket brought in this pass.
            self.reads += 1
            # One of the house's few broad excepts, at its edge: one socket's fault must not end all others.
            try:
                known[0].ready(events)
            except Exception as error:
                log.exception("the socket of %s failed", known[0].peer)
                known[0].fail(error)
            if watch is not None:
                after = watch.clock()
                if after - before > watch.slow:
                    watch.blame((known[0],), after - before)
                before = after

    def listen(self, socket: DirectSocket, events: int) -> None:
        """Call `socket.ready` on these of epoll's events from now on; 0 for none."""
        known = self._sockets.get(socket.descriptor)
        if self._epoll.closed or (known is not None and known[1] == events):
            return
        # Not registered at all for no event: epoll tells of a connection that was cut even to those who ask nothing.
        if known is None:
            if events:
                self._epoll.register(socket.descriptor, events)
        elif not events:
            self._epoll.unregister(socket.descriptor)
        elif known[1]:
            self._epoll.modify(socket.descriptor, events)
        else:
            self._epoll.register(socket.descriptor, events)
        self._sockets[socket.descriptor] = socket, events

    def forget(self, socket: DirectSocket) -> None:
        """No more calls. The socket must still be open."""
        known = self._sockets.pop(socket.descriptor, None)
        if known is not None and known[1] and not self._epoll.closed:
            self._epoll.unregister(socket.descriptor)
        if not self._sockets:
            self._empty.set()
