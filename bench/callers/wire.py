"""Bytes of a caller's side: the WebSocket (RFC 6455) as a client. What is said on it is the dialect's.

The mask is one constant, so that a frame can be made before the run and sent by many callers: masking guards proxies
against a browser's scripts, and here is neither. Pure.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence

MASK = b"\x37\xfa\x21\x3d"
KEY = b64encode(b"a caller's bench").decode("ascii")
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
LARGEST = 1 << 20
"""Bytes a server's message may have."""
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class BadAnswer(Exception):
    """The server's side of the protocol is wrong. Its text says how."""


def upgrade(host: str, path: str, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """The opening handshake's request. `host`: with its port."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nUser-Agent: parlance-bench\r\n{more}\r\n"
    ).encode("ascii")


def accept(key: str = KEY) -> str:
    """What the server must say in `Sec-WebSocket-Accept`."""
    return b64encode(hashlib.sha1((key + _GUID).encode("ascii")).digest()).decode("ascii")


def upgraded(head: bytes) -> str:
    """ "" if this head of a response opens the socket, else what it says instead: `HTTP 503 Service Unavailable`."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, status = first.partition(" ")
    if not version.startswith("HTTP/1."):
        return f"no HTTP: {first[:60]!r}"
    if not status.startswith("101"):
        return f"HTTP {status.strip()}"
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() == "sec-websocket-accept" and value.strip() == accept():
            return ""
    return "HTTP 101 without the right Sec-WebSocket-Accept"


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole masked frame."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    key = (MASK * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")
    return head + MASK + masked.to_bytes(size, "little")


def closing(code: int = 1000) -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big"))


def closed(payload: bytes) -> str:
    """What a close frame says: `1013 all lines are taken`."""
    if len(payload) < 2:
        return "closed without a code"
    reason = payload[2:].decode("utf-8", "replace").strip()
    return f"{int.from_bytes(payload[:2], 'big')} {reason}".strip()


class Inbox:
    """Bytes from the server to its messages, in whatever pieces they come."""

    __slots__ = ("_begun", "_opcode", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._opcode = 0
        self._begun = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Whole messages and control frames, as (opcode, payload). Raises `BadAnswer`."""
        if self._rest:
            data = self._rest + data
        whole: list[tuple[int, bytes]] = []
        at, end = 0, len(data)
        while end - at >= 2:
            first, size = data[at], data[at + 1]
            begin = at + 2
            if size == 126:
                begin = at + 4
                size = int.from_bytes(data[at + 2 : begin], "big")
            elif size == 127:
                begin = at + 10
                size = int.from_bytes(data[at + 2 : begin], "big")
            elif size > 127:
                raise BadAnswer("a masked frame came from the server")
            if size > LARGEST:
                raise BadAnswer(f"a frame of {size} bytes came, the most taken is {LARGEST}")
            if begin + size > end:
                break
            at = begin + size
            payload = data[begin:at]
            if first == 0x81 and not self._opcode:
                whole.append((TEXT, payload))
            else:
                self._other(first, payload, whole)
        self._rest = data[at:]
        return whole

    def _other(self, first: int, payload: bytes, whole: list[tuple[int, bytes]]) -> None:
        """A frame that is not simply a whole text."""
        final, opcode = first & 0x80, first & 0x0F
        if first & 0x70:
            raise BadAnswer("a frame uses an extension that was not agreed on")
        if opcode >= CLOSE:
            whole.append((opcode, payload))
            return
        if (opcode == 0) != (self._opcode != 0):
            raise BadAnswer("the fragments of a message are out of order")
        opcode = opcode or self._opcode
        payload = self._begun + payload
        if len(payload) > LARGEST:
            raise BadAnswer(f"a message of over {LARGEST} bytes came")
        if final:
            whole.append((opcode, payload))
        self._opcode, self._begun = (0, b"") if final else (opcode, payload)
