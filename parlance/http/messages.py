"""One WebSocket after its handshake, sans-IO: bytes in, whole messages out, and the other way round. Pure.

The frames are websockets' own protocol's; here they become messages, and what ends the socket becomes a `LineGone`.
"""

from __future__ import annotations

from collections.abc import Callable

from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from parlance.actors.media.port import Message
from parlance.engine.errors import LineGone

UTF8 = 1007
"""The close code for a text that is not UTF-8 (RFC 6455, section 7.4.1)."""


class Messages:
    """`protocol` has accepted the handshake; `tell` is called with each message of `peer`."""

    def __init__(self, protocol: ServerProtocol, peer: str, tell: Callable[[Message], None]) -> None:
        self.gone: LineGone | None = None
        """Why nothing more is to be expected: the other side has gone, or broke the protocol."""
        self.over = False
        """Nothing more can come: the other side's last word has been read."""
        self._protocol, self._peer, self._tell = protocol, peer, tell
        self._parts: list[bytes] = []
        self._text = False

    @property
    def open(self) -> bool:
        return self.gone is None and self._protocol.state is OPEN

    def feed(self, data: bytes) -> None:
        """What the other side has sent; empty for its end. Afterwards there may be something `outgoing`."""
        protocol = self._protocol
        if data:
            protocol.receive_data(data)
        else:
            self.over = True
            protocol.receive_eof()
        for frame in protocol.events_received():
            self._frame(frame)  # type: ignore[arg-type]
        if protocol.state is not OPEN and (protocol.close_rcvd or protocol.parser_exc):
            self.over = self.over or protocol.close_rcvd is not None
            self._explain()

    def _frame(self, frame: Frame) -> None:
        opcode = frame.opcode
        if frame.fin and opcode is Opcode.TEXT:
            self._message(frame.data, True)
        elif opcode is Opcode.TEXT or opcode is Opcode.BINARY or opcode is Opcode.CONT:
            if opcode is not Opcode.CONT:
                self._text = opcode is Opcode.TEXT
            self._parts.append(bytes(frame.data))
            if frame.fin:
                whole = b"".join(self._parts)
                self._parts.clear()
                self._message(whole, self._text)

    def _message(self, data: bytes | bytearray | memoryview, text: bool) -> None:
        if self.gone is not None:
            return
        try:
            message: Message = str(data, "utf-8") if text else bytes(data)
        except UnicodeDecodeError:
            self._protocol.fail(UTF8, "a text that is not UTF-8")
            self.lose("sent a text that is not UTF-8", UTF8)
            return
        self._tell(message)

    def _explain(self) -> None:
        received, failure = self._protocol.close_rcvd, self._protocol.parser_exc
        if received is not None:
            self.lose(f"closed the line ({f'{received.code} {received.reason}'.rstrip()})", received.code)
        elif isinstance(failure, PayloadTooBig):
            self.lose(f"sent a message over the limit ({failure})", 1009)
        elif failure is None or isinstance(failure, EOFError):
            self.lose()
        else:
            self.lose(f"broke the protocol ({failure})", 1002)

    def lose(self, how: str = "dropped the line", code: int = 1006) -> None:
        """The other side has gone; the first word on it counts."""
        if self.gone is None:
            self.gone = LineGone(f"{self._peer} {how}", code=code)

    def pack(self, message: Message) -> None:
        """Make `message` outgoing. Only while `open`."""
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)

    def bid_farewell(self, code: int, reason: str) -> None:
        """Make a close frame outgoing. Only while `open`."""
        self._protocol.send_close(code, reason)

    def outgoing(self) -> list[bytes]:
        """Bytes to send, in order; empty ones stand for the end of sending."""
        return self._protocol.data_to_send()
