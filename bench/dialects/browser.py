"""A page of the browser profile with `format=pcm16`: JSON both ways, 16 kHz. Pure.

A page has no keys. Which call it is parlance says, and the page may come back to it by that id (`Ring.ticket`).
"""

from __future__ import annotations

from bench.dialects.fields import base64, opened, query, sound, text
from bench.dialects.port import Bye, Clear, Dialect, Handshake, Mark, Message, Other, Ring, Told, Unspoken
from parlance.codecs.format import Format


class Browser(Dialect):
    name = carrier = "browser"
    format = Format("pcm16", 16000)
    marks = stops = True
    lead = 0.04

    def handshake(self, ring: Ring) -> Handshake:
        path = query(f"/ws/voice-agent/{ring.agent or 'receptionist'}", format="pcm16", session=ring.ticket)
        return Handshake(path, [("Authorization", f"Bearer {ring.bearer}")] if ring.bearer else [])

    def hello(self, ring: Ring) -> list[Message]:
        return []

    def media(self, place: int, payload: bytes) -> Message:
        return f'{{"type":"audio_chunk","data":"{base64(payload)}","is_final":false}}'

    def mark(self, name: str) -> Message:
        return text({"type": "mark", "name": name})

    def stop(self, ring: Ring) -> list[Message]:
        return ['{"type":"end_session"}']

    def read(self, message: Message) -> list[Told]:
        said = opened(message)
        match said:
            case {"type": "audio_response", "data": coded}:
                return [sound(coded, self.format)]
            case {"type": "mark", "name": str(name)}:
                return [Mark(name)]
            case {"type": "clear"}:
                return [Clear()]
            case {"type": "connection_established", "session_id": str(session)}:
                return [Other(f"session {session}")]
            case {"type": "ended"}:
                return [Bye()]
            case {"type": str(kind)}:
                return [Other(kind)]
        raise Unspoken(f"a page knows no such message: {text(said)[:80]}")
