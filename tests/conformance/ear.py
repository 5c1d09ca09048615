"""The ear at the end of a line, as carriers have it: a buffer that plays in order at its own pace. Positions are bytes
of the line's format, times are Trio's.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from parlance.codecs.format import Format


@dataclass
class Piece:
    """Audio that is played, or will be, from `start` on; `came`: when it arrived."""

    start: float
    payload: bytes
    came: float


class Ear:
    def __init__(self, line: Format) -> None:
        self.line = line
        self.pieces: list[Piece] = []
        self.end = 0.0
        """When everything there is will have been played."""
        self.most = 0.0
        """The most seconds that have ever waited to be played."""

    def play(self, payload: bytes, now: float) -> None:
        start = max(now, self.end)
        self.pieces.append(Piece(start, payload, now))
        self.end = start + len(payload) / self.line.second
        self.most = max(self.most, self.end - now)

    def clear(self, now: float) -> None:
        """Throw away what has not been played, to the sample."""
        while self.pieces and self.pieces[-1].start >= now:
            self.pieces.pop()
        if self.pieces:
            last = self.pieces[-1]
            keep = min(len(last.payload), int((now - last.start) * self.line.rate) * self.line.width)
            last.payload = last.payload[:keep]
            self.end = last.start + keep / self.line.second

    def heard(self, since: float, until: float) -> bytes:
        """What was played between these times."""
        parts = []
        for piece in self.pieces:
            begin = max(0, int((since - piece.start) * self.line.rate) * self.line.width)
            end = max(0, int((until - piece.start) * self.line.rate) * self.line.width)
            parts.append(piece.payload[begin:end])
        return b"".join(parts)

    def seconds(self, since: float, until: float) -> float:
        return len(self.heard(since, until)) / self.line.second

    def replies(self, *, pause: float = 0.15) -> list[Reply]:
        """What was heard, cut where nothing was played for longer than `pause`."""
        replies: list[Reply] = []
        for piece in self.pieces:
            if not piece.payload:
                continue
            length = len(piece.payload) / self.line.second
            if not replies or piece.start - replies[-1].end > pause:
                replies.append(Reply(piece.start, piece.start, b"", 0.0))
            reply = replies[-1]
            reply.gap += piece.start - reply.end
            reply.end = piece.start + length
            reply.audio += piece.payload
        return replies

    def quiet(self, now: float) -> bool:
        return now >= self.end

    def place(self, at: float) -> int:
        """How many pieces had begun to be played by then."""
        return bisect_right([piece.start for piece in self.pieces], at)


@dataclass
class Reply:
    """Audio without a pause in it. `gap`: seconds of silence between its pieces, in all."""

    start: float
    end: float
    audio: bytes
    gap: float
