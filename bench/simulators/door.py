"""A server for simulated providers: HTTP/1.1 requests with streamed answers, and WebSockets, on one port.

`h11` and `trio-websocket` speak the protocols. A request without its provider's key, in the header where that provider
wants it, is refused here.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import h11
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from bench.simulators.conduct import STALL, Conduct, Cut, Fate

MOST = 4 << 20
"""Bytes of a request's body: a minute of speech as 16-bit PCM has two million."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, or a WebSocket's handshake."""

    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[bytes, bytes]
    body: bytes = b""

    def first(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]


class Refusal(Exception):
    """The request is answered with this status and message, in its provider's shape."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Answer:
    """The response to one request."""

    def __init__(self, stream: trio.abc.Stream, protocol: h11.Connection) -> None:
        self._stream, self._protocol = stream, protocol
        self._head: list[h11.Response] = []

    async def whole(self, status: int, body: Mapping[str, Any], **headers: str) -> None:
        """An answer of JSON. `headers`: more of them, with underscores for hyphens."""
        data = json.dumps(body).encode()
        head = [("content-type", "application/json"), ("content-length", str(len(data)))]
        head += [(name.replace("_", "-"), value) for name, value in headers.items()]
        await self._send(h11.Response(status_code=status, headers=head), h11.Data(data=data), h11.EndOfMessage())

    def begin(self, kind: str) -> None:
        """A streamed answer of content type `kind`. Its head goes out with its first piece."""
        head = [("content-type", kind), ("transfer-encoding", "chunked")]
        self._head = [h11.Response(status_code=200, headers=head)]

    async def piece(self, data: bytes) -> None:
        await self._send(*self._head, h11.Data(data=data))
        self._head = []

    async def end(self) -> None:
        await self._send(h11.EndOfMessage())

    async def bare(self, status: int, reason: str, **headers: str) -> None:
        """An answer that tells everything in its status line. `headers`: as of `whole`."""
        head = [("content-length", "0"), *((name.replace("_", "-"), value) for name, value in headers.items())]
        await self._send(h11.Response(status_code=status, headers=head, reason=reason.encode()), h11.EndOfMessage())

    async def _send(self, *events: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        await self._stream.send_all(b"".join(filter(None, map(self._protocol.send, events))))


Page = Callable[[Asked, Answer, Fate, Conduct], Awaitable[None]]
"""Answers a request, whose fate is not an error. Raises `Refusal` before it has begun, for a wrong one."""
Line = Callable[[Asked, WebSocketConnection, Conduct], Awaitable[None]]
"""Talks over a WebSocket until it ends it, or its other side does."""
Check = Callable[[Asked], None]
"""Raises `Refusal` for a handshake with wrong parameters."""
Shape = Callable[[int, str], Mapping[str, Any] | None]
"""The body of a refusal, of its status and message; None: it has no body."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What one simulated service answers: its paths (`*` in one is any text)."""

    pages: Mapping[str, Page] = field(default_factory=dict)
    lines: Mapping[str, tuple[Check, Line]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Door:
    """What is behind which path; `*` in one is any text. The key is in one of the headers `keys`, after the scheme
    that belongs to it (None: after any). A page's refusal whose `shape` is None has its message in the status line.
    """

    conduct: Conduct
    pages: Mapping[str, Page]
    lines: Mapping[str, tuple[Check, Line]]
    keys: Mapping[str, str | None] = field(default_factory=lambda: {"authorization": None})
    shape: Shape = lambda status, message: {"error": {"message": message}}

    async def serve(self, port: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve on 127.0.0.1 until cancelled; the task status is the port."""
        async with trio.open_nursery() as nursery:
            listeners: list[trio.SocketListener] = await nursery.start(
                partial(trio.serve_tcp, self._handle, port, host="127.0.0.1")
            )
            task_status.started(listeners[0].socket.getsockname()[1])

    async def _handle(self, stream: trio.SocketStream) -> None:
        try:
            await self._talk(stream)
        except* (Cut, ConnectionClosed, trio.BrokenResourceError, h11.ProtocolError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _talk(self, stream: trio.SocketStream) -> None:
        protocol = h11.Connection(h11.SERVER)
        while (came := await _received(stream, protocol)) is not None:
            request, body, raw = came
            if _is_handshake(request):
                await self._socket(_Replayed(stream, raw), _asked(request))
                return
            answer = Answer(stream, protocol)
            if request.method == b"HEAD":
                # Somebody keeps a connection warm.
                await answer.bare(404, "Not Found")
            else:
                await self._page(_asked(request, body), answer)
            if protocol.our_state is not h11.DONE:
                return
            protocol.start_next_cycle()

    async def _page(self, asked: Asked, answer: Answer) -> None:
        try:
            page = self._admit(asked, self.pages)
            fate = self._fate(asked)
            if fate is Fate.SILENT:
                await trio.sleep(STALL)
            await page(asked, answer, fate, self.conduct)
        except Refusal as refusal:
            later = self._later(refusal.status)
            if (body := self.shape(refusal.status, str(refusal))) is None:
                await answer.bare(refusal.status, str(refusal), **later)
            else:
                await answer.whole(refusal.status, body, **later)

    def _later(self, status: int) -> dict[str, str]:
        wanted = self.conduct.retry_after and status in (429, 503)
        return {"retry_after": self.conduct.retry_after} if wanted else {}

    async def _socket(self, stream: _Replayed, asked: Asked) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(nursery, stream)
            try:
                check, line = self._admit(asked, self.lines)
                check(asked)
                self._fate(asked)
            except Refusal as refusal:
                headers = [(b"retry-after", value.encode()) for value in self._later(refusal.status).values()]
                body = self.shape(refusal.status, str(refusal))
                told = None if body is None else json.dumps(body).encode()
                await request.reject(refusal.status, extra_headers=headers, body=told)
            else:
                connection = await request.accept()
                await line(asked, connection, self.conduct)
                with trio.move_on_after(1):
                    await connection.aclose()
            nursery.cancel_scope.cancel()

    def _fate(self, asked: Asked) -> Fate:
        """Raises `Refusal` where that is what becomes of it."""
        fate = self.conduct.fate(asked.path)
        if fate is Fate.ERROR:
            raise Refusal(self.conduct.status(), "the simulator fails, as it was told to")
        return fate

    def _admit(self, asked: Asked, known: Mapping[str, T]) -> T:
        """What is behind the path. Raises `Refusal`."""
        header, told = next(
            (
                (name, asked.headers[name.encode()].decode("latin-1"))
                for name in self.keys
                if name.encode() in asked.headers
            ),
            ("", ""),
        )
        scheme, _, key = told.rpartition(" ")
        if not key or self.keys[header] not in (None, scheme) or self.conduct.key not in ("", key):
            # Some services repeat the key: a client must not pass that on.
            raise Refusal(401, f"wrong or missing key {key}")
        for path, behind in known.items():
            if fnmatchcase(asked.path, path):
                return behind
        raise Refusal(404, f"there is no {asked.path} here")


class _Replayed(trio.abc.Stream):
    """A stream of which some was read already."""

    def __init__(self, stream: trio.SocketStream, read: bytes) -> None:
        self._stream, self._read = stream, read

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._read:
            read, self._read = self._read, b""
            await trio.lowlevel.checkpoint()
            return read
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _received(stream: trio.SocketStream, protocol: h11.Connection) -> tuple[h11.Request, bytes, bytes] | None:
    """A request, its body, and its head as it came; of a handshake nothing more is awaited. None: there is no further
    request, or its body is too long.
    """
    raw, body, request = b"", b"", None
    while not isinstance(event := protocol.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            data = await stream.receive_some()
            raw += data if request is None else b""
            protocol.receive_data(data)
        elif isinstance(event, h11.Request):
            request = event
            if _is_handshake(request):
                break
        elif isinstance(event, h11.Data) and len(body) + len(event.data) <= MOST:
            body += event.data
        else:
            return None
    assert request is not None
    return request, body, raw


def _is_handshake(request: h11.Request) -> bool:
    return dict(request.headers).get(b"upgrade", b"").lower() == b"websocket"


def _asked(request: h11.Request, body: bytes = b"") -> Asked:
    parts = urlsplit(request.target.decode("latin-1"))
    return Asked(parts.path, parse_qs(parts.query), dict(request.headers), body)
