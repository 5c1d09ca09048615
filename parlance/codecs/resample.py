"""Changing the rate of mono PCM16: the filter, the stream that runs through it, and recordings at any rate.

A polyphase FIR (Kaiser-windowed sinc) as one matrix a pair of rates: a block of input with half a filter's length on
either side, times the matrix, is a block of output. Two properties are wanted that soxr's stream has not:

- little delay. soxr works in FFT blocks: fed 20 ms at a time, its HQ stream 8 to 16 kHz holds up to 115 ms back (LQ 61,
  48 to 8 kHz HQ 157); its variable-rate mode holds 5-30 ms back but lets 16 to 8 kHz alias at -3 dB. Here it is
  `Resampler.latency`: half the filter and at most a block.
- the same samples however the stream is cut. soxr dithers 16-bit output by what it was fed. Here the coefficients are
  whole numbers and every sum is below 2**53, so that floating point is exact and its order does not matter.

Every pair keeps 0 to 0.86 of the lower Nyquist frequency within 0.01 dB, and from that Nyquist frequency on
suppresses what would alias (or, going up, the images) by `REJECTION` dB.

Rates that no stream has (11.025 or 32 kHz) are only met in files: `fourier` converts a whole recording at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

from parlance.codecs import pcm

RATES = (8000, 16000, 22050, 24000, 44100, 48000)
"""Rates that can be converted into each other, in Hz."""

REJECTION = 80
"""Aliases and images are at least this many dB below the tone that makes them (16-bit rounding aside)."""

_PASSBAND = 0.86
_DESIGN_DB = 85.0
_ONE = 1 << 30
"""What a coefficient of 1 is as a whole number: 2**15 (sample) * 2**30 * 3 (sum of magnitudes) is far below 2**53."""

_BLOCK = 0.005
"""Seconds of a block, where the ratio of the rates allows: it is delay, and longer ones waste work on the matrix."""

_LARGE = 1 << 16
"""Coefficients from which on a matrix is multiplied by one block at a time: 5-14 µs; two at once cost 20-60."""

_ALONE = 1 << 18
"""Multiplications above which OpenBLAS wakes its threads, which cost more than they save (measured)."""


@dataclass(frozen=True, slots=True)
class _Filter:
    half: int
    """Input samples needed on either side of a block."""
    step: int
    """Input samples of a block."""
    taps: NDArray[np.float64]
    """(half + step + half) x (output samples of a block), in units of 1 / _ONE."""


@cache
def _filter(source: int, target: int) -> _Filter:
    """The matrix of a pair: up to 1.4 MB, shared by all streams of the process."""
    common = math.gcd(source, target)
    up, down = target // common, source // common
    nyquist = min(source, target) / 2
    cutoff = (1 + _PASSBAND) / 2 * nyquist
    # Kaiser's estimates: the length for a transition band and an attenuation, and the window's shape.
    reach = (_DESIGN_DB - 7.95) / (14.36 * (1 - _PASSBAND) * nyquist) / 2
    beta = 0.1102 * (_DESIGN_DB - 8.7)
    half = math.ceil(reach * source)
    periods = max(1, round(_BLOCK * source / down))
    step, width = down * periods, up * periods
    rows = np.arange(half + step + half)[:, np.newaxis] - half
    at = (rows - np.arange(width)[np.newaxis, :] * (down / up)) / source
    taps = np.zeros(at.shape)
    near = np.abs(at) < reach
    inside = at[near]
    taps[near] = np.i0(beta * np.sqrt(1 - (inside / reach) ** 2)) * np.sinc(2 * cutoff * inside)
    taps = np.rint(taps / taps.sum(axis=0) * _ONE)
    # Each column sums to one exactly: a constant stays that constant, with no ripple between the phases.
    taps[np.abs(taps).argmax(axis=0), np.arange(width)] += _ONE - taps.sum(axis=0)
    return _Filter(half, step, taps)


class Resampler:
    """A mono PCM16 stream from `source` Hz to `target` Hz. Output sample k is the input at k / target seconds.

    n samples in are ceil(n * target / source) samples out, exactly, once the stream is flushed. Raises ValueError for
    a rate that is not in `RATES`. The first stream of a pair of rates computes its filter (0.4-5 ms).
    """

    def __init__(self, source: int, target: int) -> None:
        for rate in (source, target):
            if rate not in RATES:
                raise ValueError(f"cannot resample {rate} Hz: the rates are {', '.join(map(str, RATES))}")
        self.source = source
        self.target = target
        self._filter = None if source == target else _filter(source, target)
        self._held: NDArray[np.float64]
        self._odd: bytes
        self._fed: int
        self._made: int
        self._restart()

    @property
    def latency(self) -> float:
        """The most seconds of input that are still held back after a feed; 0 where the rates are equal."""
        if self._filter is None:
            return 0.0
        return (self._filter.half + self._filter.step - 1) / self.source

    def feed(self, pcm16: bytes) -> bytes:
        """The output that is due; half a sample at the end is kept for the next feed. Equal rates: the input."""
        if self._filter is None:
            return pcm16
        if self._odd:
            pcm16 = self._odd + pcm16
        if len(pcm16) & 1:
            self._odd, pcm16 = pcm16[-1:], pcm16[:-1]
        else:
            self._odd = b""
        fresh = np.frombuffer(pcm16, "<i2")
        self._fed += len(fresh)
        return self._run(np.concatenate((self._held, fresh), dtype=np.float64))

    def flush(self) -> bytes:
        """What is still held back, as if silence followed. The next feed begins a new stream; half a sample is lost."""
        filter = self._filter
        if filter is None:
            return b""
        due = -(-self._fed * self.target // self.source) - self._made
        tail = self._run(np.concatenate((self._held, np.zeros(filter.half + filter.step))))
        self._restart()
        return tail[: 2 * due]

    def _restart(self) -> None:
        self._held = np.zeros(self._filter.half if self._filter else 0)
        self._odd = b""
        self._fed = 0
        self._made = 0

    def _run(self, line: NDArray[np.float64]) -> bytes:
        """Output of all whole blocks of `line`, which begins half a filter before the next block."""
        assert self._filter is not None
        step, taps = self._filter.step, self._filter.taps
        span = len(taps)
        blocks = (len(line) - span) // step + 1
        if blocks <= 0:
            self._held = line
            return b""
        at_once = 1 if taps.size > _LARGE else _ALONE // taps.size
        made = []
        for first in range(0, blocks, at_once):
            rows = min(at_once, blocks - first)
            windows = np.ndarray((rows, span), line.dtype, line, first * step * 8, (step * 8, 8))
            sums = np.dot(windows if rows > 1 else windows[0], taps)
            sums *= 1 / _ONE
            np.rint(sums, out=sums)
            np.minimum(sums, 32767, out=sums)
            np.maximum(sums, -32768, out=sums)
            made.append(sums.astype("<i2").tobytes())
        self._held = line[blocks * step :].copy()
        self._made += blocks * taps.shape[1]
        return made[0] if len(made) == 1 else b"".join(made)


def resample(pcm16: bytes, source: int, target: int) -> bytes:
    """A whole recording at once. The same samples as feeding it in pieces; n in are ceil(n * target / source) out."""
    stream = Resampler(source, target)
    return stream.feed(pcm16) + stream.flush()


def fourier(pcm16: bytes, source: int, target: int) -> bytes:
    """A whole recording at once, between any two rates, by its spectrum; n in are ceil(n * target / source) out.

    It rings where the recording begins or ends with a sound. Raises ValueError for half a sample.
    """
    samples = np.frombuffer(pcm16, "<i2")
    if not len(samples):
        return b""
    ratio = Fraction(target, source)
    # As much silence behind it as makes the ratio of the lengths that of the rates.
    padded = -(-len(samples) // ratio.denominator) * ratio.denominator
    scaled = np.fft.irfft(np.fft.rfft(samples, padded), int(padded * ratio)) * float(ratio)
    return pcm.rounded(scaled[: math.ceil(len(samples) * ratio)])
