"""Asterisk's AudioSocket, packets over TCP: cutting a stream into packets, and the wire whose messages they are. Pure.

A packet is a byte for its kind, two for the payload's length (most significant first) and the payload. Audio is signed
16-bit PCM, little-endian, mono. What is sent plays the moment it arrives: whoever carries these packets sends them when
they are due (`Pacer`), and throws away what waits when this wire says `CLEAR`.
Source: Asterisk's `res/res_audiosocket.c` and its documentation of AudioSocket.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from parlance.actors.media.dialect import Dialect
from parlance.actors.media.envelope import shown
from parlance.actors.media.port import Digit, Message, Signal, Started, Stopped
from parlance.codecs.format import FRAME_MS, Format
from parlance.engine.errors import LineError

HANGUP, IDENTITY, DIGIT, ERROR = 0x00, 0x01, 0x03, 0xFF
RATES = {
    0x10: 8000,
    0x11: 12000,
    0x12: 16000,
    0x13: 24000,
    0x14: 32000,
    0x15: 44100,
    0x16: 48000,
    0x17: 96000,
    0x18: 192000,
}
"""Kinds of audio, and samples a second."""
HEADER = 3
CLEAR = "clear"
"""Text never crosses an AudioSocket: this is a word to our own end of it."""
SLIP = 0.1
"""Seconds of lateness that are caught up; what is later than that was a pause."""

_KINDS = {rate: kind for kind, rate in RATES.items()}
_DIGITS = frozenset("0123456789*#ABCD")


class Packets:
    """Cuts a stream. What is left over waits, at most one packet (64 KiB)."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that are whole now, header and all."""
        rest = self._rest
        rest += data
        packets: list[bytes] = []
        start = 0
        while len(rest) - start >= HEADER:
            end = start + HEADER + (rest[start + 1] << 8 | rest[start + 2])
            if end > len(rest):
                break
            packets.append(bytes(rest[start:end]))
            start = end
        del rest[:start]
        return packets


def packet(kind: int, payload: bytes = b"") -> bytes:
    return bytes((kind, len(payload) >> 8, len(payload) & 0xFF)) + payload


def duration(data: bytes) -> float:
    """Seconds of audio in a packet; 0 for one of another kind."""
    rate = RATES.get(data[0])
    return 0.0 if rate is None else (len(data) - HEADER) / 2 / rate


class Pacer:
    """When the next packet may go: each as long after the one before as that one's audio lasts."""

    def __init__(self) -> None:
        self.due = 0.0

    def wait(self, queued: float, now: float) -> float:
        """Seconds until a packet that was queued at `queued` may go; 0 or less: now."""
        self.due = max(self.due, queued, now - SLIP)
        return self.due - now

    def sent(self, seconds: float) -> None:
        self.due += seconds


class AudioSocket(Dialect):
    """One connection. `token`: lets it in where its source is trusted; else its UUID has to be one call's ticket."""

    carrier = "asterisk"
    batch = FRAME_MS / 1000

    def __init__(self, rate: Literal[8000, 16000, 24000, 48000] = 8000, *, agent: str = "", token: str = "") -> None:
        self.format = Format("pcm16", rate)
        self._agent, self._token = agent, token
        self._kind = _KINDS[rate]
        self._started = False
        self._header = packet(self._kind, bytes(self.format.frame))[:HEADER]

    def receive(self, data: Message) -> bytes | Signal | None:
        """One packet. Fatal are audio at another rate, and what comes before the UUID or is a second one."""
        if isinstance(data, str) or len(data) < HEADER or (data[1] << 8 | data[2]) != len(data) - HEADER:
            raise LineError(f"{shown(data)} is no whole packet")
        kind = data[0]
        if not self._started and kind in (*RATES, DIGIT):
            raise LineError("the first packet must be the UUID", fatal=True, code=1002)
        if kind == self._kind:
            if not len(data) % 2:
                raise LineError(f"{len(data) - HEADER} bytes are no whole number of 16-bit samples")
            return data[HEADER:] or None
        if kind == HANGUP:
            return Stopped("hung up")
        if kind == DIGIT:
            return _digit(data[HEADER:])
        if kind == IDENTITY:
            return self._start(data[HEADER:])
        if kind == ERROR:
            return Stopped(f"Asterisk reports error {data[HEADER:].hex()[:8] or 'without a code'}")
        if kind in RATES:
            raise LineError(
                f"audio at {RATES[kind]} Hz is not taken: this endpoint takes {self.format.rate} Hz",
                fatal=True,
                code=1003,
            )
        return None

    def _start(self, payload: bytes) -> Started:
        if self._started:
            raise LineError("the UUID came twice", fatal=True, code=1002)
        if len(payload) != 16:
            raise LineError(f"a UUID has 16 bytes, not {len(payload)}", fatal=True)
        self._started = True
        call = str(UUID(bytes=payload))
        return Started(agent=self._agent, call=call, ticket=self._token or call)

    def audio(self, payload: bytes) -> Message:
        if len(payload) == self.format.frame:
            return self._header + payload
        return packet(self._kind, payload)

    def clear(self) -> Message | None:
        return CLEAR

    def goodbye(self, reason: str) -> Sequence[Message]:
        return (packet(HANGUP),)


def _digit(payload: bytes) -> Digit:
    digit = payload.decode("latin-1")
    if digit not in _DIGITS:
        raise LineError(f"{shown(digit)} is not a digit of a telephone")
    return Digit(digit)
