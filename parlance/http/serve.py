"""Hypercorn on Trio: the listening sockets, each connection's bounds, and the end of all of them.

This file and `mend` are the only ones that know which ASGI server runs, and where it needs help. `hypercorn.trio.serve`
shields every socket write from cancellation and lets an error in one connection end the server: a peer that never
reads would hold its task, and the shutdown, for ever. So the accept loop is ours, and each connection gets a stream
whose writes have a deadline and which can be cut.
"""

from __future__ import annotations

import errno
import logging
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, cast

import h2.exceptions
import h11
import trio
import wsproto.utilities
from hypercorn.config import Config
from hypercorn.events import Event, Updated
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper
from hypercorn.utils import wrap_app

from parlance.engine.errors import Misconfigured
from parlance.http.connections import CUT, Line, Lines, connections
from parlance.http.door import Door, Handshake
from parlance.http.mend import MESSAGE, App, mended
from parlance.http.share import Queue, Turnstile
from parlance.http.socket import ABORT

log = logging.getLogger(__name__)

BROKEN = (h11.ProtocolError, h2.exceptions.H2Error, wsproto.utilities.ProtocolError)
"""What Hypercorn lets escape when a peer breaks its protocol in a place it did not think of."""
HEAD = 64 * 1024
"""The longest head of a request, in bytes."""
UNHEARD = 20
"""Seconds without an acknowledgment after which the kernel gives a peer up; probes of an idle one fit in."""


