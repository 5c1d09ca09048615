"""What a carrier's side of a media socket has to know: how it comes in, what it sends, what it understands. Pure.

One class a dialect, written from the carrier's documents and from none of parlance's wires, so that the two check each
other. A dialect keeps nothing of a call: whatever it makes may be made once and sent by many callers. Whoever uses it
has the socket, the clock and the ear.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from parlance.codecs.format import Format

Message = str | bytes
"""A text or a binary message of the socket; over TCP: one packet."""


class Unspoken(Exception):
    """parlance sent what this carrier does not understand. Its text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Audio:
    """To be played after everything before; in the dialect's format."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Clear:
    """What was not played yet is thrown away."""


@dataclass(frozen=True, slots=True)
class Mark:
    """To be echoed when everything before it has been played."""

    name: str


@dataclass(frozen=True, slots=True)
class Digits:
    """Keys are to be pressed towards the caller."""

    digits: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """The caller is to be connected with this number, written as it was sent."""

    number: str


@dataclass(frozen=True, slots=True)
class Bye:
    """The carrier is to hang up."""


@dataclass(frozen=True, slots=True)
class Other:
    """Something else that this dialect has; it changes nothing that is heard."""

    what: str


Told = Audio | Clear | Mark | Digits | Transfer | Bye | Other


@dataclass(frozen=True, slots=True)
class Ring:
    """One call as its carrier knows it, and what lets its socket in.

    `ticket`: of this call; `token`: set up with the carrier once; `bearer`: what the carrier signs its handshake with.
    """

    call: str
    agent: str = ""
    ticket: str = ""
    token: str = ""
    bearer: str = ""
    caller: str = "+33600000001"
    called: str = "+33100000002"


@dataclass(frozen=True, slots=True)
class Handshake:
    """How the socket is asked for. `path`: with its query."""

    path: str
    headers: Sequence[tuple[str, str]] = ()
    subprotocols: Sequence[str] = field(default=())


class Dialect(ABC):
    """One carrier's side. What is set here is that of a dialect which cannot do anything."""

    name: str
    """In the registry."""
    carrier: str
    """As parlance calls it."""
    format: Format
    """Of the audio, both ways."""
    stream = False
    """Over bare TCP, and not over a WebSocket."""
    marks = False
    """Whether it echoes marks; `echoes`: also those that a clear has overtaken."""
    echoes = False
    clears = True
    """Whether it buffers what it gets, and can throw it away."""
    digits = True
    """Whether it tells pressed keys by message; if not, they are tones in the audio."""
    presses = False
    """Whether it can be told by message to press keys."""
    transfers = False
    """Whether it can be told by message to connect the caller with a number."""
    stops = False
    """Whether it says that the caller has hung up before it closes."""
    lead = 0.1
    """Seconds that a message to it lasts at most, beyond what is sent ahead of the ear."""

    def handshake(self, ring: Ring) -> Handshake:
        """How the socket is asked for; nothing that matters over TCP."""
        return Handshake("/")

    @abstractmethod
    def hello(self, ring: Ring) -> list[Message]:
        """What comes first, once the socket is open."""

    @abstractmethod
    def media(self, place: int, payload: bytes) -> Message:
        """20 ms of the caller; `place` counts a stream's frames from 0."""

    def digit(self, digit: str) -> list[Message]:
        """One key; nothing where they are tones."""
        return []

    def mark(self, name: str) -> Message:
        """The echo. Raises `Unspoken` where there are no marks."""
        raise Unspoken(f"{self.name} has no marks")

    def cleared(self) -> list[Message]:
        """The answer to a clear, where there is one."""
        return []

    def stop(self, ring: Ring) -> list[Message]:
        """The caller has hung up; nothing where closing says it."""
        return []

    def wrong(self, ring: Ring) -> list[Message]:
        """A hello, and audio where that says it, of a rate or coding that this dialect cannot be agreed on here;
        nothing where nobody says what the audio is.
        """
        return []

    @abstractmethod
    def read(self, message: Message) -> list[Told]:
        """What parlance has sent. Raises `Unspoken`."""
