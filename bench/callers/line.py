"""One call over one socket, without waiting: dial, shake hands, send frames, hear what comes, hang up.

A call is told by the loop when its socket can be read or written, and when a frame is due. It ends once, and its
`Record` says by whom.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Callable
from enum import Enum
from time import perf_counter as clock
from typing import Any

from bench.callers import wire
from bench.callers.carrier import Carrier
from bench.callers.ear import Ear
from bench.dialects.port import Clear, Ring
from bench.measure.record import Record, Said

FRAME = 0.02
AT_ONCE = 16384
"""Bytes read at a time."""
MOST_UNREAD = 1 << 20
"""Bytes kept for a server that does not read; further frames are lost."""
LARGEST_HEAD = 16384
DUE = 2.0
"""Seconds that a server has to answer a call, where the run ends before it did."""

Address = tuple[socket.AddressFamily, Any]
"""Family and socket address, as `getaddrinfo` has them."""
Owes = Callable[[float, "Call"], None]
"""Called with the time at which the call has a mark to send back."""


class State(Enum):
    DIALING = 0
    SHAKING = 1
    OPEN = 2
    LEAVING = 3
    """We have hung up and wait for the server to close."""
    OVER = 4


UNANSWERED = (State.DIALING, State.SHAKING)


class Call:
    """`ring`: the call as its carrier knows it; `address`: family and socket address; `poller` watches the socket."""

    __slots__ = (
        "_address",
        "_carrier",
        "_head",
        "_inbox",
        "_missed",
        "_owes",
        "_poller",
        "_ring",
        "_socket",
        "_unsent",
        "ear",
        "open",
        "record",
        "state",
        "unread",
    )

    def __init__(
        self,
        record: Record,
        ring: Ring,
        carrier: Carrier,
        address: Address,
        poller: select.epoll,
        owes: Owes,
    ) -> None:
        self.record = record
        self.ear = Ear(record)
        self.state = State.DIALING
        self.open = False
        """Whether frames can be sent: `state` is OPEN."""
        self.unread = 0
        """Frames that the kernel did not take at once."""
        self._ring = ring
        self._carrier = carrier
        self._address = address
        self._poller = poller
        self._owes = owes
        self._inbox = wire.Inbox()
        self._head = b""
        self._unsent = bytearray()
        self._missed = False
        self._socket = socket.socket(address[0], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    @property
    def number(self) -> int:
        """The socket's file descriptor."""
        return self._socket.fileno()

    def dial(self, now: float, request: bytes) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unsent += request
        failed = self._socket.connect_ex(self._address[1])
        if failed not in (0, errno.EINPROGRESS):
            self._over(now, os.strerror(failed))
            return
        self._poller.register(self.number, select.EPOLLIN | select.EPOLLOUT)

    # --------------------------------------------------------------------------------- what is sent

    def send(self, data: bytes) -> None:
        if self._unsent:
            self.unread += 1
            if len(self._unsent) < MOST_UNREAD:
                self._unsent += data
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # The poller says so too, and what the server said last may still be read.
        if sent < len(data):
            self.unread += 1
            self._unsent += data[sent:]
            self._poller.modify(self.number, select.EPOLLIN | select.EPOLLOUT)

    def begin(self, now: float) -> None:
        """The frame that was due at `now` is the first of an utterance."""
        self._missed = self.state in UNANSWERED
        if self.open:
            self.record.talking = now - FRAME

    def end(self, now: float, said: Said) -> None:
        """The frame that was due at `now` is the last one. `said`: what it should have been, as planned.

        Only what had its beginning was said; what began before the server had answered the call is unsaid.
        """
        record = self.record
        if self._missed:
            record.unsaid.append(said)
        elif self.open and record.talking is not None:
            record.said.append(Said(said.kind, record.talking, now))
            record.talking = None
        elif self.open:
            record.partial.append(said)
        self._missed = False

    def echo(self, now: float) -> None:
        """Send back the marks that are due."""
        if self.open:
            self._marks(self.ear.due(now))

    def _marks(self, names: list[str]) -> None:
        for name in names:
            self.send(self._carrier.mark(name))

    def hang_up(self, now: float, *, abrupt: bool) -> None:
        """With the dialect's last word and a close frame, or as a line that is cut: with a reset."""
        if self.state in (State.LEAVING, State.OVER):
            return
        if abrupt or not self.open:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._over(now, "", by_server=False)
            return
        self.send(self._carrier.stop(self._ring) + wire.closing())
        self.open = False
        self.state = State.LEAVING
        self.record.ended, self.record.by = now, "us"

    def give_up(self, now: float) -> None:
        """The run is over and the socket is closed. A server that had no time to answer is not blamed."""
        if self.state is not State.OVER:
            self._over(now, "no answer to the handshake", by_server=now - self.record.dialed > DUE)

    # ------------------------------------------------------------------------------- what is heard

    def ready(self, now: float, event: int) -> None:
        """The poller's word."""
        if event & select.EPOLLOUT:
            self._flush(now)
        if event & ~select.EPOLLOUT and self.state is not State.OVER:
            self._read()

    def _flush(self, now: float) -> None:
        if self.state is State.DIALING:
            failed = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed:
                self._over(now, os.strerror(failed))
                return
            self.state = State.SHAKING
        try:
            sent = self._socket.send(self._unsent) if self._unsent else 0
        except BlockingIOError:
            return
        except OSError:
            return  # as in `send`
        del self._unsent[:sent]
        if not self._unsent:
            self._poller.modify(self.number, select.EPOLLIN)

    def _read(self) -> None:
        try:
            data = self._socket.recv(AT_ONCE)
        except BlockingIOError:
            return
        except OSError as error:
            self._over(clock(), os.strerror(error.errno or 0))
            return
        now = clock()
        if not data:
            self._over(now, "closed without a close frame")
            return
        try:
            if self.state is State.SHAKING:
                data = self._shake(now, data)
            if self.state in (State.OPEN, State.LEAVING):
                for opcode, payload in self._inbox.feed(data):
                    self._hear(now, opcode, payload)
        except wire.BadAnswer as error:
            self._over(now, f"bad WebSocket: {error}")

    def _shake(self, now: float, data: bytes) -> bytes:
        """The head of the response; what comes after it is returned."""
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if not found:
            if len(head) > LARGEST_HEAD:
                raise wire.BadAnswer("the response to the handshake has no end")
            return b""
        refusal = wire.upgraded(head)
        if refusal:
            self._over(now, refusal)
            return b""
        self.state = State.OPEN
        self.open = True
        self._head = b""
        self.send(self._carrier.hello(self._ring))
        self.record.started = now
        return rest

    def _hear(self, now: float, opcode: int, payload: bytes) -> None:
        if opcode == wire.TEXT:
            if self.open:
                self._message(now, payload)
        elif opcode == wire.PING:
            self.send(wire.frame(wire.PONG, payload))
        elif opcode == wire.CLOSE:
            if self.state is State.OPEN:
                self.send(wire.closing())
            self._over(now, wire.closed(payload))

    def _message(self, now: float, payload: bytes) -> None:
        carrier = self._carrier
        if (audio := carrier.audio(payload)) is not None:
            self.ear.media(now, audio, carrier.samples(audio))
            return
        for told in carrier.told(payload):
            if isinstance(told, Clear):
                self._marks(self.ear.clear(now))
                continue
            due = self.ear.mark(now, told.name)
            if due <= now:
                self.echo(now)
            else:
                self._owes(due, self)

    def _over(self, now: float, why: str, *, by_server: bool = True) -> None:
        """The end. Who hung up first ended it; the poller forgets a closed socket by itself."""
        self.state = State.OVER
        self.open = False
        if self.record.ended is None:
            self.record.ended = now
            self.record.by, self.record.why = ("server", why) if by_server else ("us", "")
        self._socket.close()
