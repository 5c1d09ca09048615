"""Several workers at one port: who has least to do takes the next connection. All of them in this process."""

from __future__ import annotations

import errno
import os
import socket as sockets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, cast

import pytest
import trio
import trio.testing

from parlance.http import share
from parlance.http.door import Handshake
from parlance.http.serve import serve
from parlance.http.share import ABSENT, FULL, PATIENCE, REFRESH, Board, Queue, Share, Turnstile

LONG = 0.6
"""For `PATIENCE`, in seconds, where the test is that nobody waits for so long."""


class Worker:
    def __init__(self, share: Share) -> None:
        self.queue = Queue(share, lambda: self.load)
        self.load = 0
        self.taken = 0
        self.pause = 0.0
        """Seconds that it is busy after each connection."""

    async def run(self) -> None:
        (turnstile,) = self.queue.listeners()
        while True:
            stream = await turnstile.accept()
            await trio.sleep(self.pause)
            self.taken += 1
            self.load += 1
            await stream.send_all(bytes([self.queue._index]))
            await stream.aclose()

    def close(self) -> None:
        for listener in self.queue._sockets:
            listener.close()
        self.queue.board.close()


@contextmanager
def crowd(count: int) -> Iterator[tuple[int, list[Worker], Board]]:
    """The port, the workers (which do not run yet) and the parent's board."""
    board = Board.make(count)
    with sockets.create_server(("127.0.0.1", 0)) as listener:
        workers = [
            Worker(Share((os.dup(listener.fileno()),), os.dup(board.descriptor), index, count))
            for index in range(count)
        ]
        try:
            yield listener.getsockname()[1], workers, board
        finally:
            for worker in workers:
                worker.close()
            board.close()


@asynccontextmanager
async def running(*workers: Worker) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for worker in workers:
            worker.queue.write()
            nursery.start_soon(worker.run)
        yield
        nursery.cancel_scope.cancel()


async def call(port: int) -> int:
    """Connect; the index of the worker that answered."""
    with trio.fail_after(3):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            return (await stream.receive_some(1))[0]


async def test_connections_are_spread_evenly() -> None:
    with crowd(3) as (port, workers, _):
        async with running(*workers):
            for _ in range(30):
                await call(port)
        assert [worker.taken for worker in workers] == [10, 10, 10]


async def test_who_has_less_to_do_comes_first() -> None:
    with crowd(2) as (port, workers, _):
        workers[0].load = 5
        async with running(*workers):
            assert [await call(port) for _ in range(5)] == [1] * 5


async def test_a_full_worker_is_passed_over_while_another_has_room_and_refuses_when_none_has() -> None:
    with crowd(2) as (port, workers, _):
        workers[0].load, workers[1].load = FULL, 80
        async with running(*workers):
            assert [await call(port) for _ in range(3)] == [1] * 3
            workers[1].load = FULL + 90
            assert await call(port) == 0


async def test_a_worker_that_hangs_delays_nobody_for_long() -> None:
    with crowd(2) as (port, workers, board):
        board.write(1, 0)
        workers[0].load = 7
        async with running(workers[0]):
            begin = trio.current_time()
            assert await call(port) == 0
            assert trio.current_time() - begin >= PATIENCE


async def test_a_worker_that_is_gone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "PATIENCE", LONG)
    with crowd(2) as (port, workers, board):
        assert board.read() == [ABSENT, ABSENT]
        workers[0].load = 7
        async with running(workers[0]):
            begin = trio.current_time()
            await call(port)
            assert trio.current_time() - begin < LONG
        assert workers[0].queue.loads() == [8, None]


def test_a_share_survives_the_command_line() -> None:
    share = Share((3, 4), 5, 1, 2)
    assert Share.parse(str(share)) == share


async def test_closing_a_turnstile_ends_who_waits_at_it() -> None:
    with crowd(1) as (_, (worker,), _):
        turnstile = worker.queue.listeners()[0]
        assert isinstance(turnstile, Turnstile)
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await turnstile.accept()

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            await turnstile.aclose()


async def test_who_takes_one_after_the_other_is_left_alone_however_long_that_lasts() -> None:
    with crowd(2) as (port, workers, _):
        workers[0].load, workers[1].pause = 100, PATIENCE * 0.6
        got: list[int] = []

        async def dial() -> None:
            got.append(await call(port))

        async with running(*workers):
            async with trio.open_nursery() as callers:
                for _ in range(8):
                    callers.start_soon(dial)
        assert got == [1] * 8


@pytest.mark.parametrize("load", [FULL, ABSENT])
async def test_who_would_refuse_leaves_a_busy_worker_with_room_much_more_time(
    load: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share, "RELUCTANCE", 0.4)
    with crowd(2) as (port, workers, board):
        workers[0].load = load
        board.write(1, 80)
        async with running(workers[0]), await trio.open_tcp_stream("127.0.0.1", port):
            await trio.sleep(PATIENCE * 5)
            assert workers[0].taken == 0
            with trio.fail_after(1):
                while not workers[0].taken:
                    await trio.sleep(0.01)