async def serve(
    app: App,
    *,
    host: str,
    port: int,
    graceful: float,
    stop: trio.Event,
    door: Door | None = None,
    queue: Queue | None = None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `stop` is set, then for `graceful` seconds at most what is still open; then return.

    `door` has the first look at every connection and keeps the media sockets. A worker accepts from `queue` and not
    from an address of its own. Reports the bound port, which matters when `port` is 0. Raises `Misconfigured` when the
    address cannot be had.
    """
    listeners: Sequence[trio.SocketListener | Turnstile] = queue.listeners() if queue else await listen(host, port)
    wrapped = wrap_app(cast("Any", mended(app)), 0, "asgi")
    config = _configuration(graceful)
    context = WorkerContext(None)
    state: dict[str, Any] = {}
    lifespan = Lifespan(wrapped, config, state)
    try:
        async with trio.open_nursery() as lifetime:
            await lifetime.start(lifespan.handle_lifespan)
            await lifespan.wait_for_startup()
            async with connections(graceful) as (nursery, lines):
                handler = partial(_connection, wrapped, config, context, state, lines, door, queue)
                async with trio.open_nursery() as accepting:
                    accept = partial(trio.serve_listeners, handler, cast("Any", listeners), handler_nursery=nursery)
                    await accepting.start(accept)
                    task_status.started(listeners[0].socket.getsockname()[1])
                    await stop.wait()
                    accepting.cancel_scope.cancel()
                await context.terminated.set()
                lines.stop_looking()
            await lifespan.wait_for_shutdown()
            lifetime.cancel_scope.cancel()
    finally:
        for listener in listeners:
            listener.socket.close()


async def watch_signals(
    on_term: Callable[[], None], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Call `on_term` for the first SIGTERM or SIGINT, and return at the second: then end at once."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as arrivals:
        task_status.started()
        await anext(arrivals)
        on_term()
        await anext(arrivals)


# --------------------------------------------------------------------------------------------- sockets


async def listen(host: str, port: int) -> list[trio.SocketListener]:
    """The sockets of an address, open. Raises `Misconfigured` when it cannot be had."""
    where = f"{host}:{port}"
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except socket.gaierror as error:
        raise Misconfigured(f"Cannot listen on {where}: the host is unknown ({error.strerror})") from error
    except OSError as error:
        raise Misconfigured(f"Cannot listen on {where}: {_advice(error)}") from error
    if port == 0:
        # A name with several addresses would get another port on each.
        for extra in listeners[1:]:
            await extra.aclose()
        del listeners[1:]
    for listener in listeners:
        _tune(listener.socket)
    return listeners


def _advice(error: OSError) -> str:
    # Trio reports several addresses that failed as one error with a group for its cause.
    causes = error.__cause__.exceptions if isinstance(error.__cause__, BaseExceptionGroup) else ()
    codes = {error.errno, *(cause.errno for cause in causes if isinstance(cause, OSError))}
    if errno.EADDRINUSE in codes:
        return "the port is taken, perhaps by another parlance. Stop that program, or choose another port with --port"
    if errno.EACCES in codes:
        return "this user may not (ports below 1024 are the administrator's). Choose another port with --port"
    if errno.EADDRNOTAVAIL in codes:
        return "this machine does not have that address. Choose another with --host"
    return str(error)


def _tune(listener: trio.socket.SocketType) -> None:
    """Options that accepted sockets inherit: the kernel notices peers that are dead.

    SO_SNDBUF is left alone: Trio's TCP_NOTSENT_LOWAT (16 KiB) already bounds what waits on this side. A peer that never
    reads was seen to take 20 KB of telephone frames (1.5 s of audio) with a small receive buffer of its own, 115-140 KB
    (9-10 s) with Linux's default one, and a smaller SO_SNDBUF changed neither.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # A WebSocket's pings would not do: Hypercorn does not wait for their answers, and the task that sends them stays
    # behind for up to an interval after its connection has closed.
    for name, value in (
        ("TCP_KEEPIDLE", UNHEARD // 2),
        ("TCP_KEEPINTVL", UNHEARD // 4),
        ("TCP_USER_TIMEOUT", UNHEARD * 1000),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            listener.setsockopt(socket.IPPROTO_TCP, option, value)


def _configuration(graceful: float) -> Config:
    config = Config()
    config.graceful_timeout = graceful
    config.accesslog = None
    config.errorlog = logging.getLogger("parlance.http.hypercorn")
    config.include_server_header = False
    config.websocket_max_message_size = MESSAGE
    # Ringover signs a webhook by putting all of it into a header once more.
    config.h11_max_incomplete_size = HEAD
    # Two thirds of a second of 20 ms frames; past that the socket is not read, and the peer feels it.
    config.max_app_queue_size = 32
    return config


# ----------------------------------------------------------------------------------------- connections


class _Server(TCPServer):
    """Hypercorn's side of one connection, whose idle timer runs after every response and ends with the connection, and
    whose end is an end.
    """

    _ended = False
    """Nothing is read any more: an idle timer started now would outlive the connection."""

    async def protocol_send(self, event: Event) -> None:
        if self._ended and isinstance(event, Updated):
            return
        # It runs in the request's own task, which Quart cancels as soon as the response is out: without the shield the
        # idle timer would not be started again, and a connection kept alive would hold the shutdown until it is cut.
        with trio.CancelScope(shield=isinstance(event, Updated)):
            await super().protocol_send(event)

    async def _close(self) -> None:
        # In the request's own task too: without the shield a client that asked for "Connection: close" would wait for
        # the end of its answer.
        with trio.move_on_after(CUT, shield=True):
            await super()._close()

    async def _read_data(self) -> None:
        await super()._read_data()
        self._ended = True
        await self.idle_task.stop()


async def _connection(
    app: AppWrapper,
    config: Config,
    context: WorkerContext,
    state: dict[str, Any],
    lines: Lines,
    door: Door | None,
    queue: Queue | None,
    stream: trio.SocketStream,
) -> None:
    line = Line(stream)
    lines.add(line)
    try:
        if door is not None:
            with queue.deciding() if queue else nullcontext():
                with lines.looking() as looking:
                    seen = await door.look(stream)
                if looking.cancelled_caught:
                    return
                if isinstance(seen, Handshake):
                    await door.enter(stream, seen)
                    return
            line.seen = seen
        await _Server(app, config, context, {**state, ABORT: line.cut}, cast("Any", line))
    except* BROKEN as faults:
        log.info("a connection ended: %s", faults.exceptions[0])
    except* Exception:
        # One connection's fault must not end the server, and with it every call.
        log.exception("a connection failed")
    finally:
        lines.discard(line)
        line.socket.close()
