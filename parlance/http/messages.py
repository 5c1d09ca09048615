"""One WebSocket after its handshake, sans-IO: bytes in, whole messages out, and the other way round. Pure.

The frames are websockets' own protocol's; here they become messages, and what ends the socket becomes a `LineGone`.
Whole messages, which carriers send fifty times a second, have a lane of their own past the protocol: that takes a third
off the cost of reading and judging a frame (`python -m bench.frame`).
"""

from __future__ import annotations

from collections.abc import Callable

from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode, apply_mask  # type: ignore[attr-defined]
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from parlance.actors.media.port import Message
from parlance.engine.errors import LineGone

UTF8 = 1007
"""The close code for a text that is not UTF-8 (RFC 6455, section 7.4.1)."""
WHOLE_TEXT, WHOLE_BINARY = 0x81, 0x82
"""A frame's first byte (section 5.2): the whole of a message."""
WHOLE = 0x80
"""A bit of it: this is the last frame of its message."""
KINDS = frozenset(Opcode)
"""What else it may be. Reserved bits and kinds are the protocol's to refuse."""
MASKED, TWO_BYTES, EIGHT_BYTES = 0x80, 126, 127
"""Its second byte: the mask's bit, and the lengths that stand for a longer one behind them."""


class Messages:
    """`protocol` has accepted the handshake; `tell` is called with each message of `peer`."""

    def __init__(self, protocol: ServerProtocol, peer: str, tell: Callable[[Message], None]) -> None:
        self.gone: LineGone | None = None
        """Why nothing more is to be expected: the other side has gone, or broke the protocol."""
        self.over = False
        """Nothing more can come: the other side's last word has been read."""
        self._protocol, self._peer, self._tell = protocol, peer, tell
        self._limit: int = protocol.max_message_size or 0
        self._rest = b""
        """The beginning of a frame. The protocol is given whole frames only, so that it holds nothing of its own."""
        self._inside = False
        """Between the first and the last frame of a message."""
        self._theirs = False
        """What comes is the protocol's alone: a frame came that it must judge by its head."""
        self._parts: list[bytes] = []
        self._text = False
        self.empty = 0
        """Frames that brought nothing, control frames and empty fragments: whoever counts them takes them off."""

    @property
    def open(self) -> bool:
        return self.gone is None and self._protocol.state is OPEN

    def feed(self, data: bytes) -> None:
        """What the other side has sent; empty for its end. Afterwards there may be something `outgoing`."""
        if not data or self._theirs:
            self._parse(data)
            return
        if self.gone is not None:
            return  # Nobody hears it any more; what is of interest is the end.
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= 2 and self.gone is None:
            kind, size = data[at], data[at + 1]
            start = at + 6
            length = size - MASKED
            if length < 0 or length == EIGHT_BYTES or kind & ~WHOLE not in KINDS:
                break
            if length == TWO_BYTES:
                start += 2
                if start > end:
                    self._rest = data[at:]
                    return
                length = data[at + 2] << 8 | data[at + 3]
                if length > self._limit:
                    break
            stop = start + length
            if stop > end:
                self._rest = data[at:]
                return
            # An empty binary frame has to be counted.
            if (kind == WHOLE_TEXT or (kind == WHOLE_BINARY and length)) and not self._inside:
                self._message(apply_mask(data[start:stop], data[start - 4 : start]), kind == WHOLE_TEXT)
            else:
                if kind & 0x0F <= Opcode.BINARY:
                    self._inside = not kind & WHOLE
                self._parse(data[at:stop])
            at = stop
        else:
            self._rest = data[at:] if self.gone is None else b""
            return
        self._rest = b""
        self._theirs = True
        self._parse(data[at:])

    def _parse(self, data: bytes) -> None:
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
            if frame.data:
                self._parts.append(bytes(frame.data))
            else:
                self.empty += 1
            if frame.fin:
                whole = b"".join(self._parts)
                self._parts.clear()
                self._message(whole, self._text)
        else:
            self.empty += 1

    def _message(self, data: bytes | bytearray | memoryview, text: bool) -> None:
        if self.gone is not None:
            return
        try:
            message: Message = str(data, "utf-8") if text else bytes(data)
        except UnicodeDecodeError:
            self.refuse("sent a text that is not UTF-8", UTF8)
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

    def refuse(self, how: str, code: int) -> None:
        """End it for what the other side did. There is a close frame `outgoing`."""
        if self.gone is None and self._protocol.state is OPEN:
            self._protocol.fail(code, how)
        self.lose(how, code)

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
