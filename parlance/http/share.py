"""One port for several worker processes: which of them takes the next connection.

All workers wait at the same listening sockets, and all of them wake up. Each writes on a board in shared memory how
much it has to do; who has least takes the connection, and the others leave it alone for a moment. A worker that is full
or saturated is passed over while another one has room. Nothing is lost with a worker that ends: what it did not accept
is still there for the others.
"""

from __future__ import annotations

import mmap
import os
import socket as sockets
import struct
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

ABSENT = 2**31 - 1
"""The load of a worker that does not run."""
FULL = 2**30
"""Added to the load of a worker that takes no calls."""
STEP = 0.002
"""Seconds between two looks at a connection that somebody else should take."""
PATIENCE = 0.03
"""Seconds after which it is taken all the same: the other worker may hang."""

_SLOT = struct.Struct("=i")


class Board:
    """Every worker's load. One writes its own slot only; all may read."""

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

    def write(self, index: int, load: int) -> None:
        _SLOT.pack_into(self._memory, index * _SLOT.size, load)

    def read(self) -> list[int]:
        return [load for (load,) in _SLOT.iter_unpack(self._memory[:])]

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
    """A worker's place at the port. `load`: how much it has to do, `FULL` and more if it takes no calls."""

    def __init__(self, share: Share, load: Callable[[], int]) -> None:
        self.board = Board(share.board, share.workers)
        self._index, self._load = share.index, load
        self._sockets = [sockets.socket(fileno=descriptor) for descriptor in share.sockets]
        for listener in self._sockets:
            listener.setblocking(False)

    def listeners(self) -> Sequence[Turnstile]:
        return [Turnstile(self, listener) for listener in self._sockets]

    def loads(self) -> list[int | None]:
        """Calls of every worker, for people; None for one that does not run."""
        return [None if load == ABSENT else load % FULL for load in self.board.read()]

    def mine(self) -> bool:
        """Write down what we have to do, and whether nobody present has less."""
        load = self._load()
        self.board.write(self._index, load)
        return load <= min(self.board.read())


class Turnstile(trio.abc.Listener[trio.SocketStream]):
    """One listening socket that several workers accept from."""

    def __init__(self, queue: Queue, listener: sockets.socket) -> None:
        self.socket = listener
        self._queue = queue

    async def accept(self) -> trio.SocketStream:
        """The next connection that is ours to take."""
        while True:
            await trio.lowlevel.wait_readable(self.socket)
            limit = trio.current_time() + PATIENCE
            # Another process writes the board: there is no event to wait for.
            while not self._queue.mine() and trio.current_time() < limit:  # noqa: ASYNC110
                await trio.sleep(STEP)
            try:
                connection, _ = self.socket.accept()
            except BlockingIOError:
                continue  # Somebody else has it.
            connection.setblocking(False)
            return trio.SocketStream(trio.socket.from_stdlib_socket(connection))

    async def aclose(self) -> None:
        trio.lowlevel.notify_closing(self.socket)
        self.socket.close()
        await trio.lowlevel.checkpoint()
