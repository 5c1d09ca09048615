"""WebSockets to servers that do not keep to the protocol, or go in the middle of it. The other side is bare TCP."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha1

import pytest
import trio
import trio.testing

from parlance.actors.dial import Dial, Service
from parlance.actors.pool import Pool
from parlance.actors.websocket import socket
from parlance.engine.errors import Garbled, Overloaded, ProviderError, Unreachable

Talk = Callable[[trio.SocketStream], Awaitable[None]]


class Settings(Service):
    url: str = "wss://provider.invalid/ws"
    key_env: str = "TEST_API_KEY"


def frame(kind: int, data: bytes = b"", *, last: bool = True) -> bytes:
    """Of a server, shorter than 126 bytes."""
    return bytes([last << 7 | kind, len(data)]) + data


async def asked(stream: trio.SocketStream) -> bytes:
    """The request of a handshake; what accepts it."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += await stream.receive_some()
    found = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
    assert found is not None
    return b64encode(sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def accepted(key: bytes, more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + b"Sec-WebSocket-Accept: " + key + b"\r\n" + more + b"\r\n"


def answers(made: Callable[[bytes], bytes], *, stays: bool = True) -> Talk:
    """A server that answers a handshake so, and then goes or says nothing."""

    async def talk(stream: trio.SocketStream) -> None:
        await stream.send_all(made(await asked(stream)))
        while stays and await stream.receive_some():
            pass

    return talk


async def pings(stream: trio.SocketStream) -> None:
    """A server that says hello in two pieces with a ping between, and answers whatever it gets with pings."""
    hello = frame(1, b"hel", last=False) + frame(9, b"?") + frame(0, b"lo")
    await stream.send_all(accepted(await asked(stream)) + hello)
    while await stream.receive_some():
        await stream.send_all(frame(9, b"still there?") * 2)


async def served(nursery: trio.Nursery, talk: Talk) -> Dial:
    async def one(stream: trio.SocketStream) -> None:
        try:
            await talk(stream)
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(stream)

    listeners = await nursery.start(partial(trio.serve_tcp, one, 0, host="127.0.0.1"))
    url = f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/ws"
    return Dial("p", Settings(url=url, key_env="TEST_API_KEY", connect=10))


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_API_KEY", "secret")


async def _broken(dial: Dial) -> None:
    async with socket(dial, dial.service.url) as line:
        assert await line.receive() == "hello"
        raise ValueError("mine")


async def test_pings_after_our_goodbye_end_nothing_but_the_connection(nursery: trio.Nursery) -> None:
    dial = await served(nursery, pings)
    with trio.fail_after(0.9):
        async with socket(dial, dial.service.url) as line:
            assert await line.receive() == "hello"
    with pytest.raises(ValueError, match="mine"):
        await _broken(dial)
    pool = Pool(dial, dial.service.url)
    await nursery.start(pool.run)
    for _ in range(3):
        async with pool.take() as line:
            assert await line.receive() == "hello"


HANDSHAKES: dict[str, tuple[Talk, type[ProviderError]]] = {
    "a wrong answer to the key": (answers(lambda key: accepted(b"wrong")), Garbled),
    "an extension that nobody wants": (answers(lambda key: accepted(key, b"Sec-WebSocket-Extensions: x\r\n")), Garbled),
    "a header of a megabyte": (answers(lambda key: accepted(key, b"X: " + b"x" * 1_000_000 + b"\r\n")), Garbled),
    "gone in the middle": (answers(lambda key: b"HTTP/1.1 101", stays=False), Unreachable),
    "gone in a refusal": (
        answers(lambda key: b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\nno", stays=False),
        Unreachable,
    ),
    "a refusal without end": (
        answers(lambda key: b"HTTP/1.1 429 No\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
        Garbled,
    ),
    "a refusal within a thousand brackets": (
        answers(lambda key: b"HTTP/1.1 503 No\r\nContent-Length: 4000\r\n\r\n" + b"[" * 4000),
        Overloaded,
    ),
}


@pytest.mark.parametrize("what", HANDSHAKES)
async def test_a_handshake_that_is_none_fails_at_once(nursery: trio.Nursery, what: str) -> None:
    talk, kind = HANDSHAKES[what]
    dial = await served(nursery, talk)
    with trio.fail_after(2), pytest.raises(ProviderError) as caught:
        async with socket(dial, dial.service.url):
            pass
    assert type(caught.value) is kind
    # And nobody who only keeps connections warm is ended by it.
    await nursery.start(Pool(dial, dial.service.url).run)
    await trio.testing.wait_all_tasks_blocked(0.02)


async def test_what_comes_with_the_handshake_is_not_lost(nursery: trio.Nursery) -> None:
    close = frame(1, b"words") + frame(8, b"\x03\xf0no")
    dial = await served(nursery, answers(lambda key: accepted(key) + close, stays=False))
    async with socket(dial, dial.service.url) as line:
        assert await line.receive() == "words"
        with pytest.raises(ProviderError, match="closed: 1008 no"):
            await line.receive()


async def test_a_connection_with_half_a_message_in_it_is_not_lent_again(nursery: trio.Nursery) -> None:
    async def deaf(stream: trio.SocketStream) -> None:
        await stream.send_all(accepted(await asked(stream)))
        await trio.sleep_forever()

    dial = await served(nursery, deaf)
    pool = Pool(dial, dial.service.url)
    await nursery.start(pool.run)
    async with pool.lend() as line:
        for _ in range(100):
            with trio.move_on_after(0.2) as late:
                await line.send(b"x" * 1_000_000)
            if late.cancelled_caught:
                break
        assert line.cut
        line.rest = True
    async with pool.lend() as other:
        assert other is not line
