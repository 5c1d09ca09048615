"""Hypercorn's WebSockets put right, under the application and without a change to Hypercorn.

What belongs here is what ASGI promises and this server does not keep; each of it goes when Hypercorn learns it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import h11
import trio
from hypercorn.protocol.ws_stream import WSStream
from wsproto.events import BytesMessage, CloseConnection, Event, TextMessage

from parlance.http.socket import CLOSING, Receive, Scope, Send

log = logging.getLogger(__name__)

App = Callable[[Any, Any, Any], Awaitable[None]]

MESSAGE = 64 * 1024
"""The largest WebSocket message, in bytes or characters: a carrier's are under 2 KiB."""


def mended(app: App) -> App:
    """`app`, with Hypercorn's WebSockets put right under it.

    - permessage-deflate is refused: audio does not get smaller, and inflating costs memory for each call;
    - `websocket.disconnect` has the peer's close code and reason, where Hypercorn always says 1006;
    - a message over `MESSAGE` is answered with 1009 and ends the socket for the application too, and what follows it is
      thrown away, where Hypercorn lets the application wait and goes on collecting it.
    """

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        owner = getattr(send, "__self__", None)
        if scope["type"] == "websocket" and isinstance(owner, WSStream):
            receive = _Tap(owner, receive, send).receive
        try:
            await app(scope, receive, send)
        except h11.LocalProtocolError as error:
            # A peer that sends more than its handshake before the answer puts Hypercorn's own parser in a state in
            # which accepting fails. That is the peer's fault and no error of the application.
            log.info("a handshake failed: %s", error)

    return asgi


class _Tap:
    """Watches the frames of one of Hypercorn's WebSockets on their way from wsproto."""

    def __init__(self, owner: Any, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._accept = owner.handshake.accept
        self._length = 0
        self._oversized = False
        self._goodbye: CloseConnection | None = None
        owner.handshake.extensions = None
        owner.handshake.accept = self.accept

    def accept(self, *arguments: Any) -> tuple[int, list[tuple[bytes, bytes]], Any]:
        status, headers, connection = self._accept(*arguments)
        connection.events = partial(self._events, connection.events)
        return status, headers, connection

    def _events(self, events: Callable[[], Iterator[Event]]) -> Iterator[Event]:
        for event in events():
            if isinstance(event, CloseConnection):
                self._goodbye = event
            elif isinstance(event, TextMessage | BytesMessage):
                if self._oversized:
                    continue
                self._length += len(event.data)
                if self._length > MESSAGE:
                    self._oversized = True
                    # An empty end of this message, of its own kind, wakes whoever waits for one.
                    event = type(event)(data=event.data[:0], message_finished=True)  # type: ignore[arg-type]
                elif event.message_finished:
                    self._length = 0
            yield event

    async def receive(self) -> Any:
        event = await self._receive()
        if self._oversized and event["type"] == "websocket.receive":
            await self._refuse()
            return {"type": "websocket.disconnect", "code": 1009, "reason": f"a message over {MESSAGE} bytes"}
        if event["type"] == "websocket.disconnect" and self._goodbye is not None:
            return {**event, "code": self._goodbye.code, "reason": self._goodbye.reason or ""}
        return event

    async def _refuse(self) -> None:
        """Close with 1009, and read on until the peer has answered: closing over unread data would be a reset."""
        with trio.move_on_after(CLOSING):
            await self._send({"type": "websocket.close", "code": 1009, "reason": f"over {MESSAGE} bytes"})
            while (await self._receive())["type"] != "websocket.disconnect":
                pass
