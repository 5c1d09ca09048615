"""Twilio Media Streams, bidirectional: the messages that Twilio sends, and what it makes of ours. Pure.

Numbers are strings on the wire. A clear sends the marks it has overtaken back at once.
"""

from __future__ import annotations

from typing import Any

from bench.dialects.fields import base64, opened, sound, text
from bench.dialects.port import Clear, Dialect, Handshake, Mark, Message, Ring, Told, Unspoken
from parlance.codecs.format import TELEPHONE

STREAM = "MZ" + "0" * 32
ACCOUNT = "AC" + "0" * 32


class Twilio(Dialect):
    name = carrier = "twilio"
    format = TELEPHONE
    marks = echoes = True
    stops = True

    def handshake(self, ring: Ring) -> Handshake:
        """Without a query: Twilio does not pass one on."""
        return Handshake("/api/v1/media/twilio")

    def hello(self, ring: Ring) -> list[Message]:
        return self._hello(ring, "audio/x-mulaw")

    def wrong(self, ring: Ring) -> list[Message]:
        return self._hello(ring, "audio/x-l16")

    def _hello(self, ring: Ring, encoding: str) -> list[Message]:
        said = {"agent": ring.agent, "ticket": ring.ticket, "token": ring.token, "from": ring.caller, "to": ring.called}
        start = {
            "accountSid": ACCOUNT,
            "streamSid": STREAM,
            "callSid": ring.call,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": encoding, "sampleRate": 8000, "channels": 1},
            "customParameters": {name: value for name, value in said.items() if value},
        }
        return [
            '{"event":"connected","protocol":"Call","version":"1.0.0"}',
            text({"event": "start", "sequenceNumber": "1", "start": start, "streamSid": STREAM}),
        ]

    def media(self, place: int, payload: bytes) -> Message:
        return (
            f'{{"event":"media","sequenceNumber":"{place + 2}","media":{{"track":"inbound","chunk":"{place + 1}",'
            f'"timestamp":"{place * 20}","payload":"{base64(payload)}"}},"streamSid":"{STREAM}"}}'
        )

    def digit(self, digit: str) -> list[Message]:
        return [self._event("dtmf", {"track": "inbound_track", "digit": digit})]

    def mark(self, name: str) -> Message:
        return self._event("mark", {"name": name})

    def stop(self, ring: Ring) -> list[Message]:
        return [self._event("stop", {"accountSid": ACCOUNT, "callSid": ring.call})]

    def _event(self, event: str, part: dict[str, Any]) -> str:
        return text({"event": event, "sequenceNumber": "9", "streamSid": STREAM, event: part})

    def read(self, message: Message) -> list[Told]:
        said = opened(message)
        if said.get("streamSid") != STREAM:
            raise Unspoken(f"{said.get('streamSid')!r} is not the stream's id")
        match said:
            case {"event": "media", "media": {"payload": payload}}:
                return [sound(payload, self.format)]
            case {"event": "mark", "mark": {"name": str(name)}}:
                return [Mark(name)]
            case {"event": "clear"}:
                return [Clear()]
        raise Unspoken(f"Twilio has no such message: {text(said)[:80]}")
