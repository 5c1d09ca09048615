"""WebSockets that are open before they are needed: warm ones, lent ones, and what becomes of those that end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from parlance.actors.dial import Dial, Service
from parlance.actors.pool import UNREAD, Pool
from parlance.engine.errors import Overloaded, ProviderError, Unreachable


class Settings(Service):
    url: str = "wss://provider.invalid/ws"
    key_env: str = "TEST_API_KEY"


class Server:
    """Answers "n" with the number of its connection, "die" with its end; `greets` it sends at once."""

    def __init__(self) -> None:
        self.url = ""
        self.opened = self.open = self.dying = 0
        self.refuses = False
        self.greets: list[str] = []
        self.got: list[str] = []

    async def talk(self, request: WebSocketRequest) -> None:
        if self.refuses:
            await request.reject(503, extra_headers=[(b"Retry-After", b"4")], body=b"full")
            return
        connection = await request.accept()
        self.opened += 1
        self.open += 1
        number = self.opened
        try:
            for text in self.greets:
                await connection.send_message(text)
            if self.dying:
                self.dying -= 1
                return
            while True:
                self.got.append(message := await connection.get_message())
                if message == "die":
                    return
                await connection.send_message(str(number) if message == "n" else message)
        except ConnectionClosed:
            pass
        finally:
            self.open -= 1


@pytest.fixture
async def server(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("TEST_API_KEY", "secret")
    made = Server()
    served = await nursery.start(partial(serve_websocket, made.talk, "127.0.0.1", 0, ssl_context=None))
    made.url = f"ws://127.0.0.1:{served.port}/ws"
    return made


def pool(server: Server, *, keep: str | None = None, every: float = 1000.0, **settings: Any) -> Pool:
    service = Settings(**{"url": server.url, **settings})
    return Pool(Dial("p", service), server.url, keep=keep, every=every)


@asynccontextmanager
async def running(made: Pool) -> AsyncIterator[Pool]:
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        yield made
        nursery.cancel_scope.cancel()


async def until(true: Callable[[], bool]) -> None:
    with trio.fail_after(3):
        while not true():
            await trio.sleep(0.005)


async def number(made: Any) -> str:
    async with made as line:
        await line.send("n")
        line.rest = True
        return str(await line.receive())


def warm(made: Pool, count: int = 1) -> Callable[[], bool]:
    return lambda: len(made._idle) == count


async def test_a_connection_is_open_before_it_is_needed_and_then_another(server: Server) -> None:
    async with running(pool(server)) as made:
        await until(warm(made))
        async with made.take() as line:
            await until(lambda: server.opened == 2)
            await line.send("n")
            assert await line.receive() == "1"
        await until(lambda: server.open == 1)
        assert await number(made.take()) == "2"
    await until(lambda: server.open == 0)


async def test_without_its_run_each_use_opens_its_own(server: Server) -> None:
    made = pool(server)
    assert [await number(made.take()), await number(made.lend())] == ["1", "2"]
    await until(lambda: server.open == 0)


async def test_a_lent_connection_goes_from_reply_to_reply(server: Server) -> None:
    async with running(pool(server, warm=0)) as made:
        for _ in range(3):
            assert await number(made.lend()) == "1"
            await until(warm(made))
        assert await number(made.take()) == "1"
        await until(lambda: server.open == 0)


@pytest.mark.parametrize("ends", ["not at rest", "error", "cancelled"])
async def test_a_lent_connection_that_is_not_left_in_order_is_closed(server: Server, ends: str) -> None:
    async with running(pool(server, warm=0)) as made:
        with trio.CancelScope() as scope:
            try:
                async with made.lend() as line:
                    line.rest = ends != "not at rest"
                    if ends == "error":
                        raise Unreachable("p", "x")
                    if ends == "cancelled":
                        scope.cancel()
                        await trio.sleep(1)
            except Unreachable:
                pass
        await until(lambda: server.open == 0)
        assert not made._idle


async def test_what_came_while_nobody_listened_is_received_first(server: Server) -> None:
    server.greets = ["hello", "there"]
    async with running(pool(server)) as made:
        await until(lambda: bool(made._idle) and len(made._idle[0].line.early) == 2)
        async with made.take() as line:
            await line.send("n")
            assert [await line.receive() for _ in range(3)] == ["hello", "there", "1"]


async def test_a_connection_that_talks_to_nobody_is_closed(server: Server) -> None:
    server.greets = ["x"] * UNREAD
    async with running(pool(server)):
        await until(lambda: server.opened == 2)


async def test_an_idle_connection_is_kept_alive(server: Server) -> None:
    async with running(pool(server, keep="alive", every=0.05)) as made:
        await until(lambda: server.got[:3] == ["alive"] * 3)
        await until(warm(made))
        async with made.take() as line:
            await trio.sleep(0.15)
            await line.send("n")
            told = await line.receive()
            while told == "alive":
                told = await line.receive()
            assert told == "1"


async def test_a_connection_is_replaced_at_its_lifetime_before_it_is_closed(server: Server) -> None:
    least = 9
    async with running(pool(server, lifetime=1)) as made:
        await until(warm(made))
        with trio.fail_after(3):
            while server.opened < 2 or server.open > 1:
                least = min(least, len(made._idle))
                await trio.sleep(0.005)
        assert least == 1
        assert await number(made.take()) == "2"


async def test_one_that_dies_while_nobody_uses_it_is_replaced_in_silence(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parlance.actors.warmth.FIRST_PAUSE", 0.1)
    server.dying = 2
    async with running(pool(server)) as made:
        await until(lambda: server.opened == 3)
        await until(warm(made))
        assert await number(made.take()) == "3"


async def test_a_refusal_is_told_to_whoever_takes_and_to_nobody_else(server: Server) -> None:
    server.refuses = True
    async with running(pool(server)) as made:
        for use in (made.take, made.lend):
            with pytest.raises(Overloaded) as caught:
                async with use():
                    pass
            assert str(caught.value) == "p: 503 full"
            assert caught.value.after == 4.0
        server.refuses = False
        assert await number(made.take()) == "1"


async def test_whoever_stops_waiting_for_a_connection_leaves_none(nursery: trio.Nursery) -> None:
    open_streams: list[trio.SocketStream] = []

    async def silent(stream: trio.SocketStream) -> None:
        open_streams.append(stream)
        async with stream:
            while await stream.receive_some():
                pass
        open_streams.remove(stream)

    listeners = await nursery.start(partial(trio.serve_tcp, silent, 0, host="127.0.0.1"))
    server = Server()
    server.url = f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/ws"
    async with running(pool(server, warm=0)) as made:
        with trio.move_on_after(0.1) as scope:
            async with made.lend():
                pass
        assert scope.cancelled_caught
        await until(lambda: not open_streams)


async def test_a_connection_in_use_ends_with_the_pool(server: Server) -> None:
    made, errors = pool(server), []

    async def use(*, task_status: trio.TaskStatus[None]) -> None:
        try:
            async with made.take() as line:
                task_status.started()
                await line.receive()
        except ProviderError as error:
            errors.append(error)

    async with trio.open_nursery() as users:
        async with running(made):
            await until(warm(made))
            await users.start(use)
        await until(lambda: bool(errors))
    await until(lambda: server.open == 0)


async def test_many_at_once(server: Server) -> None:
    numbers: list[str] = []

    async def one() -> None:
        numbers.append(await number(made.lend()))

    async with running(pool(server, warm=2)) as made:
        for _ in range(3):
            async with trio.open_nursery() as users:
                for _ in range(20):
                    users.start_soon(one)
            await until(lambda: len(made._idle) == server.open)
        assert len(numbers) == 60
        assert server.opened <= 24
    await until(lambda: server.open == 0)