async def test_a_connection_that_somebody_else_took_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "PATIENCE", LONG)
    with crowd(2) as (port, workers, board):
        board.write(1, 0)
        workers[0].load = 5
        (turnstile,) = workers[0].queue.listeners()
        async with await trio.open_tcp_stream("127.0.0.1", port), trio.open_nursery() as nursery:
            nursery.start_soon(turnstile._next)
            await trio.sleep(LONG / 3)
            with workers[1].queue._sockets[0].accept()[0]:
                begin = trio.current_time()
                while nursery.child_tasks:
                    await trio.sleep(0.001)
            assert trio.current_time() - begin < LONG / 3


class Failing:
    """A listening socket whose `accept` fails first."""

    def __init__(self, listener: sockets.socket, *errors: int) -> None:
        self.listener, self.errors = listener, list(errors)
        self.fileno, self.close = listener.fileno, listener.close

    def accept(self) -> tuple[sockets.socket, Any]:
        if self.errors:
            raise OSError(self.errors.pop(0), "as told")
        return self.listener.accept()


async def test_a_connection_that_broke_before_it_was_taken_is_passed_over() -> None:
    broken = (errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EAGAIN)
    with crowd(1) as (port, (worker,), _):
        (turnstile,) = worker.queue.listeners()
        turnstile.socket = failing = cast("Any", Failing(turnstile.socket, *broken))
        async with await trio.open_tcp_stream("127.0.0.1", port):
            with trio.fail_after(2):
                await (await turnstile.accept()).aclose()
        assert not failing.errors


async def test_a_lack_of_descriptors_is_waited_out_and_the_server_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    with crowd(1) as (port, (worker,), _):
        (turnstile,) = worker.queue.listeners()
        turnstile.socket = cast("Any", Failing(turnstile.socket, errno.EMFILE))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, lambda stream: stream.send_all(b"x"), [turnstile])
            assert await call(port) == ord("x")
            nursery.cancel_scope.cancel()
    assert "EMFILE" in caplog.text


async def test_another_error_is_the_server_s() -> None:
    with crowd(1) as (port, (worker,), _):
        (turnstile,) = worker.queue.listeners()
        turnstile.socket = cast("Any", Failing(turnstile.socket, errno.EFAULT))
        async with await trio.open_tcp_stream("127.0.0.1", port):
            with pytest.raises(OSError, match="as told"):
                await turnstile.accept()


class Reception:
    """A door at which every connection becomes a call, but only after a while."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    async def look(self, stream: trio.SocketStream) -> Handshake:
        self.worker.taken += 1
        await trio.sleep(0.3)
        return Handshake(*cast("Any", (None, None, None, {}, b"")))

    async def enter(self, stream: trio.SocketStream, handshake: Handshake) -> None:
        self.worker.load += 1


async def stay(port: int) -> None:
    async with await trio.open_tcp_stream("127.0.0.1", port):
        await trio.sleep_forever()


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nobody calls")


async def test_a_burst_is_spread_although_calls_exist_only_later_and_no_call_counts_twice() -> None:
    with crowd(2) as (port, workers, board):
        async with trio.open_nursery() as nursery:
            for worker in workers:
                worker.queue.write()
                front = partial(serve, nothing, host="", port=0, graceful=1, stop=trio.Event())
                await nursery.start(partial(front, door=cast("Any", Reception(worker)), queue=worker.queue))
            for _ in range(60):
                nursery.start_soon(stay, port)
            with trio.fail_after(3):
                while sum(worker.taken for worker in workers) < 60:
                    await trio.sleep(0.005)
            assert [worker.load for worker in workers] == [0, 0]
            assert board.read() == [worker.taken for worker in workers]
            assert all(28 <= worker.taken <= 32 for worker in workers)
            with trio.fail_after(3):
                while sum(worker.load for worker in workers) < 60:
                    await trio.sleep(0.005)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert board.read() == [worker.load for worker in workers] == [worker.taken for worker in workers]
            nursery.cancel_scope.cancel()


async def test_loads_are_of_this_moment_also_while_nobody_comes(autojump_clock: trio.testing.MockClock) -> None:
    with crowd(2) as (_, (one, two), _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(two.queue.keep)
            await trio.testing.wait_all_tasks_blocked()
            assert one.queue.loads() == [0, 0]
            one.load, two.load = 3, FULL + 4
            assert one.queue.loads() == [3, 0]
            await trio.sleep(REFRESH * 1.5)
            assert one.queue.loads() == [3, 4]
            two.load = ABSENT
            with two.queue.deciding():
                assert one.queue.loads() == [3, None]
            nursery.cancel_scope.cancel()


async def test_who_has_left_takes_nobody_and_frees_the_port_while_its_server_goes_on() -> None:
    with sockets.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        board = Board.make(1)
        worker = Worker(Share((os.dup(listener.fileno()),), os.dup(board.descriptor), 0, 1))
    async with trio.open_nursery() as nursery:
        stop = trio.Event()
        front = partial(serve, nothing, host="", port=0, graceful=1, stop=stop, queue=worker.queue)
        await nursery.start(front)
        await trio.testing.wait_all_tasks_blocked()
        worker.queue.leave()
        await trio.testing.wait_all_tasks_blocked()
        with sockets.create_server(("127.0.0.1", port)):
            assert len(nursery.child_tasks) == 1, "the server goes on"
        stop.set()
    worker.close()
    board.close()
