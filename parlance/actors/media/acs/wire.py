"""The wire of Azure Communication Services' bidirectional audio streaming. Pure.

JSON text both ways, with PCM16 in base64: Azure speaks camelCase, and is spoken to in PascalCase, as in its own
documentation (learn.microsoft.com, "Audio streaming quickstart"). The first message describes the audio; which call it
is stands in the handshake. There are no marks, and no word for the end: Azure closes the socket.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import Any

from parlance.actors.media.acs.settings import RATES
from parlance.actors.media.dialect import Dialect
from parlance.actors.media.envelope import audio, opened, plain, shown
from parlance.actors.media.port import Digit, Message, Signal, Started
from parlance.codecs.format import Format
from parlance.engine.errors import LineError

TONES = {
    **{str(digit): word for digit, word in enumerate("zero one two three four five six seven eight nine".split())},
    **{letter.upper(): letter for letter in "abcd"},
    "#": "pound",
    "*": "asterisk",
}
"""Azure's word for each digit of a telephone (`DtmfTone` of the Call Automation SDKs)."""
_DIGITS = {word: digit for digit, word in TONES.items()} | {digit.lower(): digit for digit in TONES}
_CLEAR = '{"Kind":"StopAudio","AudioData":null,"StopAudio":{}}'


class Acs(Dialect):
    """One media stream.

    `started`: what the handshake said of the call; it is the signal that the stream's first message becomes. `rate`:
    what was asked for, until that message says what it is.

    Of an unmixed stream, which carries each participant's audio by itself, only the one who is heard first is taken:
    the others would have to be mixed, and parlance never asks for such a stream.
    """

    carrier = "acs"
    batch = 0.1

    def __init__(self, started: Started, rate: int = 16000) -> None:
        self.format = Format("pcm16", rate)
        self._known = started
        self._started = False
        self._speaker = ""

    def receive(self, data: Message) -> bytes | Signal | None:
        """One message. Fatal are metadata that cannot be used, and a second one."""
        message = opened(data)
        kind = message.get("kind")
        if kind == "AudioData":
            if not self._started:
                raise LineError("AudioData came before AudioMetadata")
            return self._audio(message.get("audioData"))
        if kind == "AudioMetadata":
            return self._start(message.get("audioMetadata"))
        if kind == "DtmfData":
            return _digit(message.get("dtmfData"))
        if not isinstance(kind, str):
            raise LineError("a message has no kind")
        return None

    def _audio(self, content: Any) -> bytes | None:
        """Frames marked silent are audio like others: they keep the line's time."""
        if not isinstance(content, dict):
            raise LineError("an AudioData message has no audioData in it")
        speaker = content.get("participantRawID")
        if speaker and speaker != self._speaker and not self._is_first(speaker):
            return None
        samples = audio(content.get("data"))
        if len(samples) % 2:
            raise LineError("audio ends within a sample: it must be PCM16")
        return samples or None

    def _is_first(self, speaker: Any) -> bool:
        if not isinstance(speaker, str):
            raise LineError("a participantRawID is not a string")
        if self._speaker:
            return False
        self._speaker = speaker
        return True

    def _start(self, content: Any) -> Started:
        if self._started:
            raise LineError("AudioMetadata came twice", fatal=True, code=1002)
        if not isinstance(content, dict):
            raise LineError("an AudioMetadata message has no audioMetadata in it", fatal=True)
        encoding = plain(content.get("encoding", "PCM"))
        rate = plain(content.get("sampleRate", self.format.rate))
        channels = plain(content.get("channels", 1))
        taken = {str(rate): rate for rate in RATES}
        if rate not in taken or channels != "1" or encoding is None or encoding.upper() != "PCM":
            said = ", ".join(shown(content.get(name)) for name in ("encoding", "sampleRate", "channels"))
            raise LineError(
                f"the stream ({said}) is not supported: this endpoint takes encoding PCM, sampleRate 16000 or 24000, "
                "channels 1",
                fatal=True,
                code=1003,
            )
        self.format = Format("pcm16", taken[rate])
        self._started = True
        return self._known

    def audio(self, payload: bytes) -> Message:
        """A template, because `json.dumps` costs several times as much."""
        coded = b2a_base64(payload, newline=False).decode("ascii")
        return f'{{"Kind":"AudioData","AudioData":{{"Data":"{coded}"}},"StopAudio":null}}'

    def clear(self) -> Message:
        return _CLEAR


def _digit(content: Any) -> Digit:
    said = content.get("data") if isinstance(content, dict) else None
    digit = _DIGITS.get((plain(said) or "").lower())
    if digit is None:
        raise LineError(f"{shown(said)} is not a digit of a telephone")
    return Digit(digit)
