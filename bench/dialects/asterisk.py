"""Asterisk: `chan_websocket` in both forms of its control, and AudioSocket over TCP. Pure.

Source: Asterisk's documentation of the WebSocket channel driver and of AudioSocket.
"""

from __future__ import annotations

from base64 import b64encode
from uuid import NAMESPACE_URL, UUID, uuid5

from bench.dialects.fields import opened, query, samples, text
from bench.dialects.port import Bye, Clear, Dialect, Handshake, Mark, Message, Other, Ring, Told, Unspoken
from parlance.codecs.format import TELEPHONE, Format

LONGEST = 128
"""Bytes of a text that chan_websocket reads; a longer one it drops."""
LARGEST = 65500
"""Bytes of a message."""
_OTHERS = frozenset(("ANSWER", "START_MEDIA_BUFFERING", "PAUSE_MEDIA", "CONTINUE_MEDIA", "GET_STATUS"))


class Asterisk(Dialect):
    """`chan_websocket`; `is_json`: dialed with `f(json)`."""

    carrier = "asterisk"
    format = TELEPHONE
    marks = True

    def __init__(self, *, is_json: bool = True) -> None:
        self.name = "asterisk" if is_json else "asteriskplain"
        self._json = is_json

    def handshake(self, ring: Ring) -> Handshake:
        """`v(...)` of the dial string is the query; the connection's password is Basic."""
        said = {"agent": ring.agent, "ticket": ring.ticket, "from": ring.caller, "to": ring.called}
        path = query("/api/v1/media/asterisk", **said, channel=ring.call)
        basic = b64encode(f"asterisk:{ring.token}".encode()).decode("ascii")
        return Handshake(path, [("Authorization", f"Basic {basic}")] if ring.token else [], ("media",))

    def hello(self, ring: Ring) -> list[Message]:
        return [self._hello("ulaw", 160)]

    def wrong(self, ring: Ring) -> list[Message]:
        return [self._hello("g729", 20)]

    def _hello(self, format: str, size: int) -> str:
        said = {"connection_id": "media_connection1", "channel": "WebSocket/parlance/0x7f40", "channel_id": "1.2"}
        return self._event("MEDIA_START", {**said, "format": format, "optimal_frame_size": str(size), "ptime": "20"})

    def media(self, place: int, payload: bytes) -> Message:
        return payload

    def digit(self, digit: str) -> list[Message]:
        return [self._event("DTMF_END", {"digit": digit})]

    def mark(self, name: str) -> Message:
        if not self._json:
            return f"MEDIA_MARK_PROCESSED {name}"
        return self._event("MEDIA_MARK_PROCESSED", {"channel_id": "1.2", "correlation_id": name})

    def _event(self, event: str, said: dict[str, str]) -> str:
        if self._json:
            return text({"event": event, **said})
        return " ".join((event, *(f"{name}:{value}" for name, value in said.items())))

    def read(self, message: Message) -> list[Told]:
        if len(message) > (LARGEST if isinstance(message, bytes) else LONGEST):
            raise Unspoken(f"a message of {len(message)} bytes")
        if isinstance(message, bytes):
            return [samples(message, self.format)]
        if self._json:
            said = opened(message)
            command, name = said.get("command"), said.get("correlation_id", "")
        else:
            command, _, name = message.partition(" ")
        match command:
            case "MARK_MEDIA" if name:
                return [Mark(name)]
            case "FLUSH_MEDIA":
                return [Clear()]
            case "HANGUP":
                return [Bye()]
            case str() if command in _OTHERS:
                return [Other(command)]
        raise Unspoken(f"Asterisk has no such command: {message[:80]}")


class AudioSocket(Dialect):
    """Packets over TCP: a message is one packet. What Asterisk gets it plays at once."""

    name = "audiosocket"
    carrier = "asterisk"
    format = Format("pcm16", 8000)
    stream = stops = True
    clears = False
    lead = 0.02

    def handshake(self, ring: Ring) -> Handshake:
        return Handshake("")

    def hello(self, ring: Ring) -> list[Message]:
        return [_packet(0x01, identity(ring.ticket or ring.call).bytes)]

    def wrong(self, ring: Ring) -> list[Message]:
        return [*self.hello(ring), _packet(0x12, bytes(640))]

    def media(self, place: int, payload: bytes) -> Message:
        return _packet(0x10, payload)

    def digit(self, digit: str) -> list[Message]:
        return [_packet(0x03, digit.encode("ascii"))]

    def stop(self, ring: Ring) -> list[Message]:
        return [_packet(0x00, b"")]

    def read(self, message: Message) -> list[Told]:
        if isinstance(message, str) or len(message) < 3 or int.from_bytes(message[1:3], "big") != len(message) - 3:
            raise Unspoken(f"no packet: {message[:20]!r}")
        match message[0]:
            case 0x00:
                return [Bye()]
            case 0x10:
                return [samples(message[3:], self.format)]
        raise Unspoken(f"Asterisk takes no packet of kind 0x{message[0]:02x}")


def identity(call: str) -> UUID:
    """The UUID that is this call's id; made of it, where it is none."""
    try:
        return UUID(call)
    except ValueError:
        return uuid5(NAMESPACE_URL, call)


def _packet(kind: int, payload: bytes) -> bytes:
    return bytes((kind,)) + len(payload).to_bytes(2, "big") + payload
