"""The wire of FreeSWITCH's media modules: 16-bit PCM in binary messages in, JSON or the same PCM out. Pure.

`mod_audio_stream` and `mod_audio_fork` say nothing but what they were started with: an optional text, then audio. Any
other text is what a script has sent with `send_text`; digits and the call's end may be told with it.
Source: the READMEs and sources of amigniter/mod_audio_stream and drachtio/drachtio-freeswitch-modules.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from parlance.actors.media.dialect import Dialect
from parlance.actors.media.envelope import opened, plain, shown
from parlance.actors.media.number import e164
from parlance.actors.media.port import Digit, Message, Signal, Started, Stopped
from parlance.codecs.format import Format
from parlance.engine.errors import LineError

RATES = (8000, 16000, 24000, 48000)
METADATA = 1000
"""Characters of a metadata text that is no JSON, at most: it goes into the call's record."""

_DIGITS = frozenset("0123456789*#ABCD")
_ENDS = frozenset(("stop", "hangup", "disconnect"))
_SECRET = ("ticket", "token")


@dataclass(frozen=True, slots=True)
class Known:
    """What the handshake said, and the settings where it did not."""

    query: Mapping[str, str] = field(default_factory=dict)
    token: str = field(default="", repr=False)
    module: Literal["stream", "fork"] = "stream"
    audio: Literal["json", "binary"] = "json"
    rate: int = 8000


class FreeSwitch(Dialect):
    """One media socket.

    The first message starts the call. The parameters `agent`, `from`, `to`, `uuid`, `call`, `ticket` and `rate` come
    with the address or in a JSON object of metadata; the address wins. A socket without metadata starts with its first
    frame of audio, which is lost.
    """

    carrier = "freeswitch"
    batch = 0.1

    def __init__(self, known: Known = Known()) -> None:
        self._known = known
        self._started = False
        self.digits = known.query.get("dtmf") == "text"
        self._tune(known.rate)

    def _tune(self, rate: int) -> None:
        self.format = Format("pcm16", rate)
        if self._known.module == "fork":
            head = f'{{"type":"playAudio","data":{{"audioContentType":"raw","sampleRate":{rate},"audioContent":"'
        else:
            head = f'{{"type":"streamAudio","data":{{"audioDataType":"raw","sampleRate":{rate},"audioData":"'
        self._before = head

    def receive(self, data: Message) -> bytes | Signal | None:
        """One message. Fatal is a first one that cannot be used."""
        if isinstance(data, bytes):
            if not self._started:
                return self._start({})
            if len(data) % 2:
                raise LineError(f"{len(data)} bytes are no whole number of 16-bit samples")
            return data or None
        said = _read(data)
        if not self._started:
            return self._start(said or {"metadata": data[:METADATA]})
        event = said.get("event") or said.get("type")
        if event == "dtmf":
            digit = plain(said.get("digit")) or plain(said.get("dtmf"))
            if digit not in _DIGITS:
                raise LineError(f"{shown(digit)} is not a digit of a telephone")
            return Digit(digit)
        if isinstance(event, str) and event in _ENDS:
            return Stopped("hung up")
        return None

    def _start(self, metadata: Mapping[str, Any]) -> Started:
        said = {name: value for name, value in map(_pair, metadata.items()) if value is not None}
        if said.get("mixType", "mono") == "stereo":
            raise LineError("stereo is not supported: this endpoint takes mono", fatal=True, code=1003)
        said |= self._known.query
        self._tune(_rate(said.get("rate") or said.get("sampleRate"), self._known.rate))
        self._started = True
        ticket = said.get("ticket", "")
        ours = said.get("call", "") if ticket else ""
        return Started(
            agent=said.get("agent", ""),
            call=ours or said.get("uuid", ""),
            caller=e164(said.get("from", ""), bare=16),
            called=e164(said.get("to", ""), bare=16),
            parameters={name: value for name, value in said.items() if name not in _SECRET},
            ticket=ticket or self._known.token or said.get("token", ""),
        )

    def audio(self, payload: bytes) -> Message:
        """A template, because `json.dumps` costs several times as much."""
        if self._known.audio == "binary":
            return payload
        return f'{self._before}{b2a_base64(payload, newline=False).decode("ascii")}"}}}}'

    def clear(self) -> Message | None:
        """`mod_audio_stream` has no word for it."""
        return '{"type":"killAudio"}' if self._known.module == "fork" else None

    def goodbye(self, reason: str) -> Sequence[Message]:
        """`mod_audio_fork` makes an event of it; the other one of any JSON that it does not know."""
        return (json.dumps({"type": "disconnect", "data": {"reason": reason}}, separators=(",", ":")),)


def _read(data: str) -> dict[str, Any]:
    """A text's JSON object. Any other text is allowed, and says nothing."""
    if not data.lstrip().startswith("{"):
        return {}
    try:
        return opened(data)
    except LineError:
        return {}


def _pair(item: tuple[str, Any]) -> tuple[str, str | None]:
    return item[0], plain(item[1])


def _rate(said: str | None, usual: int) -> int:
    """Samples a second, as in `16000` or `16k`."""
    if not said:
        return usual
    for rate in RATES:
        if said in (str(rate), f"{rate // 1000}k"):
            return rate
    raise LineError(
        f"the rate {shown(said)} is not supported: this endpoint takes {', '.join(map(str, RATES))}",
        fatal=True,
        code=1003,
    )
