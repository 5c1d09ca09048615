"""The wire of Vonage's WebSocket endpoint: binary L16, little-endian, 20 ms a frame, and JSON text beside it. Pure.

Shapes are those of Vonage's "WebSockets" guide. The first message has what our call control object put into the
endpoint's headers among its own fields. What comes in is a mix of all there is in the call but us. What we send must
be one frame a message; Vonage keeps up to 3072 of them (60 s). `notify` comes back when what was sent before it has
been played.
"""

from __future__ import annotations

import json
import re
from typing import Any

from parlance.actors.media.dialect import Dialect
from parlance.actors.media.envelope import opened, plain, shown
from parlance.actors.media.number import e164
from parlance.actors.media.port import Digit, Marked, Message, Signal, Started
from parlance.codecs.format import Format
from parlance.engine.errors import LineError

_DIGITS = frozenset("0123456789*#ABCD")
_TYPE = re.compile(r"audio/l16\s*;\s*rate\s*=\s*(8000|16000)", re.IGNORECASE)
_OWN = frozenset({"event", "content-type", "ticket"})


class Vonage(Dialect):
    """One media socket. `ticket`: of the handshake, for sockets whose headers have none."""

    carrier = "vonage"
    marks = True
    batch = 0.02

    def __init__(self, *, ticket: str = "", rate: int = 16000) -> None:
        self.format = Format("pcm16", rate)
        self._ticket = ticket
        self._started = False

    def receive(self, data: Message) -> bytes | Signal | None:
        """One message. Fatal are a first one that cannot be used and a second of those."""
        if isinstance(data, bytes):
            if not self._started:
                raise LineError("audio came before websocket:connected")
            if len(data) % 2:
                raise LineError("a message of audio has half a sample in it")
            return data or None
        message = opened(data)
        event = message.get("event")
        if not isinstance(event, str):
            raise LineError("a message has no event")
        if event == "websocket:dtmf":
            digit = (plain(message.get("digit")) or "").upper()
            if digit not in _DIGITS:
                raise LineError(f"{shown(digit)} is not a digit of a telephone")
            return Digit(digit)
        if event == "websocket:notify":
            payload = message.get("payload")
            name = payload.get("name") if isinstance(payload, dict) else None
            return Marked(name) if isinstance(name, str) else None
        if event == "websocket:connected":
            return self._start(message)
        return None

    def _start(self, message: dict[str, Any]) -> Started:
        if self._started:
            raise LineError("websocket:connected came twice", fatal=True, code=1002)
        described = message.get("content-type")
        found = _TYPE.fullmatch(described.strip()) if isinstance(described, str) else None
        if found is None:
            raise LineError(
                f"the content-type {shown(described)} is not supported: this endpoint takes audio/l16;rate=16000 "
                "and audio/l16;rate=8000",
                fatal=True,
                code=1003,
            )
        self._started = True
        self.format = Format("pcm16", int(found[1]))
        named = {name: plain(value) or "" for name, value in message.items() if name not in _OWN}
        ticket = plain(message.get("ticket")) or self._ticket
        ours = named.pop("call", "")
        return Started(
            agent=named.get("agent", ""),
            call=ours if ours and ticket else named.get("uuid", ""),
            caller=e164(named.get("from")),
            called=e164(named.get("to")),
            parameters=named,
            ticket=ticket,
        )

    def audio(self, payload: bytes) -> Message:
        """One frame, as `batch` has it. What is less is filled up with silence: Vonage takes whole ones only."""
        return payload if len(payload) == self.format.frame else payload.ljust(self.format.frame, b"\0")

    def mark(self, name: str) -> Message | None:
        return json.dumps({"action": "notify", "payload": {"name": name}})

    def clear(self) -> Message | None:
        return '{"action":"clear"}'
