"""The gateway of the RingCentral profile: control as text, audio as binary messages at 8 kHz. Pure."""

from __future__ import annotations

from bench.dialects.fields import opened, query, samples, text
from bench.dialects.port import Bye, Dialect, Handshake, Message, Ring, Told, Unspoken
from parlance.codecs.format import TELEPHONE, Format


class RingCentral(Dialect):
    """The gateway plays what it gets, and throws nothing away."""

    carrier = "ringcentral"
    clears = digits = False
    stops = True
    lead = 0.02

    def __init__(self, encoding: str = "mulaw") -> None:
        self.name = "ringcentral" if encoding == "mulaw" else f"ringcentral{encoding}"
        self.format = TELEPHONE if encoding == "mulaw" else Format("pcm16", 8000)
        self._encoding = encoding

    def handshake(self, ring: Ring) -> Handshake:
        path = query(
            "/api/voice/realtime/ws/call",
            call_id=ring.call,
            from_number=ring.caller,
            to_number=ring.called,
            session_id=f"session of {ring.call}",
            agent=ring.agent,
            ticket=ring.ticket,
            encoding=self._encoding,
        )
        return Handshake(path, [("Authorization", f"Bearer {ring.token}")] if ring.token else [])

    def hello(self, ring: Ring) -> list[Message]:
        return [self._hello(8000)]

    def wrong(self, ring: Ring) -> list[Message]:
        return [self._hello(16000)]

    def _hello(self, rate: int) -> str:
        return text({"type": "start", "format": {"encoding": self._encoding, "sampleRate": rate, "channels": 1}})

    def media(self, place: int, payload: bytes) -> Message:
        return payload

    def stop(self, ring: Ring) -> list[Message]:
        return ['{"type":"stop"}']

    def read(self, message: Message) -> list[Told]:
        if isinstance(message, bytes):
            return [samples(message, self.format)]
        said = opened(message)
        if said.get("type") == "stop":
            return [Bye()]
        raise Unspoken(f"the gateway has no such message: {message[:80]}")
