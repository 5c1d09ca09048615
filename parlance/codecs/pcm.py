"""Plain samples: cutting them into frames, mixing them to mono, measuring them, and bringing any depth to PCM16.

PCM16 is signed 16-bit little-endian everywhere. Nothing here knows a codec, a file or a rate.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Depth = Literal["u8", "s16", "s24", "s32", "f32", "f64"]

FLOOR = -100.0
"""What `level` says of silence, in dBFS: an RMS of a third of one step of 16 bits."""

_FULL_SCALE = 32768.0


class Framer:
    """Bytes in any chunks to frames of `size` bytes; what does not fill a frame is kept for the next chunk."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"a frame has at least one byte, not {size}")
        self.size = size
        self._rest = b""

    @property
    def rest(self) -> bytes:
        """What waits to become a frame: always less than `size` bytes."""
        return self._rest

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are whole now, in order."""
        size = self.size
        if self._rest:
            data = self._rest + data
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return [data[at : at + size] for at in range(0, whole, size)]

    def flush(self) -> bytes:
        """The rest, which is kept no longer."""
        rest, self._rest = self._rest, b""
        return rest


def mono(pcm16: bytes, channels: int = 2) -> bytes:
    """The mean of interleaved channels, rounded to even. Raises ValueError where a sample of a channel is missing."""
    if channels == 1:
        return pcm16
    samples = np.frombuffer(pcm16, "<i2").reshape(-1, channels)
    means: NDArray[np.float64] = samples.mean(axis=1)
    return np.rint(means).astype("<i2").tobytes()


def stereo(left: bytes, right: bytes) -> bytes:
    """Two PCM16 tracks interleaved; the shorter one is filled up with silence."""
    longest = max(len(left), len(right)) // 2
    both = np.zeros((longest, 2), "<i2")
    both[: len(left) // 2, 0] = np.frombuffer(left, "<i2")
    both[: len(right) // 2, 1] = np.frombuffer(right, "<i2")
    return both.tobytes()


def level(pcm16: bytes) -> float:
    """The RMS level in dBFS, `FLOOR` at least.

    0 dBFS is a full-scale square wave (an RMS of 32,768), so that nothing is louder; a full-scale sine is -3.01.
    """
    samples = np.frombuffer(pcm16, "<i2").astype(np.float64)
    power = float(samples @ samples)
    if power == 0.0:
        return FLOOR
    return max(FLOOR, 10.0 * math.log10(power / len(samples) / _FULL_SCALE**2))


def peak(pcm16: bytes) -> int:
    """The largest magnitude, 0 to 32,768; 0 of nothing."""
    samples = np.frombuffer(pcm16, "<i2")
    return max(int(samples.max()), -int(samples.min())) if len(samples) else 0


def to_pcm16(data: bytes, depth: Depth) -> bytes:
    """Little-endian samples of any depth as PCM16, rounded and clipped; NaN is silence.

    Floats are full scale at 1.0; 8-bit samples are unsigned, as WAV has them. Raises ValueError for part of a sample.
    """
    if depth == "s16":
        np.frombuffer(data, "<i2")
        return data
    if depth == "u8":
        centered = np.frombuffer(data, np.uint8).astype("<i2") - np.int16(128)
        return np.left_shift(centered, 8).tobytes()
    if depth == "s24":
        octets = np.frombuffer(data, np.uint8).reshape(-1, 3)
        padded = np.zeros((len(octets), 4), np.uint8)
        padded[:, 1:] = octets
        return _narrow(padded.view("<i4").ravel())
    if depth == "s32":
        return _narrow(np.frombuffer(data, "<i4"))
    # Before the cast to double, which complains of a signaling NaN.
    floats = np.nan_to_num(np.frombuffer(data, "<f4" if depth == "f32" else "<f8"), nan=0.0, posinf=1.0, neginf=-1.0)
    return rounded(np.clip(floats.astype(np.float64), -1.0, 1.0) * _FULL_SCALE)


def rounded(samples: NDArray[np.float64]) -> bytes:
    """PCM16 of samples on its own scale (full scale is 32,768), rounded to even and clipped."""
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def _narrow(samples: NDArray[np.int32]) -> bytes:
    """The upper half of 32-bit samples, rounded half up; the top half step clips instead of wrapping."""
    upper: NDArray[np.int64] = (samples.astype(np.int64) + 0x8000) >> 16
    return np.minimum(upper, 32767).astype("<i2").tobytes()
