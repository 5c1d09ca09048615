"""Ringover's streamer: binary L16 after a text of metadata, and the five messages of its README back. Pure.

What is sent to us is mod_audio_stream's, by inference: ringover/ringover-streamer documents what it takes only.
"""

from __future__ import annotations

from bench.dialects.fields import exactly, opened, query, sound, text
from bench.dialects.port import Clear, Dialect, Digits, Handshake, Message, Other, Ring, Told, Transfer, Unspoken
from parlance.codecs.format import Format


class Ringover(Dialect):
    name = carrier = "ringover"
    format = Format("pcm16", 8000)
    digits = False
    presses = transfers = True

    def handshake(self, ring: Ring) -> Handshake:
        path = query("/api/v1/media/ringover", token=ring.token, ticket=ring.ticket, agent=ring.agent)
        return Handshake(path)

    def hello(self, ring: Ring) -> list[Message]:
        """Numbers are integers without the plus."""
        return [self._hello(ring, self.format.rate)]

    def wrong(self, ring: Ring) -> list[Message]:
        return [self._hello(ring, 44100)]

    def _hello(self, ring: Ring, rate: int) -> str:
        caller, called = (int(number.lstrip("+") or 0) for number in (ring.caller, ring.called))
        return text({"call_id": ring.call, "from_number": caller, "to_number": called, "sampleRate": rate})

    def media(self, place: int, payload: bytes) -> Message:
        return payload

    def read(self, message: Message) -> list[Told]:
        said = opened(message)
        match said:
            case {"type": "streamAudio", "data": {"audioDataType": "raw", "sampleRate": rate, "audioData": coded}}:
                if rate != self.format.rate:
                    raise Unspoken(f"audio at {rate!r} Hz on a line of {self.format.rate} Hz")
                return [sound(coded, self.format)]
            case {"event": "break"}:
                exactly(said, {"event": "break"})
                return [Clear()]
            case {"event": "digits", "data": int() | str() as digits}:
                return [Digits(str(digits))]
            case {"event": "transfer", "data": int() | str() as number}:
                return [Transfer(str(number))]
            case {"event": "play", "file": str(file)}:
                return [Other(f"play {file}")]
        raise Unspoken(f"the streamer has no such message: {text(said)[:80]}")
