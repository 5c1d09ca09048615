"""The wire of Twilio Media Streams, bidirectional (`<Connect><Stream>`), and of all who speak the same JSON.

Only what is on that socket belongs here; webhooks and REST do not. Numbers arrive as strings, of the tracks
only `inbound` is the caller, a `mark` comes back when everything before it was played or cleared, and there is
no message for an error: a complaint can only be counted. Pure.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from typing import Any

from parlance.actors.media.dialect import Dialect
from parlance.actors.media.envelope import audio, counted, inside, introduced, named, opened, plain, shown
from parlance.actors.media.jitter import Sequencer
from parlance.actors.media.port import Digit, Marked, Message, Signal, Started, Stopped
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import LineError

_DIGITS = frozenset("0123456789*#ABCD")


class Twilio(Dialect):
    """One media stream.

    The TwiML's `<Parameter>`s arrive as `Started.parameters`. Of these `agent` says who shall answer, and `from`
    and `to`, where the TwiML passes them on, are the two numbers: the stream does not know them. `ticket` or `token`
    lets the stream in, and is not among the parameters; `call` beside it is our id of the call. `ticket` here: what
    the handshake had, for those who can put nothing into the stream.
    """

    carrier = "twilio"
    format = TELEPHONE
    marks = True
    batch = 0.1

    def __init__(self, ticket: str = "") -> None:
        self._ticket = ticket
        self._stream = ""
        self._before = ""
        # Its socket keeps the order: what is missing was lost before, and what comes after it need not wait for long.
        self._sequencer = Sequencer(self.format, rate=1000, window=1)

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
            sound = audio(media.get("payload"))
            at = counted(media.get("timestamp"))
            return sound or None if at is None else self._sequencer.place(at, sound)
        if not isinstance(event, str):
            raise LineError("a message has no event")
        if event == "mark":
            return Marked(inside(message, "mark", "name"))
        if event == "dtmf":
            digit = inside(message, "dtmf", "digit")
            if digit not in _DIGITS:
                raise LineError(f"{shown(digit)} is not a digit of a telephone")
            return Digit(digit)
        if event == "start":
            return self._start(message)
        if event == "stop":
            return Stopped("hung up")
        return None

    def _start(self, message: dict[str, Any]) -> Started:
        if self._stream:
            raise LineError("start came twice", fatal=True, code=1002)
        start = message.get("start")
        if not isinstance(start, dict):
            raise LineError("a start message has no start in it", fatal=True)
        stream = start.get("streamSid") or message.get("streamSid")
        if not isinstance(stream, str) or not stream:
            raise LineError("start names no streamSid", fatal=True)
        _supported(start.get("mediaFormat"))
        parameters = start.get("customParameters") or {}
        if not isinstance(parameters, dict):
            raise LineError("start's customParameters are not an object", fatal=True)
        self._stream = stream
        self._before = f'{{"event":"media","streamSid":{json.dumps(stream)},"media":{{"payload":"'
        return introduced(named(parameters), ticket=self._ticket, call=plain(start.get("callSid")) or "")

    def audio(self, payload: bytes) -> Message:
        """Once `Started` was received. A template, because `json.dumps` costs several times as much."""
        return f'{self._before}{b2a_base64(payload, newline=False).decode("ascii")}"}}}}'

    def mark(self, name: str) -> Message | None:
        return json.dumps({"event": "mark", "streamSid": self._stream, "mark": {"name": name}})

    def clear(self) -> Message | None:
        """Twilio echoes the marks that are still waiting at once."""
        return json.dumps({"event": "clear", "streamSid": self._stream})


def _supported(described: Any) -> None:
    """Raises for a stream in another format than a telephone's; one that does not say has that format."""
    if described is None:
        return
    said = [plain(described.get(key, usual)) for key, usual in _USUAL] if isinstance(described, dict) else []
    if said != [usual for _, usual in _USUAL]:
        sent = ", ".join(f"{key} {shown(value)}" for (key, _), value in zip(_USUAL, said, strict=False))
        wanted = ", ".join(f"{key} {usual}" for key, usual in _USUAL)
        raise LineError(
            f"the mediaFormat ({sent or 'unreadable'}) is not supported: this endpoint takes {wanted}",
            fatal=True,
            code=1003,
        )


_USUAL = (("encoding", "audio/x-mulaw"), ("sampleRate", "8000"), ("channels", "1"))
