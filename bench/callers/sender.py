"""The sender of requests that are due on one absolute schedule, over connections that are kept, in one loop."""

from __future__ import annotations

import select
import socket
from collections import Counter, deque
from collections.abc import Sequence
from time import perf_counter as clock

CONNECTIONS = 16
PATIENCE = 5.0
"""Seconds that answers are waited for."""


class Connection:
    """One kept connection, with at most one request on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0.0
        self.last = False
        """The server takes no more requests on it."""
        self._got = b""

    def ask(self, request: bytes, now: float) -> None:
        # A kilobyte or two, on a socket with nothing else to send: it is taken whole.
        self.socket.sendall(request)
        self.sent = now

    def answer(self) -> int | None:
        """The status, once the answer is whole. Raises `ConnectionError` if there will be none."""
        some = self.socket.recv(65536)
        if not some:
            raise ConnectionError("the server closed a connection with a request on it")
        self._got += some
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return None
        first, *lines = head.lower().split(b"\r\n")
        headers = {name: value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        if len(body) < int(headers.get(b"content-length", 0)):
            return None
        self._got = b""
        self.last = headers.get(b"connection") == b"close"
        return int(first.split(b" ")[1])


class Sender:
    """Sends on its schedule, and takes down what was answered, and when."""

    def __init__(self, port: int) -> None:
        self.took: list[float] = []
        self.late: list[float] = []
        self.statuses: Counter[int] = Counter()
        self._port = port
        self._poller = select.epoll()
        self._idle: deque[Connection] = deque()
        self._busy: dict[int, Connection] = {}
        for _ in range(CONNECTIONS):
            self._connect()

    def _connect(self) -> None:
        connection = Connection(self._port)
        self._poller.register(connection.socket, select.EPOLLIN)
        self._idle.append(connection)

    def post(self, rate: float, requests: Sequence[bytes]) -> None:
        """A request that finds every connection busy waits, and is late. Raises `OSError`."""
        began = clock() + 0.1
        for number, request in enumerate(requests):
            due = began + number / rate
            while (now := clock()) < due or not self._idle:
                if now > due + PATIENCE:
                    raise TimeoutError(f"no request was answered for {PATIENCE:g} s")
                self._hear(due - now if self._idle else PATIENCE)
            connection = self._idle.popleft()
            self._busy[connection.socket.fileno()] = connection
            self.late.append(now - due)
            connection.ask(request, now)
        until = clock() + PATIENCE
        while self._busy and (now := clock()) < until:
            self._hear(until - now)

    def _hear(self, wait: float) -> None:
        for number, _ in self._poller.poll(max(0.0, wait)):
            if (connection := self._busy.get(number)) is None:
                continue
            if (status := connection.answer()) is None:
                continue
            self.took.append(clock() - connection.sent)
            self.statuses[status] += 1
            del self._busy[number]
            if connection.last:
                connection.socket.close()
                self._connect()
            else:
                self._idle.append(connection)
