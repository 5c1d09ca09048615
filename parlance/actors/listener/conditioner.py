"""A line's audio made what the acoustic model is set up for: at one level, and from 8 kHz to the model's 16. Pure.

The model knows neither the band nor the level of a line, and adapts to them over several utterances only. So the ear
takes 8 kHz from every line: speech of a browser's full band was heard with 60 % WER, brought to 8 kHz it is 8 %. And
every line gets a gain, found in the first half second of a call's first utterance, which is held back until then, and
again in every utterance that had words: at -44 dBFS that is 6 % WER instead of 45. (Measured as in `decoder.py`.)
"""

from __future__ import annotations

import numpy as np

from parlance.codecs import pcm
from parlance.codecs.resample import Resampler

LINE = 8_000
MODEL = 16_000
WINDOW = LINE // 50 * 2
"""Bytes of 20 ms, the unit of which levels are taken."""
PRELUDE = LINE // 2 * 2
"""Bytes by which a line is judged first: a quarter of a second of lead-in, and as much of speech."""
TARGET = -20.0
"""dBFS (RMS) that the loudest tenth of an utterance's windows is brought to."""
MOST = 24.0
"""dB of gain either way at most: beyond that it is no quiet caller but the noise of the line."""


class Conditioner:
    """One call's line. `begin`, then `hear` as often as needed, then `end`; `learn` if there were words in it."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Another line."""
        self.gain: float | None = None
        """dB; None until it is known."""
        self.begin()

    def begin(self) -> None:
        self._holding = self.gain is None
        self._taken = bytearray()
        self._resampler = Resampler(LINE, MODEL)

    def hear(self, audio: bytes) -> bytes:
        """`audio` (PCM16, 8 kHz, whole samples) as what to decode now (PCM16, 16 kHz); nothing while it is held."""
        self._taken += audio
        if not self._holding:
            return self._passed(audio)
        if len(self._taken) < PRELUDE:
            return b""
        return self._released()

    def end(self) -> bytes:
        """What still has to be decoded."""
        return (self._released() if self._holding else b"") + self._resampler.flush()

    def learn(self) -> None:
        """Take the level of this utterance for that of the line."""
        whole = bytes(self._taken[: len(self._taken) // WINDOW * WINDOW])
        if whole:
            powers = np.square(np.frombuffer(whole, "<i2"), dtype=np.float64).reshape(-1, WINDOW // 2).mean(axis=1)
            loudest = float(np.percentile(powers, 90))
            level = 10 * np.log10(max(loudest, 1.0) / 32768**2)
            self.gain = float(np.clip(TARGET - level, -MOST, MOST))

    def _released(self) -> bytes:
        self._holding = False
        self.learn()
        return self._passed(bytes(self._taken))

    def _passed(self, audio: bytes) -> bytes:
        samples = np.frombuffer(audio, "<i2") * 10 ** ((self.gain or 0.0) / 20)
        return self._resampler.feed(pcm.rounded(samples))
