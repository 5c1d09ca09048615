"""What media needs of a carrier: a `Wire` that knows its dialect and a `Socket` that carries it. Pure.

A wire is sans-IO: bytes and text in, audio and signals out, and the other way round. It keeps what its dialect needs
to remember (a stream id, a sequence number) and nothing else. Adding a carrier is adding a wire.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from parlance.codecs.format import Format
from parlance.engine.trace import TraceEvent


@dataclass(frozen=True, slots=True)
class Started:
    """The carrier has said which call this is. `agent` is empty where it did not say who shall answer."""

    agent: str = ""
    call: str = ""
    caller: str = ""
    called: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    ticket: str = ""
    """What lets this socket in: as the carrier was given it with the answer to its webhook, or set up with it."""
    again: bool = False
    """It says that it belongs to `call`, which was here before, and is no other."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A media socket's handshake, before it is accepted."""

    path: dict[str, str]
    """Parameters of the path."""
    query: dict[str, str]
    """Of a parameter that is given twice, the last."""
    headers: Mapping[str, str]
    """Names in lower case."""
    peer: str
    """The other side's address, with its port."""


@dataclass(frozen=True, slots=True)
class Marked:
    """Everything sent before mark `name` has been played (or thrown away by a `clear`)."""

    name: str


@dataclass(frozen=True, slots=True)
class Digit:
    digit: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The carrier says the call is over."""

    reason: str


Signal = Started | Marked | Digit | Stopped
Message = str | bytes


class Wire(Protocol):
    """One call's dialect."""

    carrier: str
    """The dialect's name, for records."""
    format: Format
    """Of the audio, both ways. Final once `Started` has been received."""
    marks: bool
    """Whether the other side echoes marks."""
    batch: float
    """Seconds of audio in one outgoing message: more where the other side buffers and can `clear`."""
    digits: bool
    """Whether the other side says which digits are pressed. If not, the audio is searched for their tones."""
    early: bool
    """Whether media may come before the call is answered: ringing, announcements."""

    def receive(self, data: Message) -> bytes | Signal | None:
        """One message of the other side: audio as bytes (no object is built for a frame), a signal, or None.

        Raises `LineError` for what the dialect does not allow, and for nothing else, whatever the data.
        """

    def hello(self, call: str, agent: str) -> Sequence[Message]:
        """What to send when the call has been admitted."""

    def audio(self, payload: bytes) -> Message | None:
        """Audio in `format`, to be played after everything sent before; None if it waits for what follows."""

    def mark(self, name: str) -> Message | None:
        """A request to echo `name` when everything sent before it has been played; None without marks."""

    def clear(self) -> Message | None:
        """A request to throw away everything not yet played; None where the dialect has none."""

    def press(self, digits: str) -> Sequence[Message] | None:
        """What presses these digits (0-9, *, #, A-D) at the other side; None where the dialect has no word for it."""

    def transfer(self, number: str) -> Sequence[Message] | None:
        """What connects the caller with `number` (E.164 with its plus); None where the dialect has no word for it."""

    def announce(self, event: TraceEvent) -> Sequence[Message]:
        """What this dialect tells its other side of an event of the call: mostly nothing."""

    def complaint(self, error: str, *, code: str, retry: bool) -> Sequence[Message]:
        """An error message for the other side, where the dialect has one. `code` is one word."""

    def goodbye(self, reason: str) -> Sequence[Message]:
        """What to send before the socket is closed in good order."""


class Socket(Protocol):
    """One carrier's media socket, whichever door it came through."""

    peer: str
    """The other side's address, for records."""

    async def receive(self) -> Message:
        """The next message. Raises `LineGone` when the other side has gone."""

    async def listen(self, hear: Callable[[Message], None]) -> None:
        """Call `hear` with every message from now on, until `LineGone` is raised.

        How the messages get there is the socket's business: a task of its own, or the reactor's pass.
        """

    def send(self, data: Message) -> None:
        """Queue a message; never waits. Raises `Stalled` when the oldest queued one is older than the bound.

        After the other side has gone, what is sent is dropped: `receive` tells.
        """

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued and close, within a second. Closing twice is allowed."""

    def drop(self) -> None:
        """The call that had the socket is over: what is left of it is cut, if nobody has closed it."""
