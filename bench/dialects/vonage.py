"""Vonage's WebSocket endpoint: binary L16 in frames of exactly 20 ms, and JSON text beside it. Pure."""

from __future__ import annotations

from bench.dialects.fields import exactly, opened, text
from bench.dialects.port import Audio, Clear, Dialect, Handshake, Mark, Message, Ring, Told, Unspoken
from parlance.codecs.format import Format


class Vonage(Dialect):
    carrier = "vonage"
    marks = True
    lead = 0.02

    def __init__(self, rate: int = 16000) -> None:
        self.name = "vonage" if rate == 16000 else f"vonage{rate // 1000}"
        self.format = Format("pcm16", rate)

    def handshake(self, ring: Ring) -> Handshake:
        return Handshake("/api/v1/media/vonage")

    def hello(self, ring: Ring) -> list[Message]:
        return [self._hello(ring, self.format.rate)]

    def wrong(self, ring: Ring) -> list[Message]:
        return [self._hello(ring, 44100)]

    def _hello(self, ring: Ring, rate: int) -> str:
        """The endpoint's headers stand among Vonage's own fields; numbers have no plus."""
        headers = {
            "uuid": ring.call,
            "agent": ring.agent,
            "ticket": ring.ticket or ring.token,
            "from": ring.caller.lstrip("+"),
            "to": ring.called.lstrip("+"),
        }
        first = {"event": "websocket:connected", "content-type": f"audio/l16;rate={rate}"}
        return text({**first, **{name: value for name, value in headers.items() if value}})

    def media(self, place: int, payload: bytes) -> Message:
        return payload

    def digit(self, digit: str) -> list[Message]:
        return [text({"event": "websocket:dtmf", "digit": digit, "duration": 260})]

    def mark(self, name: str) -> Message:
        return text({"event": "websocket:notify", "payload": {"name": name}})

    def cleared(self) -> list[Message]:
        return ['{"event":"websocket:cleared"}']

    def read(self, message: Message) -> list[Told]:
        if isinstance(message, bytes):
            if len(message) != self.format.frame:
                raise Unspoken(f"{len(message)} bytes: a frame has exactly {self.format.frame}")
            return [Audio(message)]
        said = opened(message)
        match said:
            case {"action": "notify", "payload": {"name": str(name)}}:
                return [Mark(name)]
            case {"action": "clear"}:
                exactly(said, {"action": "clear"})
                return [Clear()]
        raise Unspoken(f"Vonage has no such message: {message[:80]}")
