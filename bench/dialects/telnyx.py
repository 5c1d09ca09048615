"""Telnyx media streaming, bidirectional in RTP mode. Pure.

No stream id on what it gets; the ids that it sends are strings. Source: Telnyx's AsyncAPI page on media streaming.
"""

from __future__ import annotations

from typing import Any

from bench.dialects.fields import base64, exactly, opened, query, sound, text
from bench.dialects.port import Clear, Dialect, Handshake, Mark, Message, Ring, Told, Unspoken
from parlance.codecs.format import TELEPHONE

STREAM = "32de0dea-53cb-4b21-89a4-9e1819c043bc"


class Telnyx(Dialect):
    name = carrier = "telnyx"
    format = TELEPHONE
    marks = echoes = True
    stops = True

    def handshake(self, ring: Ring) -> Handshake:
        return Handshake(query("/api/v1/media/telnyx", ticket=ring.ticket, token=ring.token, agent=ring.agent))

    def hello(self, ring: Ring) -> list[Message]:
        return self._hello(ring, "PCMU", 8000)

    def wrong(self, ring: Ring) -> list[Message]:
        return self._hello(ring, "OPUS", 16000)

    def _hello(self, ring: Ring, encoding: str, rate: int) -> list[Message]:
        start = {
            "user_id": "u1",
            "call_control_id": ring.call,
            "call_session_id": f"session of {ring.call}",
            "from": ring.caller,
            "to": ring.called,
            "media_format": {"encoding": encoding, "sample_rate": rate, "channels": 1},
        }
        return [
            '{"event":"connected","version":"1.0.0"}',
            text({"event": "start", "sequence_number": "1", "start": start, "stream_id": STREAM}),
        ]

    def media(self, place: int, payload: bytes) -> Message:
        return (
            f'{{"event":"media","sequence_number":"{place + 2}","media":{{"track":"inbound","chunk":"{place + 1}",'
            f'"timestamp":"{place * 20}","payload":"{base64(payload)}"}},"stream_id":"{STREAM}"}}'
        )

    def digit(self, digit: str) -> list[Message]:
        return [self._event("dtmf", {"digit": digit})]

    def mark(self, name: str) -> Message:
        return self._event("mark", {"name": name})

    def stop(self, ring: Ring) -> list[Message]:
        return [self._event("stop", {"user_id": "u1", "call_control_id": ring.call})]

    def _event(self, event: str, part: dict[str, Any]) -> str:
        return text({"event": event, "sequence_number": "9", "stream_id": STREAM, event: part})

    def read(self, message: Message) -> list[Told]:
        said = opened(message)
        match said:
            case {"event": "media", "media": {"payload": payload}}:
                heard = sound(payload, self.format)
                if not 0.02 * self.format.second <= len(heard.payload) <= 30 * self.format.second:
                    raise Unspoken(f"{len(heard.payload)} bytes: chunks of 20 ms to 30 s are taken")
                return [heard]
            case {"event": "mark", "mark": {"name": str(name)}}:
                return [Mark(name)]
            case {"event": "clear"}:
                exactly(said, {"event": "clear"})
                return [Clear()]
        raise Unspoken(f"Telnyx has no such message: {text(said)[:80]}")
