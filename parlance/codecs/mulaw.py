"""G.711 µ-law: bytes to PCM16 and back, and nothing else.

The rule is ITU-T G.711, table 2, as the ITU's own software (G.191, `ulaw_compress` and `ulaw_expand`) computes it on
PCM16: the low two bits are dropped, a negative sample is taken by its one's complement. Other implementations negate
instead and differ by one code on negative samples that lie exactly on a decision value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _decoding() -> NDArray[np.int16]:
    bits = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent, mantissa = bits >> 4 & 7, bits & 15
    magnitude = ((2 * mantissa + 33 << exponent) - 33) * 4
    signed: NDArray[np.int32] = np.where(bits & 0x80, -magnitude, magnitude)
    return signed.astype("<i2")


def _encoding() -> NDArray[np.uint8]:
    """By sample as an unsigned 16-bit number. A segment begins where the biased magnitude gains a bit."""
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    biased = np.minimum((np.where(sample < 0, ~sample, sample) >> 2) + 33, 0x1FFF)
    exponent = np.searchsorted(1 << np.arange(6, 13), biased, side="right")
    code: NDArray[np.uint8] = (~(exponent << 4 | biased >> (exponent + 1) & 15 | np.where(sample < 0, 0x80, 0))).astype(
        np.uint8
    )
    return code


_DECODE = _decoding()
_ENCODE = _encoding()


def decode(mulaw: bytes) -> bytes:
    """PCM16, little-endian, of one µ-law byte a sample. Its range is -32124 to 32124."""
    return _DECODE.take(np.frombuffer(mulaw, np.uint8)).tobytes()


def encode(pcm16: bytes) -> bytes:
    """µ-law of little-endian PCM16. Raises ValueError for half a sample."""
    return _ENCODE.take(np.frombuffer(pcm16, "<u2")).tobytes()
