"""Several workers at one port: who has least to do takes the next connection. All of them in this process."""

from __future__ import annotations

import os
import socket as sockets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio
import trio.testing

from parlance.http.share import ABSENT, FULL, PATIENCE, Board, Queue, Share, Turnstile


class Worker:
    def __init__(self, share: Share) -> None:
        self.queue = Queue(share, lambda: self.load)
        self.load = 0
        self.taken = 0
        self.awake = True

    async def run(self) -> None:
        (turnstile,) = self.queue.listeners()
        while True:
            stream = await turnstile.accept()
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
            worker.queue.mine()
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


async def test_a_worker_that_is_gone_is_not_waited_for() -> None:
    with crowd(2) as (port, workers, board):
        assert board.read() == [ABSENT, ABSENT]
        workers[0].load = 7
        async with running(workers[0]):
            begin = trio.current_time()
            await call(port)
            assert trio.current_time() - begin < PATIENCE
        assert workers[0].queue.loads() == [7, None]


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
