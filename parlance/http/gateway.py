"""The gateway of media sockets, whichever door they come through: which paths are media, and which dialect each speaks.

`bring` has a socket from either door. The gateway itself is the slower door, ASGI middleware in front of the Quart
application: media goes past Quart on raw ASGI, which costs less for each frame and tells when the other side has gone.
Everything that is not a WebSocket goes to the application; a WebSocket to any other path is refused with 404 before it
is accepted. What becomes of a call is `take`'s.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import trio

from parlance.actors.media.port import Socket, Started, Wire
from parlance.engine.errors import LineError, LineGone, Refused
from parlance.http.socket import Receive, Scope, Send, open_socket

log = logging.getLogger(__name__)

Make = Callable[[dict[str, str], dict[str, str]], tuple[Wire, Started | None]]
"""(parameters of the path, of the query) -> the dialect, and what is known of the call before the carrier speaks.

Raises `LineError` or `Refused`: the socket is then closed with that code and reason.
"""
Take = Callable[[Socket, Wire, Started | None], Awaitable[bool]]
"""Finds out which call it is. True: the socket has become the call's, which closes it. False: there is no call."""


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

    def find(self, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of a media path and the path's parameters."""
        for route in self._routes:
            if (parameters := route.match(path)) is not None:
                return route, parameters
        return None

    async def bring(self, socket: Socket, route: Route, parameters: dict[str, str], query: dict[str, str]) -> None:
        """Bring an open socket's call to the line; returns as soon as the call has it, or when it has been closed."""
        taken = False
        code, reason = 1000, ""
        try:
            wire, started = route.make(parameters, query)
            taken = await self._take(socket, wire, started)
        except (LineError, Refused) as refusal:
            code, reason = refusal.code, str(refusal)
        except LineGone:
            pass
        except Exception:
            # The edge of the house: a fault in one call must not reach the server, and so every other call.
            log.exception("a call from %s failed", socket.peer)
            code, reason = 1011, "internal error"
        except trio.Cancelled:
            code = 1001
            raise
        finally:
            if not taken:
                await socket.close(code, reason)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
        elif (found := self.find(scope["path"])) is not None:
            await self._media(scope, receive, send, *found)
        else:
            await _not_found(scope, receive, send)

    async def _media(
        self, scope: Scope, receive: Receive, send: Send, route: Route, parameters: dict[str, str]
    ) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        await send({"type": "websocket.accept"})
        async with open_socket(scope, receive, send) as socket:
            await self.bring(socket, route, parameters, _query(scope))
            await socket.over()


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
