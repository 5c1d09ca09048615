"""One port for several worker processes: which of them takes the next connection.

All workers wait at the same listening sockets, and all of them wake up. Each writes on a board in shared memory how
much it has to do; who has least takes the connection, and the others leave it alone for a moment. A worker that is full
or saturated is passed over while another one has room. Nothing is lost with a worker that ends: what it did not accept
is still there for the others.
"""

from __future__ import annotations

import errno
import mmap
import os
import select
import socket as sockets
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import trio

ABSENT = 2**31 - 1
"""The load of a worker that does not run, or not yet."""
FULL = 2**30
"""Added to the load of a worker that takes no calls."""
STEP = 0.002
"""Seconds between two looks at a connection that somebody else should take."""
PATIENCE = 0.03
"""Seconds without anybody taking one after which it is taken all the same: the other worker may hang."""
RELUCTANCE = 1.0
"""The same for a worker that would only refuse it, while another one has room."""
REFRESH = 1.0
"""Seconds between two times that a worker in whose load nothing seems to change writes it down."""

# Native, so that a number is written as a whole: another process may read at any moment.
_SLOT = struct.Struct("@iI")

_PASSING = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNABORTED EPERM EPROTO ENETDOWN ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH EOPNOTSUPP ENETUNREACH "
        "ENOSR ESOCKTNOSUPPORT EPROTONOSUPPORT ETIMEDOUT ECONNRESET"
    ).split()
    if hasattr(errno, name)
)
"""What is wrong with one connection and not with the listening socket: accept(2), and `trio.SocketListener`."""


class Board:
    """Every worker's load, and how many connections it has taken. One writes its own slot only; all may read."""

    def __init__(self, descriptor: int, workers: int) -> None:
        self.descriptor = descriptor
        self.workers = workers
        self._memory = mmap.mmap(descriptor, workers * _SLOT.size)

    @classmethod
    def make(cls, workers: int) -> Board:
        """A board on which nobody is present. Its descriptor is to be inherited by the workers."""
        with tempfile.TemporaryFile(prefix="parlance-") as file:
            file.truncate(workers * _SLOT.size)
            board = cls(os.dup(file.fileno()), workers)
        for index in range(workers):
            board.write(index, ABSENT)
        return board

    def write(self, index: int, load: int, taken: int = 0) -> None:
        _SLOT.pack_into(self._memory, index * _SLOT.size, load, taken % 2**32)

    def read(self) -> list[int]:
        """Every worker's load."""
        return [load for load, _ in self._slots()]

    def taken(self) -> list[int]:
        """Connections that each worker has taken: numbers that change whenever somebody takes one."""
        return [taken for _, taken in self._slots()]

    def _slots(self) -> Iterator[tuple[int, int]]:
        return _SLOT.iter_unpack(self._memory[:])

    def close(self) -> None:
        self._memory.close()
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Share:
    """What the parent gives a worker: descriptors of the listening sockets and of the board, and its place on it."""

    sockets: tuple[int, ...]
    board: int
    index: int
    workers: int

    def __str__(self) -> str:
        """As a command line's argument."""
        return f"{','.join(map(str, self.sockets))}:{self.board}:{self.index}:{self.workers}"

    @classmethod
    def parse(cls, text: str) -> Share:
        sockets, board, index, workers = text.split(":")
        return cls(tuple(map(int, sockets.split(","))), int(board), int(index), int(workers))


class Queue:
    """A worker's place at the port. `load`: how many calls it has, `FULL` and more if it takes none, `ABSENT` if it
    cannot yet.
    """

    def __init__(self, share: Share, load: Callable[[], int]) -> None:
        self.board = Board(share.board, share.workers)
        self.left = False
        """Whether no connection is taken here any more."""
        self._index, self._load = share.index, load
        self._undecided = self._taken = 0
        self._sockets = [sockets.socket(fileno=descriptor) for descriptor in share.sockets]
        for listener in self._sockets:
            listener.setblocking(False)

    def listeners(self) -> Sequence[Turnstile]:
        return [Turnstile(self, listener) for listener in self._sockets]

    def leave(self) -> None:
        """Take no more connections, and hold the port no longer."""
        self.left = True
        for listener in self._sockets:
            _close(listener)

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """While it is open whether a connection becomes a call, it counts as one."""
        self._undecided += 1
        self.write()
        try:
            yield
        finally:
            self._undecided -= 1
            self.write()

    async def keep(self) -> None:
        """Write down what we have to do, also while nobody comes to the port."""
        while True:
            self.write()
            await trio.sleep(REFRESH)

    def write(self) -> int:
        """Write down what we have to do; the load that was written."""
        load = min(self._load() + self._undecided, ABSENT)
        self.board.write(self._index, load, self._taken)
        return load

    def loads(self) -> list[int | None]:
        """Calls of every worker, with connections that may become calls; None for one that does not run yet."""
        self.write()
        return [None if load == ABSENT else load % FULL for load in self.board.read()]

    def took(self) -> None:
        """We have taken a connection, and the others see it."""
        self._taken += 1
        self.write()

    def turn(self) -> float:
        """Seconds for which the next connection is to be left to others: 0 if nobody present has less to do."""
        load, loads = self.write(), self.board.read()
        least = min(loads)
        if load <= least:
            return 0.0
        return RELUCTANCE if load >= FULL > least else PATIENCE


class Turnstile(trio.abc.Listener[trio.SocketStream]):
    """One listening socket that several workers accept from."""

    def __init__(self, queue: Queue, listener: sockets.socket) -> None:
        self.socket = listener
        self._queue = queue

    async def accept(self) -> trio.SocketStream:
        """The next connection that is ours to take; none comes after `Queue.leave`.

        Raises `trio.ClosedResourceError`, and OSError where the system has no room for a connection (EMFILE and the
        like), which `trio.serve_listeners` waits out.
        """
        try:
            while True:
                connection = await self._next()
                if connection is not None:
                    self._queue.took()
                    connection.setblocking(False)
                    return trio.SocketStream(trio.socket.from_stdlib_socket(connection))
        except trio.ClosedResourceError:
            if not self._queue.left:
                raise
        await trio.sleep_forever()
        raise AssertionError("unreachable")

    async def _next(self) -> sockets.socket | None:
        """A connection; None if somebody else has it, or if it broke before it was taken."""
        self._check()
        await trio.lowlevel.wait_readable(self.socket)
        since, taken = trio.current_time(), self._queue.board.taken()
        # Another process writes the board: there is no event to wait for.
        while trio.current_time() < since + self._queue.turn():
            await trio.sleep(STEP)
            self._check()
            if not self._waiting():
                return None
            if (changed := self._queue.board.taken()) != taken:
                since, taken = trio.current_time(), changed
        try:
            return self.socket.accept()[0]
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno not in _PASSING:
                raise
            return None

    def _check(self) -> None:
        if self.socket.fileno() == -1:
            raise trio.ClosedResourceError("this listening socket was closed")

    def _waiting(self) -> bool:
        """Whether there is a connection to take."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(0))

    async def aclose(self) -> None:
        _close(self.socket)
        await trio.lowlevel.checkpoint()


def _close(listener: sockets.socket) -> None:
    if listener.fileno() != -1:
        trio.lowlevel.notify_closing(listener)
        listener.close()
