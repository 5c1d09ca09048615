"""FreeSWITCH's media modules: L16 in binary messages to us, JSON or the same L16 back. Pure.

Source: the READMEs of amigniter/mod_audio_stream and drachtio/drachtio-freeswitch-modules.
"""

from __future__ import annotations

from typing import Literal

from bench.dialects.fields import opened, query, samples, sound, text
from bench.dialects.port import Bye, Clear, Dialect, Handshake, Message, Other, Ring, Told, Unspoken
from parlance.codecs.format import Format


class FreeSwitch(Dialect):
    """`stream`: mod_audio_stream, `binary`: the same with binary audio both ways; `fork`: mod_audio_fork."""

    carrier = "freeswitch"
    digits = False

    def __init__(self, module: Literal["stream", "binary", "fork"] = "stream", rate: int = 8000) -> None:
        self.name = "freeswitch" if module == "stream" else f"freeswitch{module}"
        self.format = Format("pcm16", rate)
        self.clears = module == "fork"
        self._module = module

    def handshake(self, ring: Ring) -> Handshake:
        """The `<url>` that a module is started with, and its extra headers."""
        said = {"agent": ring.agent, "ticket": ring.ticket, "from": ring.caller, "to": ring.called, "uuid": ring.call}
        said |= {"rate": str(self.format.rate), "audio": "binary" if self._module == "binary" else ""}
        headers = [("Authorization", f"Bearer {ring.token}")] if ring.token else []
        offered = ("audio.drachtio.org",) if self._module == "fork" else ()
        return Handshake(query("/api/v1/media/freeswitch", **said), headers, offered)

    def hello(self, ring: Ring) -> list[Message]:
        return [text({"uuid": ring.call, "mixType": "mono"})]

    def wrong(self, ring: Ring) -> list[Message]:
        return [text({"uuid": ring.call, "mixType": "stereo"})]

    def media(self, place: int, payload: bytes) -> Message:
        return payload

    def read(self, message: Message) -> list[Told]:
        if self._module == "binary" and isinstance(message, bytes):
            return [samples(message, self.format)]
        said = opened(message)
        match said:
            case {"type": "streamAudio", "data": {"audioDataType": "raw", "sampleRate": rate, "audioData": coded}}:
                return self._audio("stream", rate, coded)
            case {"type": "playAudio", "data": {"audioContentType": "raw", "sampleRate": rate, "audioContent": coded}}:
                return self._audio("fork", rate, coded)
            case {"type": "killAudio"} if self._module == "fork":
                return [Clear()]
            case {"type": "disconnect"}:
                # mod_audio_stream makes an event of any JSON that it does not know, mod_audio_fork of this one.
                return [Bye() if self._module == "fork" else Other("disconnect")]
        raise Unspoken(f"FreeSWITCH has no such message: {text(said)[:80]}")

    def _audio(self, module: str, rate: int, coded: str) -> list[Told]:
        if module != self._module:
            raise Unspoken(f"audio as of mod_audio_{module}")
        if rate != self.format.rate:
            raise Unspoken(f"audio at {rate!r} Hz on a line of {self.format.rate} Hz")
        return [sound(coded, self.format)]
