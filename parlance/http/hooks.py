"""Carriers' webhooks: ASGI middleware in front of the application, which never sees them.

They go past Quart, which would cost 0.15 ms more for each (of 0.4, measured) and bounds bodies for people and not for
carriers. What is done here is the same for every carrier: bound the body, verify, work off, answer, count. What it
means is the carrier's `Hooks`' business.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import trio

from parlance.actors.media.webhook import Denied, Hooks, Reception, Reply, Request
from parlance.engine.errors import Misconfigured
from parlance.http import problem
from parlance.http.gateway import joined
from parlance.http.paths import compiled
from parlance.http.socket import Receive, Scope, Send
from parlance.http.tally import Tally
from parlance.http.throttle import Throttle

log = logging.getLogger(__name__)

BODY = 256 * 1024
"""The largest body, in bytes."""
SLOW = 10.0
"""Seconds in which a body must have come."""

Methods = Mapping[str, Hooks]


class Webhooks:
    """`app.asgi_app = Webhooks(app.asgi_app, hooks, receptions, public=..., wall=..., tally=...)`."""

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        hooks: Sequence[Hooks],
        receptions: Callable[[str], Reception],
        *,
        public: Callable[[], str],
        wall: Callable[[], float],
        tally: Tally,
    ) -> None:
        """`receptions`: a carrier's, by its name. `public`: our scheme and host as carriers write them, with the path
        that a proxy in front has taken away, if it has, and no slash at the end. `wall`: seconds since 1970. Two hooks
        may share a path if their methods differ; raises `Misconfigured` if they do not.
        """
        self._app = app
        self._receptions = receptions
        self._public = public
        self._wall = wall
        self._tally = tally
        self._warning = Throttle(log, "webhooks denied")
        paths: dict[str, dict[str, Hooks]] = {}
        for one in hooks:
            for path, methods in one.paths.items():
                for method in methods:
                    other = paths.setdefault(path, {}).setdefault(method.upper(), one)
                    if other is not one:
                        raise Misconfigured(f"webhooks of {other.carrier} and of {one.carrier} have one path: {path}")
        self._plain: dict[str, Methods] = {path: methods for path, methods in paths.items() if "{" not in path}
        self._patterns: list[tuple[re.Pattern[str], Methods]] = [
            (compiled(path), methods) for path, methods in paths.items() if "{" in path
        ]

    def find(self, path: str) -> Methods | None:
        """Whose path this is, by method."""
        if (methods := self._plain.get(path)) is not None:
            return methods
        return next((methods for pattern, methods in self._patterns if pattern.fullmatch(path)), None)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        methods = self.find(scope["path"]) if scope["type"] == "http" else None
        if methods is None:
            await self._app(scope, receive, send)
        elif (hooks := methods.get(scope["method"])) is None:
            await _send(send, _problem(405, allow=", ".join(sorted(methods))))
        else:
            await self._take(scope, receive, send, hooks)

    async def _take(self, scope: Scope, receive: Receive, send: Send, hooks: Hooks) -> None:
        headers = joined((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        try:
            body = await _body(headers, receive)
        except Denied as denied:
            self._tally.count(hooks.carrier, denied.reason)
            await _send(send, _problem(denied.status, denied.reason))
            return
        if body is not None:
            await _send(send, self.answer(hooks, _request(scope, headers, body, self._public())))

    def answer(self, hooks: Hooks, request: Request) -> Reply:
        """Verify one request, work it off, count it."""
        begin = trio.current_time()
        try:
            hooks.verify(request, self._wall())
            reply = hooks.handle(request, self._receptions(hooks.carrier))
            word = "ok"
        except Denied as denied:
            # No words of the carrier's hooks: they would tell an attacker how far he got.
            reply, word = _problem(denied.status, denied.reason), denied.reason
            self._warning.note(f"{hooks.carrier} {denied.reason} from {request.peer}: {denied}")
        except Exception:
            # The HTTP edge: a fault in one carrier's hooks is answered, and touches nothing else.
            reply, word = _problem(500), "fault"
            log.exception("a webhook of %s failed", hooks.carrier)
        self._tally.count(hooks.carrier, word)
        self._tally.took(trio.current_time() - begin)
        return reply


def _request(scope: Scope, headers: Mapping[str, str], body: bytes, public: str) -> Request:
    path = scope["raw_path"].decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    client = scope.get("client")
    return Request(
        scope["method"], f"{public}{path}{'?' if query else ''}{query}", headers, body, client[0] if client else ""
    )


async def _body(headers: Mapping[str, str], receive: Receive) -> bytes | None:
    """The request's body; None if the other side has gone. Raises `Denied` for one that is too long or too slow."""
    announced = headers.get("content-length", "0")
    # What is announced too long is not read at all.
    if not announced.isdecimal() or len(announced) > len(str(BODY)) or int(announced) > BODY:
        raise Denied(413, "oversized", "the body is too long")
    parts: list[bytes] = []
    length = 0
    with trio.move_on_after(SLOW):
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return None
            part: bytes = event.get("body", b"")
            parts.append(part)
            length += len(part)
            if length > BODY:
                raise Denied(413, "oversized", "the body is too long")
            if not event.get("more_body", False):
                return b"".join(parts)
    raise Denied(408, "slow", "the body did not come in time")


def _problem(status: int, reason: str = "", **headers: str) -> Reply:
    more = {"reason": reason} if reason else {}
    named = {name: value for name, value in problem.headers(status).items() if name != "content-type"}
    return Reply(status, problem.body(status, **more), problem.KIND, {**named, **headers})


async def _send(send: Send, reply: Reply) -> None:
    named = {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **{name.lower(): value for name, value in reply.headers.items()},
        "content-type": reply.kind,
        "content-length": str(len(reply.body)),
    }
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
