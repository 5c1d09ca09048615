"""Plivo's audio streams, bidirectional. Pure.

A checkpoint comes back as `playedStream` when it was reached, and not at all when it was cleared.
"""

from __future__ import annotations

from bench.dialects.fields import base64, opened, query, sound, text
from bench.dialects.port import Clear, Dialect, Digits, Handshake, Mark, Message, Ring, Told, Unspoken
from parlance.codecs.format import TELEPHONE, Format

STREAM = "20170ada-f610-433b-8758-c02a2aab3662"


class Plivo(Dialect):
    carrier = "plivo"
    marks = presses = stops = True

    def __init__(self, format: Format = TELEPHONE) -> None:
        self.format = format
        self._kind = "audio/x-mulaw" if format == TELEPHONE else "audio/x-l16"
        self.name = "plivo" if format == TELEPHONE else f"plivo{format.rate // 1000}"

    def handshake(self, ring: Ring) -> Handshake:
        said = {"token": ring.token, "ticket": ring.ticket, "agent": ring.agent, "from": ring.caller, "to": ring.called}
        return Handshake(query("/api/v1/media/plivo", **said))

    def hello(self, ring: Ring) -> list[Message]:
        return [self._hello(ring, self.format.rate)]

    def wrong(self, ring: Ring) -> list[Message]:
        return [self._hello(ring, 44100)]

    def _hello(self, ring: Ring, rate: int) -> str:
        start = {
            "callId": ring.call,
            "streamId": STREAM,
            "accountId": "MA0",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": self._kind, "sampleRate": rate},
        }
        return text({"sequenceNumber": 0, "event": "start", "start": start, "extra_headers": "{}"})

    def media(self, place: int, payload: bytes) -> Message:
        return (
            f'{{"sequenceNumber":{place + 1},"streamId":"{STREAM}","event":"media","media":{{"track":"inbound",'
            f'"timestamp":"{place * 20}","chunk":{place + 1},"payload":"{base64(payload)}"}},"extra_headers":"{{}}"}}'
        )

    def digit(self, digit: str) -> list[Message]:
        return [text({"event": "dtmf", "streamId": STREAM, "dtmf": {"track": "inbound", "digit": digit}})]

    def mark(self, name: str) -> Message:
        return text({"event": "playedStream", "streamId": STREAM, "name": name})

    def cleared(self) -> list[Message]:
        return [text({"event": "clearedAudio", "streamId": STREAM})]

    def stop(self, ring: Ring) -> list[Message]:
        return [text({"event": "stop", "streamId": STREAM, "stop": {"callId": ring.call}})]

    def read(self, message: Message) -> list[Told]:
        said = opened(message)
        match said:
            case {"event": "sendDTMF", "dtmf": str(digits)}:
                return [Digits(digits)]
            case {"event": _, "streamId": str(stream)} if stream != STREAM:
                raise Unspoken(f"{stream!r} is not the stream's id")
            case {"event": "playAudio", "media": {"contentType": self._kind, "sampleRate": rate, "payload": payload}}:
                if int(rate) != self.format.rate:
                    raise Unspoken(f"audio at {rate!r} Hz on a line of {self.format.rate} Hz")
                return [sound(payload, self.format)]
            case {"event": "checkpoint", "streamId": _, "name": str(name)}:
                return [Mark(name)]
            case {"event": "clearAudio", "streamId": _}:
                return [Clear()]
        raise Unspoken(f"Plivo has no such message: {text(said)[:80]}")
