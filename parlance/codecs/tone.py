"""The tones of a telephone's keys (DTMF): sounding them, and finding them in audio.

Frequencies are those of ITU-T Q.23; levels, timing and twist are what ITU-T Q.24's table of administrations has in
common. Levels are dBm0: a sine of full scale is +3.17 dBm0 (G.711). Any `Format`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parlance.codecs import alaw, mulaw
from parlance.codecs.convert import convert
from parlance.codecs.format import Format
from parlance.codecs.pcm import rounded

LOW = (697.0, 770.0, 852.0, 941.0)
HIGH = (1209.0, 1336.0, 1477.0, 1633.0)
"""Hz: a key sounds one of the lower and one of the upper four."""
PAD = "123A456B789C*0#D"
"""The keys, four in a row; each row has its lower tone and each column its upper one."""
ON, OFF = 0.1, 0.1
"""Seconds of a key, and of the pause after it."""
LEVELS = (-9.0, -7.0)
"""dBm0 of the lower and the upper tone: telephones send the upper one 2 dB louder, for lines that weaken it."""
RAMP = 0.002
"""Seconds in which a tone rises and falls, so that it does not click."""
FULL = 3.17
"""dBm0 of a sine of full scale."""

LEAST = -31.0
"""dBm0 of both tones together below which there is none: a key of -25 dBm0 whose one tone is 6 dB weaker is above."""
SHARE = 0.6
"""Of the audio's power, what the two tones must have at the least. Speech seldom comes near, and never for `HITS`."""
TWIST = 10 ** (-9 / 10)
"""How much weaker one tone may be: 9 dB, where lines do 6."""
HITS, MISSES = 3, 4
"""A key has begun after so many windows with it in a row, and has ended after so many without. A window is 20 ms and
there is one every 10 ms: a key of 50 ms holds three of them wherever it begins. One of which a third is silence has no
key any more: a pause of 50 ms has five of them, and a frame of 20 ms that was lost in the middle of a key three."""

_CODES = bytes(range(256))
_DECODE = {
    "mulaw": np.frombuffer(mulaw.decode(_CODES), "<i2").astype(np.float32),
    "alaw": np.frombuffer(alaw.decode(_CODES), "<i2").astype(np.float32),
}
_NOTHING = np.zeros(8, np.complex64)


def keys(digits: str, line: Format, *, on: float = ON, off: float = OFF) -> bytes:
    """The sound of these keys (0-9, *, #, A-D), each with a pause after it. Raises ValueError for any other."""
    sound = np.concatenate([np.zeros(0), *(_key(digit, line.rate, on, off) for digit in digits)])
    return convert(rounded(sound * 32768.0), Format("pcm16", line.rate), line)


def _key(digit: str, rate: int, on: float, off: float) -> NDArray[np.float64]:
    row, column = divmod(PAD.index(digit), 4)
    time = np.arange(round(on * rate)) / rate
    tones = zip((LOW[row], HIGH[column]), LEVELS, strict=True)
    sound = sum((10 ** ((level - FULL) / 20) * np.sin(2 * np.pi * tone * time) for tone, level in tones), np.zeros(1))
    edge = np.minimum(time, time[::-1]) / RAMP if len(time) else time
    return np.concatenate([sound * np.minimum(edge, 1.0), np.zeros(round(off * rate))])


class Detector:
    """Finds keys in one stream of whole frames (`line.frame` bytes each)."""

    def __init__(self, line: Format) -> None:
        self._table = _DECODE.get(line.encoding)
        self._half = line.rate // 100
        turns = 2 * np.pi * np.outer((*LOW, *HIGH), np.arange(self._half)) / line.rate
        self._waves = np.stack((np.cos(turns), -np.sin(turns)), axis=1).reshape(16, -1).astype(np.float32)
        """What turns half a window into its eight complex amplitudes, as real and imaginary parts by turns."""
        self._turn = np.exp(-2j * np.pi * np.array((*LOW, *HIGH)) / 100).astype(np.complex64)
        """How far each tone turns in half a window."""
        level = 32768.0**2 / 2 * 10 ** ((LEAST - FULL) / 10)
        self._least = level * 2 * self._half
        self._before = _NOTHING
        self._power = 0.0
        self._candidate, self._hits = "", 0
        self._key, self._misses = "", 0

    def feed(self, frame: bytes) -> str:
        """The keys that have begun with this frame: mostly none."""
        if self._table is not None:
            samples = self._table.take(np.frombuffer(frame, np.uint8))
        else:
            samples = np.frombuffer(frame, "<i2").astype(np.float32)
        before, power = self._power, float(np.dot(samples, samples))
        if before + power < self._least:
            self._before, self._power = _NOTHING, power
            return self._follow("") + self._follow("") if self._key or self._candidate else ""
        halves = samples.reshape(2, self._half)
        # No matrix product: OpenBLAS may wake its threads for one.
        now = np.einsum("kj,ij->ki", halves, self._waves).view(np.complex64)
        whole = now * self._turn
        whole[0] += self._before
        whole[1] += now[0]
        self._before = now[1]
        squares = np.square(whole.view(np.float32))
        tones = (squares[:, ::2] + squares[:, 1::2]).tolist()
        self._power = float(np.dot(halves[1], halves[1]))
        first = self._follow(self._key_of(tones[0], before + power - self._power))
        return first + self._follow(self._key_of(tones[1], power))

    def _key_of(self, tones: list[float], power: float) -> str:
        """The key that sounds in a window of this power, if one does."""
        if power < self._least:
            return ""
        low, high = max(tones[:4]), max(tones[4:])
        if low + high < SHARE * power * self._half or min(low, high) < TWIST * max(low, high):
            return ""
        return PAD[4 * tones.index(low) + tones.index(high, 4) - 4]

    def _follow(self, digit: str) -> str:
        """The key, once it has sounded for long enough; not again before it has ended."""
        if digit == self._key:
            self._misses = 0
        elif self._key:
            self._misses += 1
            if self._misses == MISSES:
                self._key = ""
        self._hits = self._hits + 1 if digit == self._candidate else 1
        self._candidate = digit
        if not digit or digit == self._key or self._hits < HITS:
            return ""
        self._key, self._misses = digit, 0
        return digit
