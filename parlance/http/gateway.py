"""The door for media sockets: ASGI middleware in front of the Quart application.

Media goes past Quart on raw ASGI, which costs less for each frame and tells when the other side has gone. Which paths
are media, and which dialect each speaks, is a table passed in; what becomes of a call is `take`'s. Everything that is
not a WebSocket goes to the application; a WebSocket to any other path is refused with 404 before it is accepted.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from parlance.actors.media.port import Socket, Started, Wire
from parlance.engine.errors import LineError, LineGone, Refused
from parlance.http.socket import Receive, Scope, Send, open_socket

log = logging.getLogger(__name__)

Make = Callable[[dict[str, str], dict[str, str]], tuple[Wire, Started | None]]
"""(parameters of the path, of the query) -> the dialect, and what is known of the call before the carrier speaks.

Raises `LineError` or `Refused`: the socket is then closed with that code and reason.
"""
Take = Callable[[Socket, Wire, Started | None], Awaitable[None]]
"""Has the call, from its open socket to its end; may close the socket. What it leaves open is closed after it."""


@dataclass(frozen=True, slots=True)
class Route:
    """One media path. `pattern`: a path in which `{name}` stands for one segment."""

    pattern: str
    make: Make
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = re.split(r"\{(\w+)\}", self.pattern)
        text = "".join(f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
        object.__setattr__(self, "_expression", re.compile(text))

    def match(self, path: str) -> dict[str, str] | None:
        found = self._expression.fullmatch(path)
        return None if found is None else found.groupdict()


class Gateway:
    """`app.asgi_app = Gateway(app.asgi_app, take, routes)`."""

    def __init__(self, app: Callable[..., Awaitable[None]], take: Take, routes: Sequence[Route]) -> None:
        self._app = app
        self._take = take
        self._routes = tuple(routes)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        for route in self._routes:
            if (parameters := route.match(scope["path"])) is not None:
                await self._media(scope, receive, send, route, parameters)
                return
        await _not_found(scope, receive, send)

    async def _media(
        self, scope: Scope, receive: Receive, send: Send, route: Route, parameters: dict[str, str]
    ) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        await send({"type": "websocket.accept"})
        async with open_socket(scope, receive, send) as socket:
            try:
                wire, started = route.make(parameters, _query(scope))
                await self._take(socket, wire, started)
            except (LineError, Refused) as refusal:
                await socket.close(refusal.code, str(refusal))
            except LineGone:
                pass
            except Exception:
                # The edge of the house: a fault in one call must not reach the server, and so every other call.
                log.exception("a call from %s failed", socket.peer)
                await socket.close(1011, "internal error")


def _query(scope: Scope) -> dict[str, str]:
    """The query's parameters; of one that is given twice, the last."""
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if (await receive())["type"] != "websocket.connect":
        return
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close"})
        return
    body = b'{"type":"about:blank","title":"Not Found","status":404,"detail":"There is no WebSocket at this path."}'
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    await send({"type": "websocket.http.response.start", "status": 404, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
