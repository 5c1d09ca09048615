"""A WebSocket to a provider: what refusals and ends of it are called."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from parlance.actors.dial import Dial, Service
from parlance.actors.websocket import LARGEST, socket
from parlance.engine.errors import Garbled, Overloaded, ProviderError, Rejected, Unreachable

KEY = "key-that-is-secret"


class Settings(Service):
    url: str = "wss://provider.invalid/ws"
    key_env: str = "TEST_API_KEY"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_API_KEY", KEY)


async def meets(nursery: trio.Nursery, talk: Any) -> str | bytes:
    """The first message of a server that does `talk`."""
    served = await nursery.start(partial(serve_websocket, talk, "127.0.0.1", 0, ssl_context=None))
    url = f"ws://127.0.0.1:{served.port}/ws"
    with trio.fail_after(5):
        async with socket(Dial("p", Settings(url=url, key_env="TEST_API_KEY")), url) as line:
            return await line.receive()


@pytest.mark.parametrize(
    ("status", "kind", "after"),
    [(401, Rejected, None), (429, Overloaded, 3.0), (503, Overloaded, 3.0), (500, Unreachable, 3.0)],
)
async def test_a_refused_handshake(
    nursery: trio.Nursery, status: int, kind: type[ProviderError], after: float | None
) -> None:
    async def talk(request: WebSocketRequest) -> None:
        body = b'{"err_msg": "no ' + KEY.encode() + b'"}'
        await request.reject(status, extra_headers=[(b"Retry-After", b"3")], body=body)

    with pytest.raises(ProviderError) as caught:
        await meets(nursery, talk)
    assert type(caught.value) is kind
    assert (str(caught.value), caught.value.after) == (f"p: {status} no ***", after)


@pytest.mark.parametrize(
    ("code", "reason", "kind", "told"),
    [
        (1000, "bye", Unreachable, "connection closed: 1000 bye"),
        (1008, "wrong key", Rejected, "connection closed: 1008 wrong key"),
        (1008, "too many sessions", Overloaded, "connection closed: 1008 too many sessions"),
        (1009, "", Garbled, "sent a message of more than 1 MB"),
        (1009, "your message", Garbled, "connection closed: 1009 your message"),
        (1013, "later", Overloaded, "connection closed: 1013 later"),
    ],
)
async def test_a_close(nursery: trio.Nursery, code: int, reason: str, kind: type[ProviderError], told: str) -> None:
    async def talk(request: WebSocketRequest) -> None:
        await (await request.accept()).aclose(code, reason)

    with pytest.raises(ProviderError) as caught:
        await meets(nursery, talk)
    assert type(caught.value) is kind
    assert str(caught.value) == f"p: {told}"


@pytest.mark.parametrize("more", [0, 1])
async def test_the_largest_message_that_is_taken(nursery: trio.Nursery, more: int) -> None:
    async def talk(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message(b"x" * (LARGEST + more))
        with suppress(ConnectionClosed):
            await connection.get_message()

    if not more:
        assert len(await meets(nursery, talk)) == LARGEST
        return
    with pytest.raises(Garbled) as caught:
        await meets(nursery, talk)
    assert str(caught.value) == "p: sent a message of more than 1 MB"
