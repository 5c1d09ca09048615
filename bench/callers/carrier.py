"""A carrier's side of a call as the callers need it: whole WebSocket frames, made beforehand and heard without waiting.

The dialects are those of `bench.dialects`. The recordings are µ-law at 8 kHz, and are converted once for all callers;
what the agent sends is kept as it comes, and is put into µ-law after the run, when there is time. Pure.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator

from bench.callers import wire
from bench.callers.speech import Speech
from bench.dialects import DIALECTS
from bench.dialects.port import Audio, Clear, Mark, Message, Ring, Unspoken
from bench.measure.record import Record
from bench.measure.track import RATE
from parlance.codecs.convert import convert
from parlance.codecs.format import TELEPHONE

SPOKEN = ("twilio", "ringover", "acs")
"""The dialects whose audio is found in a message without reading all of it."""
_AUDIO = {
    "twilio": re.compile(rb'"payload"\s*:\s*"([^"]*)"').search,
    "ringover": re.compile(rb'"audioData"\s*:\s*"([^"]*)"').search,
    "acs": re.compile(rb'"Data"\s*:\s*"([^"]*)"').search,
}


class Carrier:
    """The dialect `name` (one of `SPOKEN`), for callers who say what is in `speech`."""

    def __init__(self, name: str, speech: Speech | None = None) -> None:
        self.dialect = DIALECTS[name]()
        self.second = self.dialect.format.second
        """Bytes of a second of audio."""
        self._audio = _AUDIO[name]
        self._plain = self.dialect.format == TELEPHONE
        # Clip by clip: a frame that is converted by itself begins and ends with a click.
        clips = () if speech is None or self._plain else (*speech.long, *speech.short, speech.cough, speech.noise)
        self._converted = {before: after for clip in clips for before, after in self._frames(clip)}
        self._settled: dict[bytes, bytes] = {}

    def _frames(self, clip: tuple[bytes, ...]) -> Iterator[tuple[bytes, bytes]]:
        size = self.dialect.format.frame
        whole = convert(b"".join(clip), TELEPHONE, self.dialect.format)
        return ((frame, whole[at * size : (at + 1) * size]) for at, frame in enumerate(clip))

    # ----------------------------------------------------------------------------------- what is sent

    def request(self, host: str, path: str, ring: Ring) -> bytes:
        """The opening handshake. `path` in place of the dialect's own, if it is not empty."""
        shake = self.dialect.handshake(ring)
        return wire.upgrade(host, path or shake.path, shake.headers)

    def hello(self, ring: Ring) -> bytes:
        return b"".join(map(_framed, self.dialect.hello(ring)))

    def media(self, place: int, sound: bytes) -> bytes:
        """20 ms of µ-law; `place` counts a stream's frames from 0."""
        payload = sound if self._plain else self._converted[sound]
        return _framed(self.dialect.media(place, payload))

    def mark(self, name: str) -> bytes:
        return _framed(self.dialect.mark(name))

    def stop(self, ring: Ring) -> bytes:
        return b"".join(map(_framed, self.dialect.stop(ring)))

    # ---------------------------------------------------------------------------------- what is heard

    def audio(self, message: bytes) -> bytes | None:
        """The base64 of the audio in a text, or None."""
        if (found := self._audio(message)) is None:
            return None
        coded = found[1]
        # JSON may write a slash as \/, and base64 has slashes.
        return coded.replace(b"\\", b"") if b"\\" in coded else coded

    def told(self, message: bytes) -> list[Clear | Mark]:
        """What a text without audio asks for. Raises `wire.BadAnswer`."""
        try:
            said = self.dialect.read(message.decode("utf-8", "replace"))
        except Unspoken as error:
            raise wire.BadAnswer(str(error)) from None
        if any(isinstance(one, Audio) for one in said):
            raise wire.BadAnswer(f"audio in another form than usual: {message[:60]!r}")
        return [one for one in said if isinstance(one, Clear | Mark)]

    def samples(self, coded: bytes) -> int:
        """How many samples at 8 kHz this base64 is, whatever it holds."""
        size = len(coded)
        pad = 0 if coded[-1:] != b"=" else 2 if coded[-2:] == b"==" else 1
        count = size * 3 // 4 - pad
        return count if self._plain else count * RATE // self.second

    # --------------------------------------------------------------------------------- after the run

    def settle(self, record: Record) -> None:
        """Put what was heard into µ-law, which the measure reads."""
        if not self._plain:
            record.pieces[:] = [
                (begin, arrived, count, self._mulaw(coded)) for begin, arrived, count, coded in record.pieces
            ]

    def _mulaw(self, coded: bytes) -> bytes:
        """Kept, because agents that rehearse say the same to everybody."""
        if (known := self._settled.get(coded)) is None:
            plain = convert(a2b_base64(coded), self.dialect.format, TELEPHONE)
            known = self._settled[coded] = b2a_base64(plain, newline=False)
        return known


def _framed(message: Message) -> bytes:
    if isinstance(message, bytes):
        return wire.frame(wire.BINARY, message)
    return wire.frame(wire.TEXT, message.encode("utf-8"))
