"""The front door's first look at a connection: media sockets to the reactor, everything else to the ASGI server.

Both come on one port. Of a new connection only the first request's head is read; if it is the handshake of a media
path, it is answered here and the connection belongs to the reactor from then on. In any other case the ASGI server gets
the connection together with what was read of it, and answers as if nobody had looked.
"""

from __future__ import annotations

import socket as sockets
from dataclasses import dataclass
from urllib.parse import unquote

import trio
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from parlance.actors.media.port import Visit
from parlance.http import problem
from parlance.http.direct import DirectSocket
from parlance.http.gateway import Gateway, Route, joined, query
from parlance.http.mend import MESSAGE
from parlance.http.reactor import Reactor

HEAD = 16 * 1024
"""Bytes of a request's head, at most: a longer one is the ASGI server's to refuse."""
WAIT = 5.0
"""Seconds for a connection's first request; then it is the ASGI server's, which has time-outs of its own."""
SWITCHING = 101
"""The status of a handshake that has succeeded."""
END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Handshake:
    """A request for a media socket: what the head says, and what came after it in the same segment."""

    protocol: ServerProtocol
    request: Request
    route: Route
    parameters: dict[str, str]
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
                    return Handshake(protocol, request, *found, early)
        return None

    async def enter(self, stream: trio.SocketStream, handshake: Handshake) -> None:
        """Answer the handshake and bring the call to the line; returns when the call has its socket, or none."""
        protocol, route = handshake.protocol, handshake.route
        try:
            peer = "{}:{}".format(*stream.socket.getpeername()[:2])
            visit = _visit(handshake, peer)
            response = self._answer(handshake, visit)
            protocol.send_response(response)
            for data in protocol.data_to_send():
                if data:
                    await stream.send_all(data)
            if response.status_code != SWITCHING:
                await stream.send_eof()
                return
        except (trio.BrokenResourceError, OSError):
            return  # The other side has gone already.
        raw = sockets.socket(fileno=stream.socket.detach())
        raw.setblocking(False)
        socket = DirectSocket(raw, peer, protocol, self._reactor)
        socket.early(handshake.early)
        await self._gateway.bring(socket, route, visit)

    def _answer(self, handshake: Handshake, visit: Visit) -> Response:
        """The handshake's answer: the protocol's own, unless the gateway does not let this visit in."""
        response = handshake.protocol.accept(handshake.request)
        if response.status_code != SWITCHING:
            return response
        denied = self._gateway.check(handshake.route, visit)
        if denied is not None:
            response = handshake.protocol.reject(
                denied.status, problem.body(denied.status, reason=denied.reason).decode()
            )
            for name, value in problem.headers(denied.status).items():
                response.headers.pop(name, None)
                response.headers[name] = value
            return response
        agreed = handshake.route.agree(map(str.strip, visit.headers.get("sec-websocket-protocol", "").split(",")))
        if agreed is not None:
            response.headers["Sec-WebSocket-Protocol"] = agreed
        return response


def _visit(handshake: Handshake, peer: str) -> Visit:
    request = handshake.request
    return Visit(handshake.parameters, query(request.path.partition("?")[2]), joined(request.headers.raw_items()), peer)


def _path(target: str) -> str:
    """The path of a request's target, read as the ASGI server reads it: what it does not know is no media path here."""
    return unquote(target.partition("?")[0])
