"""The gateway of media sockets, whichever door they come through: which paths are media, who may, and which dialect.

`bring` has a socket from either door. The gateway itself is the slower door, ASGI middleware in front of the Quart
application: media goes past Quart on raw ASGI, which costs less for each frame and tells when the other side has gone.
Everything that is not a WebSocket goes to the application; a WebSocket to any other path is refused with 404 before it
is accepted, and one that the path's guard does not let in with the guard's status. What becomes of a call is `take`'s.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import trio

from parlance.actors.media.port import Socket, Started, Visit, Wire
from parlance.actors.media.webhook import Denied
from parlance.engine.errors import LineError, LineGone, Refused
from parlance.http import problem
from parlance.http.paths import compiled
from parlance.http.socket import Receive, Scope, Send, open_socket
from parlance.http.throttle import Throttle

log = logging.getLogger(__name__)

Make = Callable[[Visit], tuple[Wire, Started | None]]
"""The dialect, and what is known of the call before the carrier speaks.

Raises `LineError` or `Refused`: the socket is then closed with that code and reason.
"""
Guard = Callable[[Visit], None]
"""Raises `Denied` for a handshake that is not to be accepted; must not wait."""
Take = Callable[[Socket, Wire, Started | None], Awaitable[bool]]
"""Finds out which call it is. True: the socket has become the call's, which closes it. False: there is no call."""


def _anybody(visit: Visit) -> None:
    """The guard of a path that has none."""


@dataclass(frozen=True, slots=True)
class Route:
    """One media path. `pattern`: a path in which `{name}` stands for one segment."""

    pattern: str
    make: Make
    carrier: str = ""
    """For counting."""
    guard: Guard = _anybody
    subprotocols: tuple[str, ...] = ()
    """What may be agreed on, the preferred one first; a handshake that offers none of them goes on without."""
    same_origin: bool = False
    """Refuse a page of another host. Only browsers say where a page is from: who says nothing is let in."""
    origins: tuple[str, ...] = ()
    """Pages of elsewhere that may come nevertheless, as browsers write them: `https://example.com`."""
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_expression", compiled(self.pattern))

    def match(self, path: str) -> dict[str, str] | None:
        found = self._expression.fullmatch(path)
        return None if found is None else found.groupdict()

    def agree(self, offered: Iterable[str]) -> str | None:
        """The subprotocol that both sides know and this one prefers."""
        known = set(offered)
        return next((name for name in self.subprotocols if name in known), None)


class Gateway:
    """`app.asgi_app = Gateway(app.asgi_app, take, routes)`."""

    def __init__(self, app: Callable[..., Awaitable[None]], take: Take, routes: Sequence[Route]) -> None:
        self._app = app
        self._take = take
        self.routes = routes
        self.denied: Counter[tuple[str, str]] = Counter()
        """Handshakes that were not let in, by carrier and reason."""
        self._warning = Throttle(log, "media sockets not let in")

    def find(self, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of a media path and the path's parameters."""
        for route in self.routes:
            if (parameters := route.match(path)) is not None:
                return route, parameters
        return None

    def check(self, route: Route, visit: Visit) -> Denied | None:
        """Why a handshake is not to be accepted, counted; None: it is."""
        try:
            if route.same_origin:
                _from_here(visit, route.origins)
            route.guard(visit)
            return None
        except Denied as denied:
            refusal = denied
        except Exception:
            # The edge of the house, as in `bring`: a fault in a guard lets nobody in and ends nothing else.
            log.exception("the guard of %s failed", route.pattern)
            refusal = Denied(500, "fault", "internal error")
        self.denied[route.carrier, refusal.reason] += 1
        self._warning.note(f"{route.carrier} {refusal.reason} from {visit.peer} at {route.pattern}: {refusal}")
        return refusal

    async def bring(self, socket: Socket, route: Route, visit: Visit) -> None:
        """Bring an open socket's call to the line; returns as soon as the call has it, or when it has been closed."""
        taken = False
        code, reason = 1000, ""
        try:
            wire, started = route.make(visit)
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
        client = scope.get("client")
        visit = Visit(
            parameters,
            query(scope["query_string"].decode("latin-1")),
            joined((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
            f"{client[0]}:{client[1]}" if client else "unknown",
        )
        denied = self.check(route, visit)
        if denied is not None:
            await _refuse(scope, send, denied.status, problem.body(denied.status, reason=denied.reason))
            return
        await send({"type": "websocket.accept", "subprotocol": route.agree(scope.get("subprotocols") or ())})
        async with open_socket(scope, receive, send) as socket:
            await self.bring(socket, route, visit)
            await socket.over()


def query(text: str) -> dict[str, str]:
    """The query's parameters; of one that is given twice, the last."""
    return dict(parse_qsl(text, keep_blank_values=True))


def joined(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Headers by name in lower case; of one that came twice, the values joined by ", " (RFC 9110, section 5.3)."""
    found: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        found[lower] = f"{found[lower]}, {value}" if lower in found else value
    return found


def _from_here(visit: Visit, origins: Sequence[str]) -> None:
    """Raises `Denied` for a browser's page that another host has served (RFC 6455, section 10.2)."""
    origin = visit.headers.get("origin")
    if origin is None or origin.lower() in (other.lower() for other in origins):
        return
    # The scheme is not compared: who ends TLS for us speaks plain HTTP here. So a default port is no difference.
    try:
        where = urlsplit(origin).netloc
    except ValueError:
        where = ""
    if not where or _plain(where) != _plain(visit.headers.get("host", "")):
        raise Denied(403, "origin", "the page is from another host")


def _plain(host: str) -> str:
    return re.sub(r":(?:80|443)$", "", host.lower())


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if (await receive())["type"] == "websocket.connect":
        await _refuse(scope, send, 404, problem.body(404, "There is no WebSocket at this path."))


async def _refuse(scope: Scope, send: Send, status: int, body: bytes) -> None:
    """Answer a handshake with a problem, where the server can; else with its own 403."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close"})
        return
    named = {**problem.headers(status), "content-length": str(len(body)), "connection": "close"}
    headers = [(name.encode(), value.encode()) for name, value in named.items()]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
