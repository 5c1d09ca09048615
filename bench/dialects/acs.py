"""Azure Communication Services' bidirectional audio streaming: camelCase to us, PascalCase from us. Pure.

Its handshake carries a token that Azure has signed (`Ring.bearer`); which call it is stands in two headers.
"""

from __future__ import annotations

from bench.dialects.fields import base64, exactly, opened, query, sound, text
from bench.dialects.port import Clear, Dialect, Handshake, Message, Ring, Told, Unspoken
from parlance.codecs.format import Format


class Acs(Dialect):
    carrier = "acs"

    def __init__(self, rate: int = 16000) -> None:
        self.name = "acs" if rate == 16000 else f"acs{rate // 1000}"
        self.format = Format("pcm16", rate)

    def handshake(self, ring: Ring) -> Handshake:
        path = query(
            "/api/v1/media/stream",
            ticket=ring.ticket or ring.token,
            agent=ring.agent,
            **{"from": ring.caller, "to": ring.called},
        )
        headers = [("x-ms-call-connection-id", ring.call), ("x-ms-call-correlation-id", f"correlation of {ring.call}")]
        return Handshake(path, [("Authorization", f"Bearer {ring.bearer}"), *headers] if ring.bearer else headers)

    def hello(self, ring: Ring) -> list[Message]:
        return [self._hello(self.format.rate)]

    def wrong(self, ring: Ring) -> list[Message]:
        return [self._hello(8000)]

    def _hello(self, rate: int) -> str:
        described = {"subscriptionId": "s1", "encoding": "PCM", "sampleRate": rate, "channels": 1, "length": rate // 25}
        return text({"kind": "AudioMetadata", "audioMetadata": described})

    def media(self, place: int, payload: bytes) -> Message:
        at = f"2026-01-01T{place // 180000 % 24:02}:{place // 3000 % 60:02}:{place // 50 % 60:02}.{place % 50 * 20:03}Z"
        return f'{{"kind":"AudioData","audioData":{{"timestamp":"{at}","data":"{base64(payload)}","silent":false}}}}'

    def digit(self, digit: str) -> list[Message]:
        return [text({"kind": "DtmfData", "dtmfData": {"data": digit}})]

    def read(self, message: Message) -> list[Told]:
        said = opened(message)
        match said:
            case {"Kind": "AudioData", "AudioData": {"Data": coded}, "StopAudio": None}:
                return [sound(coded, self.format)]
            case {"Kind": "StopAudio"}:
                exactly(said, {"Kind": "StopAudio", "AudioData": None, "StopAudio": {}})
                return [Clear()]
        raise Unspoken(f"Azure has no such message: {text(said)[:80]}")
