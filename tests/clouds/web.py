"""HTTP on this machine, both sides, one request a connection: nothing is left open between two of them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import h11
import trio

GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


@dataclass(frozen=True)
class Asked:
    """A request as it came. `target`: the path and the query as they were written."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> list[tuple[str, str]]:
        return parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True)


@dataclass(frozen=True)
class Answer:
    """`status` 0: the connection is closed without an answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def said(value: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


@dataclass(frozen=True)
class Sent:
    """A request to be made."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


async def serve(
    handle: Callable[[Asked], Awaitable[Answer]], *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def converse(stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(*GONE, h11.RemoteProtocolError):
                await _converse(handle, stream)

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, converse, listeners)
        task_status.started(listeners[0].socket.getsockname()[1])


async def _converse(handle: Callable[[Asked], Awaitable[Answer]], stream: trio.SocketStream) -> None:
    connection = h11.Connection(h11.SERVER)
    events = await _message(connection, stream)
    if not events:
        return
    head, body = events
    asked = Asked(head.method.decode(), head.target.decode(), _named(head.headers), body)
    answer = await handle(asked)
    if not answer.status:
        return
    bodiless = answer.status in (204, 304)
    headers = {"Connection": "close", **answer.headers}
    if not bodiless:
        headers["Content-Length"] = str(len(answer.body))
    data = connection.send(h11.Response(status_code=answer.status, headers=list(headers.items()))) or b""
    if not bodiless:
        data += connection.send(h11.Data(data=answer.body)) or b""
    await stream.send_all(data)


async def ask(port: int, sent: Sent) -> Answer:
    """Make a request here, whatever host its address names."""
    url = urlsplit(sent.url)
    target = f"{url.path}?{url.query}" if url.query else url.path
    connection = h11.Connection(h11.CLIENT)
    headers = {"Host": url.netloc, "Content-Length": str(len(sent.body)), "Connection": "close", **sent.headers}
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        data = connection.send(h11.Request(method=sent.method, target=target, headers=list(headers.items()))) or b""
        data += connection.send(h11.Data(data=sent.body)) or b""
        data += connection.send(h11.EndOfMessage()) or b""
        with suppress(*GONE):
            # Whoever refuses a long body does not wait for its end.
            await stream.send_all(data)
        events = await _message(connection, stream)
        assert events, "no answer"
        head, body = events
        return Answer(head.status_code, body, _named(head.headers))


async def _message(connection: h11.Connection, stream: trio.SocketStream) -> tuple[Any, bytes] | None:
    head, body = None, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some(65536))
        elif isinstance(event, h11.Request | h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return head, body
        else:
            return None


def _named(headers: Any) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in headers}
