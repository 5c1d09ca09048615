"""Mono PCM16 to MP3, for browsers that play what they get: LAME by way of PyAV."""

from __future__ import annotations

from typing import Any

import numpy as np

from parlance.codecs import pyav
from parlance.codecs.pcm import Framer

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Rates that MP3 has, in Hz (MPEG-1, MPEG-2 and MPEG-2.5)."""

BITRATE = 64_000
"""Bits a second: transparent for speech, and a rate that all three MPEG versions have."""


class Encoder:
    """A stream of mono PCM16 at `rate` Hz to constant-rate MP3 frames without a header.

    The bit reservoir is off: no frame needs an earlier one, so that a player may begin at any of them. LAME and the
    player's decoder together put 1,105 samples before the first one. Raises ValueError for a rate that MP3 does not
    have and `MissingCodec` without PyAV.
    """

    def __init__(self, rate: int) -> None:
        if rate not in RATES:
            raise ValueError(f"MP3 has no {rate} Hz: the rates are {', '.join(map(str, RATES))}")
        self._av = pyav.load("MP3")
        self.rate = rate
        self._open()

    def feed(self, pcm16: bytes) -> bytes:
        """The MP3 frames that are whole now: LAME looks ahead, so that the first feeds may give nothing."""
        return b"".join([self._encode(frame) for frame in self._framer.feed(pcm16)])

    def flush(self) -> bytes:
        """The last frames, filled up with silence. The next feed begins a new MP3; half a sample is lost."""
        rest = self._framer.flush()
        rest = rest[: len(rest) & ~1]
        last = self._encode(rest) if rest else b""
        if self._begun:
            last += b"".join([bytes(packet) for packet in self._lame.encode(None)])
        self._open()
        return last

    def _open(self) -> None:
        lame: Any = self._av.CodecContext.create("libmp3lame", "w")
        lame.sample_rate = self.rate
        lame.layout = "mono"
        lame.format = "s16p"
        lame.bit_rate = BITRATE
        lame.options = {"reservoir": "0"}
        lame.open()
        self._lame = lame
        self._framer = Framer(lame.frame_size * 2)
        self._begun = False

    def _encode(self, pcm16: bytes) -> bytes:
        samples = np.frombuffer(pcm16, "<i2")
        frame = self._av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16p", layout="mono")
        frame.sample_rate = self.rate
        self._begun = True
        return b"".join([bytes(packet) for packet in self._lame.encode(frame)])


def encode(pcm16: bytes, rate: int) -> bytes:
    """A whole recording at once: the same bytes as feeding it in pieces."""
    stream = Encoder(rate)
    return stream.feed(pcm16) + stream.flush()
