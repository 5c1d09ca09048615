"""WebSockets to providers: connecting, sending and receiving within deadlines, and what their ends are called.

`trio-websocket` speaks the protocol (RFC 6455).
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from ssl import SSLContext, create_default_context
from typing import Any
from urllib.parse import urlsplit

import trio

from parlance.actors.dial import CLOSING, Dial, complaint
from parlance.actors.verdict import POLICY, verdict
from parlance.engine.errors import Garbled, Overloaded, ProviderError, Unreachable, inner

LARGEST = 1 << 20
"""Bytes of one message: a provider that sends more sends something else."""

PRIVATE = 3000
"""The first of the codes with which providers close for reasons of their own (RFC 6455, 7.4.2)."""
_TOO_LARGE = "Exceeded maximum message size"
"""What the library closes with when the other side sends more."""


class _Reader:
    """Where the library's reading task runs, in place of the nursery itself.

    The library answers whatever comes, and fails where the protocol forbids the answer: to a ping after our goodbye,
    which any service may send. Once the connection is open such a failure is the connection's end, and nothing more.
    Where it ends before that, the library would wait for ever.
    """

    def __init__(self, nursery: trio.Nursery, errors: tuple[type[Exception], ...]) -> None:
        self._nursery, self._errors = nursery, errors
        self.opened = False
        self.goodbye = trio.CancelScope()
        """Cancelled when no answer to our goodbye is to come."""

    def start_soon(self, task: Callable[[], Awaitable[None]]) -> None:
        self._nursery.start_soon(self._read, task)

    async def _read(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
            # Who waits for the handshake is awake by then, if there was one.
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            if not self.opened:
                raise trio.BrokenResourceError("closed in the handshake")
        except self._errors:
            if not self.opened:
                raise
        finally:
            self.goodbye.cancel()


class Socket:
    """A WebSocket to a provider, while it is open."""

    def __init__(self, dial: Dial, connection: Any, *closed: type[Exception]) -> None:
        self._dial, self._connection, self._closed = dial, connection, closed
        self.early: deque[str | bytes] = deque()
        """Messages that came while nobody used the connection: received before all others."""
        self.rest = False
        """Whether the connection is at rest, so that the next one can use it (`Pool.lend`)."""
        self.cut = False
        """Whether a message was cancelled while it was sent: what follows it would be taken for its rest."""

    async def send(self, message: str | bytes) -> None:
        """Raises `Unreachable` if the provider does not take it in time, and what `receive` raises."""
        idle = self._dial.service.idle
        with self._ended(), self._dial.by(trio.current_time() + idle, f"has taken nothing for {idle:g} s"):
            try:
                await self._connection.send_message(message)
            except trio.Cancelled:
                self.cut = True
                raise

    async def receive(self) -> str | bytes:
        """The next message. Raises a `ProviderError` when the connection has ended, whoever ended it."""
        if self.early:
            await trio.lowlevel.checkpoint()
            return self.early.popleft()
        return await self._next()

    async def wait(self) -> None:
        """Keep the next message for whoever receives first. Raises what `receive` raises."""
        self.early.append(await self._next())

    async def _next(self) -> str | bytes:
        with self._ended():
            message: str | bytes = await self._connection.get_message()
        return message

    @contextmanager
    def _ended(self) -> Iterator[None]:
        try:
            yield
        except self._closed as error:
            reason = getattr(error, "reason", None)
            code, text = (reason.code, reason.reason or reason.name) if reason else (1006, "")
            # An echo of our own close carries no reason. What we send is never that large.
            if reason and code == 1009 and (not reason.reason or text.startswith(_TOO_LARGE)):
                raise Garbled(self._dial.name, f"sent a message of more than {LARGEST >> 20} MB") from None
            # RFC 6455, 7.4.1, and 1013 of the registry it opens.
            kinds: dict[int, type[ProviderError]] = {POLICY: verdict(text, POLICY), 1013: Overloaded}
            kinds |= dict.fromkeys((1002, 1003, 1007, 1009), Garbled)
            told = f"connection closed: {code} {self._dial.brief(text)}".rstrip()
            kind = kinds.get(code) or (verdict(text) if code >= PRIVATE else Unreachable)
            raise kind(self._dial.name, told) from None


@asynccontextmanager
async def socket(dial: Dial, url: str) -> AsyncIterator[Socket]:
    """A WebSocket to `url`. Leaving says goodbye if there is time for it, and drops the connection if not."""
    library, parts = dial.library("trio_websocket"), urlsplit(url)
    foreign = dial.library("wsproto.utilities").ProtocolError, dial.library("h11").ProtocolError
    connect = dial.service.connect
    stream: trio.abc.Stream | None = None
    opened = False
    try:
        with alone():
            async with trio.open_nursery() as nursery:
                reader = _Reader(nursery, foreign)
                with dial.by(trio.current_time() + connect, f"no connection within {connect:g} s"):
                    stream = await _stream(parts.hostname or "", parts.port, secure=parts.scheme == "wss")
                    if isinstance(stream, trio.SSLStream):
                        await stream.do_handshake()
                    connection = await library.wrap_client_stream(
                        reader,
                        stream,
                        parts.netloc.rpartition("@")[2],
                        f"{parts.path or '/'}?{parts.query}".rstrip("?"),
                        extra_headers=[(name.encode(), value.encode()) for name, value in dial.headers.items()],
                        max_message_size=LARGEST,
                    )
                opened = reader.opened = True
                try:
                    yield Socket(dial, connection, library.ConnectionClosed, *foreign)
                finally:
                    with trio.move_on_after(CLOSING), reader.goodbye:
                        await connection.aclose()
                    nursery.cancel_scope.cancel()
    except (library.HandshakeError, trio.BrokenResourceError, OSError, *foreign) as error:
        if opened:
            raise
        if isinstance(error, foreign):
            raise Garbled(dial.name, f"not a WebSocket's handshake: {dial.brief(error)}") from None
        if isinstance(error, library.ConnectionRejected):
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in error.headers or ()}
            raise dial.refusal(error.status_code, complaint(error.body or b""), headers) from None
        raise dial.lost(Unreachable, error) from error
    finally:
        # The library leaves it open where the other side has closed first.
        if stream is not None:
            await trio.aclose_forcefully(stream)


_context: SSLContext | None = None


async def _stream(host: str, port: int | None, *, secure: bool) -> trio.abc.Stream:
    global _context
    if not secure:
        return await trio.open_tcp_stream(host, port or 80)
    # Reading the system's certificates takes tens of milliseconds: once for all.
    _context = _context or create_default_context()
    return await trio.open_ssl_over_tcp_stream(host, port or 443, ssl_context=_context, https_compatible=True)


@contextmanager
def alone() -> Iterator[None]:
    """A nursery's group as the one error that it holds. A group with errors of several kinds stays what it is."""
    try:
        yield
    except BaseExceptionGroup as group:
        first = inner(group)
        assert first is not None
        if group.split(type(first))[1] is None and isinstance(first, Exception):
            raise first from first.__cause__
        raise
