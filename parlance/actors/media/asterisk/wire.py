"""The wire of Asterisk's `chan_websocket`: raw audio in binary messages, control in text. Pure.

Control is JSON or, as Asterisk sends it unless told otherwise, words in a line; answers take the form that
`MEDIA_START` had. Asterisk frames and times what it is sent, throws it away on `FLUSH_MEDIA` and echoes marks.
Source: Asterisk's `channels/chan_websocket.c` and its documentation of the WebSocket channel driver.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parlance.actors.media.dialect import Dialect
from parlance.actors.media.envelope import opened, plain, shown
from parlance.actors.media.number import e164
from parlance.actors.media.port import Digit, Marked, Message, Signal, Started
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.errors import LineError

FORMATS = {
    "ulaw": TELEPHONE,
    "alaw": Format("alaw", 8000),
    "slin": Format("pcm16", 8000),
    "slin16": Format("pcm16", 16000),
    "slin24": Format("pcm16", 24000),
    "slin48": Format("pcm16", 48000),
}
"""Asterisk's names of the formats that are taken."""
TEXT = 128
"""Bytes of the longest text that Asterisk reads; a longer one it drops."""

_DIGITS = frozenset("0123456789*#ABCD")
_WORD = re.compile(r"[A-Z][A-Z0-9_]*")
_VARIABLES = {
    "PARLANCE_AGENT": "agent",
    "PARLANCE_CALL": "call",
    "PARLANCE_CHANNEL": "channel",
    "PARLANCE_FROM": "from",
    "PARLANCE_TICKET": "ticket",
    "PARLANCE_TO": "to",
}
"""Channel variables that may stand for parameters of the address."""
_SECRET = ("ticket", "token", "PARLANCE_TICKET")


@dataclass(frozen=True, slots=True)
class Known:
    """What the handshake said: the address's parameters and the password."""

    query: Mapping[str, str] = field(default_factory=dict)
    token: str = field(default="", repr=False)


class Asterisk(Dialect):
    """One WebSocket channel.

    The parameters `agent`, `from`, `to`, `channel`, `call` and `ticket` come with the address (`v(...)` of the dial
    string) or as channel variables (`PARLANCE_AGENT`, ...), which only the JSON form shows; the address wins.
    `channel` is the unique id of the caller's channel: the one of `MEDIA_START` is the WebSocket's own.
    """

    carrier = "asterisk"
    format = TELEPHONE
    marks = True
    batch = 0.1

    def __init__(self, known: Known = Known()) -> None:
        self._known = known
        self._started = False
        self._json = True
        self._wide = False

    def receive(self, data: Message) -> bytes | Signal | None:
        """One message. Fatal are a `MEDIA_START` that cannot be used and a second one.

        Audio before it is dropped and is no fault: Asterisk 22.7 was seen to send some (asterisk issue 1712).
        """
        if isinstance(data, bytes):
            if not self._started:
                return None
            if self._wide and len(data) % 2:
                raise LineError(f"{len(data)} bytes are no whole number of 16-bit samples")
            return data or None
        event, details = _read(data)
        if event == "MEDIA_MARK_PROCESSED":
            return Marked(_text(details, "correlation_id", "mark"))
        if event == "DTMF_END":
            digit = _text(details, "digit", "digit")
            if digit not in _DIGITS:
                raise LineError(f"{shown(digit)} is not a digit of a telephone")
            return Digit(digit)
        if event == "MEDIA_START":
            return self._start(details, is_json=data.lstrip().startswith("{"))
        # MEDIA_XOFF among them: it comes at 18 seconds of audio waiting there, and we are never that far ahead.
        return None

    def _start(self, details: Mapping[str, Any], *, is_json: bool) -> Started:
        if self._started:
            raise LineError("MEDIA_START came twice", fatal=True, code=1002)
        name = details.get("format")
        line = FORMATS.get(name) if isinstance(name, str) else None
        if line is None:
            raise LineError(
                f"the format {shown(name)} is not supported: this endpoint takes {', '.join(FORMATS)}",
                fatal=True,
                code=1003,
            )
        self.format, self._wide = line, line.width == 2
        self._started, self._json = True, is_json
        variables = details.get("channel_variables")
        return self._said(_variables(variables), plain(details.get("channel_id")) or _identity(details))

    def _said(self, variables: dict[str, str], channel: str) -> Started:
        query = dict(self._known.query)
        said = {_VARIABLES[name]: value for name, value in variables.items() if name in _VARIABLES} | query
        ticket = said.get("ticket", "")
        ours = said.get("call", "") if ticket else ""
        public = {name: value for name, value in {**variables, **query}.items() if name not in _SECRET}
        return Started(
            agent=said.get("agent", ""),
            call=ours or said.get("channel", "") or channel,
            caller=e164(said.get("from", ""), bare=16),
            called=e164(said.get("to", ""), bare=16),
            parameters=public,
            ticket=ticket or self._known.token,
        )

    def hello(self, call: str, agent: str) -> Sequence[Message]:
        """`ANSWER`: for a channel that was dialed with `n`, so that the caller is answered when the call is taken."""
        return (self._command("ANSWER"),)

    def audio(self, payload: bytes) -> Message:
        return payload

    def mark(self, name: str) -> Message | None:
        return self._command("MARK_MEDIA", name)

    def clear(self) -> Message | None:
        return self._command("FLUSH_MEDIA")

    def goodbye(self, reason: str) -> Sequence[Message]:
        return (self._command("HANGUP"),)

    def _command(self, command: str, correlation: str = "") -> str:
        if not self._json:
            return f"{command} {correlation}".rstrip()
        message = {"command": command} | ({"correlation_id": correlation} if correlation else {})
        return json.dumps(message, separators=(",", ":"))


def _read(data: str) -> tuple[str, Mapping[str, Any]]:
    """An event's name and what it says, of either form."""
    if data.lstrip().startswith("{"):
        message = opened(data)
        event = message.get("event")
        if not isinstance(event, str) or not event:
            raise LineError("a message has no event")
        return event, message
    event, _, rest = data.strip().partition(" ")
    if not _WORD.fullmatch(event):
        raise LineError(f"{shown(data)} is no event of a WebSocket channel")
    pairs = dict(part.partition(":")[::2] for part in rest.split(" "))
    # The name of a mark stands alone.
    return event, {"correlation_id": rest} | pairs


def _text(details: Mapping[str, Any], name: str, what: str) -> str:
    value = plain(details.get(name))
    if not value:
        raise LineError(f"a message lacks its {what}")
    return value


def _identity(details: Mapping[str, Any]) -> str:
    """Asterisk 22.6 has no `channel_id` in the plain form."""
    return plain(details.get("channel")) or plain(details.get("connection_id")) or ""


def _variables(value: Any) -> dict[str, str]:
    """Underscores before a name only say that it is inherited."""
    if not isinstance(value, dict):
        return {}
    return {name.lstrip("_"): plain(content) or "" for name, content in value.items()}
