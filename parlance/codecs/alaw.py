"""G.711 A-law: bytes to PCM16 and back, and nothing else.

The rule is ITU-T G.711, table 1, as the ITU's own software (G.191, `alaw_compress` and `alaw_expand`) computes it on
PCM16: the low four bits are dropped, a negative sample is taken by its one's complement, even bits are inverted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _decoding() -> NDArray[np.int16]:
    bits = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = bits >> 4 & 7, bits & 15
    # The lowest segment has no leading one and shares the step of the second.
    magnitude = np.where(exponent == 0, 2 * mantissa + 1, 2 * mantissa + 33 << np.maximum(exponent - 1, 0)) * 8
    return np.where(bits & 0x80, magnitude, -magnitude).astype("<i2")


def _encoding() -> NDArray[np.uint8]:
    """By sample as an unsigned 16-bit number. A segment begins where the magnitude gains a bit."""
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.where(sample < 0, ~sample, sample) >> 4
    exponent = np.searchsorted(1 << np.arange(4, 11), magnitude, side="right")
    code = exponent << 4 | magnitude >> np.maximum(exponent - 1, 0) & 15 | np.where(sample < 0, 0, 0x80)
    return (code ^ 0x55).astype(np.uint8)


_DECODE = _decoding()
_ENCODE = _encoding()


def decode(alaw: bytes) -> bytes:
    """PCM16, little-endian, of one A-law byte a sample. Its range is -32256 to 32256."""
    return _DECODE.take(np.frombuffer(alaw, np.uint8)).tobytes()


def encode(pcm16: bytes) -> bytes:
    """A-law of little-endian PCM16. Raises ValueError for half a sample."""
    return _ENCODE.take(np.frombuffer(pcm16, "<u2")).tobytes()
