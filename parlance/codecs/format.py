"""How audio is written down: an encoding and a rate. Everything is mono."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Encoding = Literal["mulaw", "alaw", "pcm16"]

FRAME_MS = 20
"""The length of a telephone frame, everywhere in parlance."""


@dataclass(frozen=True, slots=True)
class Format:
    """`encoding`: G.711 µ-law, A-law, or signed 16-bit little-endian PCM; `rate`: samples a second."""

    encoding: Encoding
    rate: int

    @property
    def width(self) -> int:
        """Bytes a sample."""
        return 2 if self.encoding == "pcm16" else 1

    @property
    def frame(self) -> int:
        """Bytes of a 20 ms frame."""
        return self.rate * FRAME_MS // 1000 * self.width

    @property
    def second(self) -> int:
        """Bytes of a second."""
        return self.rate * self.width

    @property
    def silence(self) -> bytes:
        """One sample of silence (0xFF is µ-law's positive zero, 0xD5 A-law's)."""
        return {"mulaw": b"\xff", "alaw": b"\xd5", "pcm16": b"\x00\x00"}[self.encoding]


TELEPHONE = Format("mulaw", 8000)
"""What a telephone line carries (ITU-T G.711)."""
