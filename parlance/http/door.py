"""The front door's first look at a connection: media sockets to the reactor, everything else to the ASGI server.

Both come on one port. Of a new connection only the first request's head is read; if it is the handshake of a media
path, it is answered here and the connection belongs to the reactor from then on. In any other case the ASGI server gets
the connection together with what was read of it, and answers as if nobody had looked.
"""

from __future__ import annotations

import socket as sockets
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

import trio
from websockets.http11 import Request
from websockets.server import ServerProtocol

from parlance.http.direct import DirectSocket
from parlance.http.gateway import Gateway, Route
from parlance.http.mend import MESSAGE
from parlance.http.reactor import Reactor

HEAD = 16 * 1024
"""Bytes of a request's head, at most: a longer one is the ASGI server's to refuse."""
WAIT = 5.0
"""Seconds for a connection's first request; then it is the ASGI server's, which has time-outs of its own."""
END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Handshake:
    """A request for a media socket: what the head says, and what came after it in the same segment."""

    protocol: ServerProtocol
    request: Request
    route: Route
    parameters: dict[str, str]
    query: dict[str, str]
    early: bytes


class Door:
    """Looks at connections for `serve`."""

    def __init__(self, gateway: Gateway, reactor: Reactor) -> None:
        self._gateway = gateway
        self._reactor = reactor

    async def look(self, stream: trio.SocketStream) -> Handshake | bytes:
        """The handshake of a media socket, or the bytes that were read of anything else."""
        head = b""
        with trio.move_on_after(WAIT):
            while self._promising(head) and len(head) <= HEAD:
                try:
                    data = await stream.receive_some()
                except trio.BrokenResourceError:
                    break
                if not data:
                    break
                head += data
                if END in head:
                    return self._handshake(head) or head
        return head

    def _promising(self, head: bytes) -> bool:
        """Whether this may yet become a handshake for a media path."""
        line, whole, _ = head.partition(b"\n")
        if whole and not line.endswith(b"\r"):
            return False
        parts = line.removesuffix(b"\r").split(b" ")
        if parts[0] != b"GET":
            return not whole and len(parts) == 1 and b"GET".startswith(parts[0])
        return not whole or (len(parts) == 3 and self._gateway.find(_path(parts[1].decode("latin-1"))) is not None)

    def _handshake(self, head: bytes) -> Handshake | None:
        head, _, early = head.partition(END)
        protocol = ServerProtocol(max_size=MESSAGE)
        protocol.receive_data(head + END)
        for request in protocol.events_received():
            if isinstance(request, Request) and "Upgrade" in request.headers:
                found = self._gateway.find(_path(request.path))
                if found is not None:
                    # Of a parameter that is given twice, the last.
                    query = dict(parse_qsl(request.path.partition("?")[2], keep_blank_values=True))
                    return Handshake(protocol, request, *found, query, early)
        return None

    async def enter(self, stream: trio.SocketStream, handshake: Handshake) -> None:
        """Answer the handshake and bring the call to the line; returns when the call has its socket, or none."""
        protocol = handshake.protocol
        protocol.send_response(protocol.accept(handshake.request))
        try:
            for data in protocol.data_to_send():
                if data:
                    await stream.send_all(data)
            if protocol.handshake_exc is not None:
                await stream.send_eof()
                return
            peer = "{}:{}".format(*stream.socket.getpeername()[:2])
        except (trio.BrokenResourceError, OSError):
            return  # The other side has gone already.
        raw = sockets.socket(fileno=stream.socket.detach())
        raw.setblocking(False)
        socket = DirectSocket(raw, peer, protocol, self._reactor)
        socket.early(handshake.early)
        await self._gateway.bring(socket, handshake.route, handshake.parameters, handshake.query)


def _path(target: str) -> str:
    """The path of a request's target, read as the ASGI server reads it: what it does not know is no media path here."""
    return unquote(target.partition("?")[0])
