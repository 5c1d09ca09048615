"""The wire of Plivo's audio streams, bidirectional (`<Stream bidirectional="true">`).

JSON text both ways, audio as base64: µ-law at 8 kHz, or 16-bit samples at 8 or 16 kHz, as the XML asked for and the
`start` message says. A checkpoint comes back as `playedStream` when everything before it was played, and not at all
when it was cleared. Shapes as Plivo's audio streaming protocol reference and pipecat's serializer have them. Pure.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import Any

from parlance.actors.media.dialect import Dialect
from parlance.actors.media.envelope import audio, counted, introduced, named, opened, plain, shown
from parlance.actors.media.jitter import Sequencer
from parlance.actors.media.port import Digit, Marked, Message, Signal, Started, Stopped
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.errors import LineError

_DIGITS = frozenset("0123456789*#ABCD")
_FORMATS = {
    ("audio/x-mulaw", "8000"): TELEPHONE,
    ("audio/x-l16", "8000"): Format("pcm16", 8000),
    ("audio/x-l16", "16000"): Format("pcm16", 16000),
}
_PREFIX = "x-ph-"


class Plivo(Dialect):
    """One audio stream.

    `given`: the query of the stream's address. It and the stream's extra headers are `Started.parameters`: `agent`,
    `from` and `to` among them, `call` and the `ticket` (or `token`) that lets the stream in.
    """

    carrier = "plivo"
    marks = True
    batch = 0.1

    def __init__(self, ticket: str = "", given: Mapping[str, str] | None = None) -> None:
        self.format = TELEPHONE
        self._ticket = ticket
        self._given = dict(given or {})
        self._stream = ""
        self._before = ""

    def receive(self, data: Message) -> bytes | Signal | None:
        """One message. Fatal are a `start` that cannot be used and a second one."""
        message = opened(data)
        event = message.get("event")
        if event == "media":
            if not self._stream:
                raise LineError("media came before start")
            media = message.get("media")
            if not isinstance(media, dict):
                raise LineError("a media message has no media in it")
            if media.get("track", "inbound") != "inbound":
                return None
            return self._heard(audio(media.get("payload")), counted(media.get("chunk")))
        if not isinstance(event, str):
            raise LineError("a message has no event")
        if event == "playedStream":
            return Marked(_text(message, "name"))
        if event == "dtmf":
            return _digit(message)
        if event == "start":
            return self._start(message)
        if event == "stop":
            return Stopped("hung up")
        return None

    def _heard(self, payload: bytes, chunk: float | None) -> bytes | None:
        if len(payload) % self.format.width:
            raise LineError("a media message does not hold whole 16-bit samples")
        return payload or None if chunk is None else self._sequencer.place(chunk, payload)

    def _start(self, message: dict[str, Any]) -> Started:
        if self._stream:
            raise LineError("start came twice", fatal=True, code=1002)
        start = message.get("start")
        if not isinstance(start, dict):
            raise LineError("a start message has no start in it", fatal=True)
        stream = start.get("streamId") or message.get("streamId")
        if not isinstance(stream, str) or not stream:
            raise LineError("start names no streamId", fatal=True)
        kind, self.format = _supported(start.get("mediaFormat"))
        given = self._given | extras(message.get("extra_headers", start.get("extra_headers")))
        self._stream = stream
        self._sequencer = Sequencer(self.format)
        self._before = (
            f'{{"event":"playAudio","streamId":{json.dumps(stream)},"media":{{"contentType":"{kind}",'
            f'"sampleRate":{self.format.rate},"payload":"'
        )
        return introduced(given, ticket=self._ticket, call=plain(start.get("callId")) or "")

    def audio(self, payload: bytes) -> Message:
        """Once `Started` was received. A template, because `json.dumps` costs several times as much."""
        return f'{self._before}{b2a_base64(payload, newline=False).decode("ascii")}"}}}}'

    def mark(self, name: str) -> Message | None:
        return json.dumps({"event": "checkpoint", "streamId": self._stream, "name": name})

    def clear(self) -> Message | None:
        """Plivo answers with `clearedAudio`, which says nothing that is not known."""
        return json.dumps({"event": "clearAudio", "streamId": self._stream})

    def press(self, digits: str) -> Sequence[Message] | None:
        """One message for each key: whether one may hold several is not documented."""
        return [json.dumps({"event": "sendDTMF", "dtmf": digit}) for digit in digits]


def extras(said: Any) -> dict[str, str]:
    """The extra headers of a stream, which Plivo writes as `a=1;b=2`, `a=1,b=2` or a JSON object, with or without
    `X-PH-` before each name."""
    if isinstance(said, str):
        said = _pairs(said)
    if not isinstance(said, dict):
        return {}
    bare = {name[len(_PREFIX) :] if name.lower().startswith(_PREFIX) else name: value for name, value in said.items()}
    return named({name: value for name, value in bare.items() if name})


def _pairs(said: str) -> dict[str, Any]:
    if said.lstrip().startswith("{"):
        try:
            return opened(said)
        except LineError:
            return {}
    pairs = (pair.partition("=") for pair in said.replace(",", ";").split(";"))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def _digit(message: dict[str, Any]) -> Digit:
    part = message.get("dtmf")
    if not isinstance(part, dict):
        raise LineError("a dtmf message has no dtmf in it")
    digit = _text(part, "digit")
    if digit not in _DIGITS:
        raise LineError(f"{shown(digit)} is not a digit of a telephone")
    return Digit(digit)


def _text(part: dict[str, Any], name: str) -> str:
    value = plain(part.get(name))
    if not value:
        raise LineError(f"a message lacks its {name}")
    return value


def _supported(described: Any) -> tuple[str, Format]:
    """The content type and the format of a stream; one that does not say has a telephone's. Raises for any other."""
    if described is None:
        described = {}
    kind = plain(described.get("encoding", "audio/x-mulaw")) if isinstance(described, dict) else None
    rate = plain(described.get("sampleRate", "8000")) if isinstance(described, dict) else None
    kind = (kind or "").partition(";")[0].strip().lower()
    known = _FORMATS.get((kind, rate or ""))
    if known is None:
        wanted = ", ".join(f"{encoding} at {usual}" for encoding, usual in _FORMATS)
        raise LineError(
            f"the mediaFormat ({shown(kind)} at {shown(rate)}) is not supported: this endpoint takes {wanted}",
            fatal=True,
            code=1003,
        )
    return kind, known
