"""The wire of Telnyx media streaming, bidirectional in RTP mode: JSON text, base64 audio, marks and `clear`. Pure.

Shapes are those of Telnyx's AsyncAPI page "Stream call media over WebSocket". The two directions have a codec each: the
one to us is the call's own and is said in `start` (A-law for much of Europe), the one from us was asked for with the
command that began the stream. Telnyx does not promise that media messages come in order.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from typing import Any

from parlance.actors.media.dialect import Dialect
from parlance.actors.media.envelope import audio, counted, inside, named, opened, plain, shown
from parlance.actors.media.jitter import Sequencer
from parlance.actors.media.number import e164
from parlance.actors.media.port import Digit, Marked, Message, Signal, Started, Stopped
from parlance.actors.media.telnyx.settings import FORMATS
from parlance.codecs.convert import Converter
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.errors import LineError

_DIGITS = frozenset("0123456789*#ABCD")
_BEFORE = '{"event":"media","media":{"payload":"'


class Telnyx(Dialect):
    """One media stream.

    `sent`: what Telnyx takes our audio for; `big`: whether L16 is big-endian there. `ticket`, `call` and `agent` come
    from the stream's URL.
    """

    carrier = "telnyx"
    marks = True
    batch = 0.1

    def __init__(
        self, *, ticket: str = "", call: str = "", agent: str = "", sent: Format = TELEPHONE, big: bool = True
    ) -> None:
        self.format = sent
        self._ticket = ticket
        self._call = call
        self._agent = agent
        self._sent = sent
        self._big = big
        self._started = False
        self._swap_in = self._swap_out = False
        self._convert: Converter | None = None

    def receive(self, data: Message) -> bytes | Signal | None:
        """One message. Fatal are a `start` that cannot be used and a second one."""
        message = opened(data)
        event = message.get("event")
        if event == "media":
            return self._media(message.get("media"))
        if not isinstance(event, str):
            raise LineError("a message has no event")
        if event == "mark":
            return Marked(inside(message, "mark", "name"))
        if event == "dtmf":
            digit = inside(message, "dtmf", "digit").upper()
            if digit not in _DIGITS:
                raise LineError(f"{shown(digit)} is not a digit of a telephone")
            return Digit(digit)
        if event == "start":
            return self._start(message.get("start"))
        if event == "stop":
            return Stopped("hung up")
        if event == "error":
            raise LineError(f"Telnyx complains: {_complaint(message.get('payload'))}")
        return None

    def _media(self, media: Any) -> bytes | None:
        if not self._started:
            raise LineError("media came before start")
        if not isinstance(media, dict):
            raise LineError("a media message has no media in it")
        if media.get("track", "inbound") != "inbound":
            return None
        sound = audio(media.get("payload"))
        if self.format.width == 2:
            if len(sound) % 2:
                raise LineError("a media message has half a sample of L16 in it")
            if self._swap_in:
                sound = _swapped(sound)
        at = counted(media.get("timestamp"))
        return sound or None if at is None else self._sequencer.place(at, sound)

    def _start(self, start: Any) -> Started:
        if self._started:
            raise LineError("start came twice", fatal=True, code=1002)
        if not isinstance(start, dict):
            raise LineError("a start message has no start in it", fatal=True)
        self._agree(start.get("media_format"))
        self._sequencer = Sequencer(self.format, rate=1000)
        self._started = True
        said = named(start.get("custom_parameters"))
        return Started(
            agent=self._agent or said.get("agent", ""),
            call=self._call or plain(start.get("call_control_id")) or "",
            caller=e164(start.get("from")),
            called=e164(start.get("to")),
            parameters=said,
            ticket=self._ticket,
        )

    def _agree(self, described: Any) -> None:
        """Settle on the stream's format, and on how our audio is turned into what Telnyx was told to expect."""
        line = self._sent if described is None else _line(described)
        if line.rate != self._sent.rate:
            raise _unsupported(
                f"the stream has {line.rate} samples a second and ours was asked for with {self._sent.rate}: "
                "set the same codec and rate for both"
            )
        self.format = line
        self._swap_in = self._big and line.encoding == "pcm16"
        self._swap_out = self._big and self._sent.encoding == "pcm16"
        self._convert = Converter(line, self._sent) if line != self._sent else None

    def audio(self, payload: bytes) -> Message:
        """20 ms at least, or Telnyx may not play it. A template, because `json.dumps` costs several times as much."""
        if self._convert is not None:
            payload = self._convert.feed(payload)
        if self._swap_out:
            payload = _swapped(payload)
        return f'{_BEFORE}{b2a_base64(payload, newline=False).decode("ascii")}"}}}}'

    def mark(self, name: str) -> Message | None:
        return json.dumps({"event": "mark", "mark": {"name": name}})

    def clear(self) -> Message | None:
        return '{"event":"clear"}'


def _swapped(sound: bytes) -> bytes:
    """The bytes of each 16-bit sample the other way round."""
    turned = bytearray(len(sound))
    turned[0::2] = sound[1::2]
    turned[1::2] = sound[0::2]
    return bytes(turned)


def _complaint(payload: Any) -> str:
    """An error message's own words: `code`, `title` and `detail`, as far as they are there."""
    if not isinstance(payload, dict):
        return "no reason given"
    words = (plain(payload.get(name)) for name in ("code", "title", "detail"))
    return shown(" ".join(filter(None, words)) or "no reason given", 120)


def _line(described: Any) -> Format:
    """The format of `media_format`. Raises for one that this endpoint does not take."""
    if not isinstance(described, dict):
        raise _unsupported("the media_format is unreadable")
    encoding, rate, channels = (plain(described.get(name, usual)) or "" for name, usual in _USUAL)
    line = FORMATS.get((encoding.upper(), rate))
    if line is None or channels != "1":
        raise _unsupported(
            f"the media_format (encoding {shown(encoding)}, sample_rate {shown(rate)}, channels {shown(channels)}) "
            "is not supported: this endpoint takes PCMU or PCMA with 8000 and L16 with 8000 or 16000 samples a second, "
            "one channel"
        )
    return line


_USUAL = (("encoding", "PCMU"), ("sample_rate", "8000"), ("channels", "1"))


def _unsupported(words: str) -> LineError:
    return LineError(words, fatal=True, code=1003)
