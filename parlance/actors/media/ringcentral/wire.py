"""The wire of the RingCentral profile: control as JSON text, audio as binary messages, 8 kHz both ways. Pure.

RingCentral itself has no media WebSocket; a SIP or gRPC gateway in front of it speaks this. Which call it is stands in
the socket's query, or in `start`, or partly in either. The profile has no marks, no `clear` and no message for digits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parlance.actors.media.dialect import Dialect
from parlance.actors.media.envelope import opened, plain, shown
from parlance.actors.media.number import e164
from parlance.actors.media.port import Message, Signal, Started, Stopped
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.errors import LineError

PCM = Format("pcm16", 8000)
_ENCODINGS = {"mulaw": TELEPHONE, "ulaw": TELEPHONE, "pcmu": TELEPHONE, "pcm": PCM, "pcm16": PCM, "l16": PCM}
_SECRETS = ("ticket", "token")


class RingCentral(Dialect):
    """One media socket. `begun`: the query has said which call it is, and audio may come without a `start`."""

    carrier = "ringcentral"
    batch = 0.02
    digits = False

    def __init__(
        self,
        format: Format = TELEPHONE,
        *,
        begun: bool = False,
        known: Mapping[str, str] | None = None,
        fixed: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`known`: what the query says; `fixed`: whether a ticket is the token of the gateway, not of one call."""
        self.format = format
        self._begun = begun
        self._known = dict(known or {})
        self._fixed = fixed
        self._started = False
        self._odd = format.width - 1

    def receive(self, data: Message) -> bytes | Signal | None:
        """One message. Fatal are a second `start`, and another format than 8 kHz mono mu-law or PCM16."""
        if isinstance(data, bytes):
            if not self._begun:
                raise LineError("audio came before start")
            if len(data) & self._odd:
                raise LineError("a message of audio ends within a sample")
            return data or None
        message = opened(data)
        kind = message.get("type")
        if not isinstance(kind, str):
            raise LineError("a message has no type")
        if kind == "start":
            return self._start(message)
        if kind == "stop":
            return Stopped((plain(message.get("reason")) or "")[:100] or "hung up")
        if kind == "config":
            self._agree(message)
        return None

    def _start(self, message: dict[str, Any]) -> Started | None:
        if self._started:
            raise LineError("start came twice", fatal=True, code=1002)
        self._agree(message)
        self._started = True
        if self._begun:
            return None
        self._begun = True
        said = {name: text for name, value in message.items() if name != "type" and (text := plain(value))}
        return identified({**self._known, **said}, self._fixed)

    def _agree(self, message: dict[str, Any]) -> None:
        """Take the format a message names: final once the call has begun."""
        described = message.get("format")
        format = negotiated(described if isinstance(described, dict) else message, self.format)
        if self._begun and format != self.format:
            raise LineError(f"the call has begun with {self.format.encoding} at 8000 Hz", fatal=True, code=1003)
        self.format = format
        self._odd = format.width - 1

    def audio(self, payload: bytes) -> Message:
        return payload

    def goodbye(self, reason: str) -> Sequence[Message]:
        """`stop`: the gateway hangs up."""
        return (json.dumps({"type": "stop", "reason": reason}),)


def negotiated(said: Mapping[str, Any], usual: Format) -> Format:
    """The format that `encoding`, `sampleRate` (or `sample_rate`) and `channels` name; `usual` where they do not."""
    encoding = said.get("encoding")
    format = usual if encoding in (None, "") else _ENCODINGS.get((plain(encoding) or "").lower())
    rate = said.get("sampleRate", said.get("sample_rate", 8000))
    channels = said.get("channels", 1)
    if format is None or plain(rate) != "8000" or plain(channels) != "1":
        sent = f"{shown(encoding)} at {shown(rate)} Hz, {shown(channels)} channels"
        raise LineError(
            f"the format ({sent}) is not supported: this endpoint takes mulaw or pcm at 8000 Hz, 1 channel",
            fatal=True,
            code=1003,
        )
    return format


def identified(said: Mapping[str, str], fixed: Callable[[str], bool]) -> Started:
    """Which call a query or a `start` names. Our own id (`call`) counts with a ticket of that call only."""
    ticket = said.get("ticket") or said.get("token") or ""
    theirs = said.get("call_id") or said.get("session_id") or ""
    return Started(
        agent=said.get("agent", ""),
        call=(said.get("call") or theirs) if ticket and not fixed(ticket) else theirs,
        caller=e164(said.get("from_number", ""), bare=11),
        called=e164(said.get("to_number", ""), bare=11),
        parameters={name: text for name, text in said.items() if name not in _SECRETS},
        ticket=ticket,
    )
