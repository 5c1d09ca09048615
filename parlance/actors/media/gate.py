"""The gate: line audio in, verdicts out. It says when a caller's speech begins and ends, and nothing about words.

A frame counts as voiced if WebRTC's detector says so and its level stands out of an adaptive noise floor. Speech
begins after `EVIDENCE` voiced frames among the last `WINDOW`, unless they are a key's tones, and ends after `HANGOVER`
frames without voice. An optional second opinion (Silero, 1.3 ms for 32 ms of audio) is asked about candidates only,
never about every frame.
Pure: `now` is the time at which the frame's last sample arrived.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import cache

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from parlance.codecs import alaw, mulaw
from parlance.codecs.format import FRAME_MS, Format

FRAME = FRAME_MS / 1000
RATES = (8000, 16000, 24000, 32000, 48000)
"""Rates of PCM16 lines; G.711 is 8 kHz."""
MODE = 2
"""How aggressively WebRTC's detector filters out what is no speech: 0 to 3."""
WINDOW, EVIDENCE = 5, 3
"""Three voiced frames of five: 60 ms of proof, which leaves room for the 80 ms median that barge-in may take."""
HANGOVER = 10
"""200 ms: stop consonants and short hesitations are shorter, turn gaps are longer."""
FLOOR, MARGIN = -50.0, 9.0
"""dBFS below which nothing is speech on a telephone line, and dB a voice must stand out of the noise."""
UNKNOWN = -50.0
"""dBFS of noise that is assumed when a call begins: noisier than most lines, and 15 dB below a quiet caller."""
BLOCK, BLOCKS, RISE = 25, 4, 0.12
"""The floor rises to the least level of the last `BLOCKS` blocks of `BLOCK` frames (2 s), by `RISE` dB a frame (6 dB a
second). Speech, however long, has gaps in any two seconds; a noise that has none cannot keep the gate open."""
KEYS = (697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0)
"""Hz of a telephone's keys (ITU-T Q.23): one of the lower four together with one of the upper four."""
TONAL, TWIST = 0.7, 0.04
"""Share of a candidate's power that its two tones must have to be a key, and the least share of the weaker one."""

SecondOpinion = Callable[[bytes, int], bool]
"""Called with PCM16 of the candidate (`WINDOW` frames) and its rate; False overrules the candidate."""


class Verdict(Enum):
    BEGAN = "began"
    ENDED = "ended"


class Gate:
    """Judges one call's 20 ms frames, in the line's own format."""

    def __init__(self, line: Format, *, second: SecondOpinion | None = None) -> None:
        self.open = False
        """Whether the caller is speaking now."""
        self.began = 0.0
        """When the present or last speech began: the start of its first voiced frame."""
        self.ended = 0.0
        """When the last voiced frame ended."""
        self.overruled = 0
        """Candidates that the second opinion did not believe."""
        if line.rate not in RATES:
            raise ValueError(f"no gate for {line.rate} Hz: it judges {', '.join(map(str, RATES))} Hz")
        self._vad = webrtcvad.Vad(MODE)
        self._line = line
        # WebRTC's detector takes 8, 16, 32 and 48 kHz; 24 kHz is averaged down to 8.
        self._thin = 3 if line.rate == 24000 else 1
        self._rate = line.rate // self._thin
        self._second = second
        self._noise = UNKNOWN
        self._least = 0.0
        self._frames = 0
        self._blocks: deque[float] = deque(maxlen=BLOCKS)
        self._steady = -math.inf
        self._recent: deque[bool] = deque([False] * WINDOW, maxlen=WINDOW)
        self._candidate: deque[bytes] = deque(maxlen=WINDOW)
        self._silent = 0

    def judge(self, frame: bytes, now: float) -> Verdict | None:
        """The verdict on one frame (`line.frame` bytes), if it changes anything."""
        voiced = self._voiced(frame)
        if self.open:
            if voiced:
                self._silent = 0
                self.ended = now
                return None
            self._silent += 1
            if self._silent < HANGOVER:
                return None
            self.open = False
            self._recent.extend([False] * WINDOW)
            return Verdict.ENDED
        self._recent.append(voiced)
        if not voiced or sum(self._recent) < EVIDENCE or not self._goes_on():
            return None
        if _is_key(b"".join(list(self._candidate)[-EVIDENCE:]), self._rate):
            self._recent.extend([False] * WINDOW)
            return None
        if self._second is not None and not self._second(b"".join(self._candidate), self._rate):
            self.overruled += 1
            self._recent.extend([False] * WINDOW)
            return None
        self.open = True
        self._silent = 0
        self.ended = now
        self.began = now - FRAME * (WINDOW - self._recent.index(True))
        return Verdict.BEGAN

    def close(self) -> Verdict | None:
        """No frames come any more: speech has ended with the last one that was voiced."""
        if not self.open:
            return None
        self.open = False
        self._recent.extend([False] * WINDOW)
        return Verdict.ENDED

    def _voiced(self, frame: bytes) -> bool:
        match self._line.encoding:
            case "mulaw":
                frame = mulaw.decode(frame)
            case "alaw":
                frame = alaw.decode(frame)
        samples = np.frombuffer(frame, np.int16)
        if self._thin > 1:
            samples = samples.reshape(-1, self._thin).mean(axis=1).astype(np.int16)
            frame = samples.tobytes()
        self._candidate.append(frame)
        level = _level(samples)
        self._follow(level)
        return self._stands_out(level) and bool(self._vad.is_speech(frame, self._rate))

    def _stands_out(self, level: float) -> bool:
        return level >= FLOOR and level >= self._noise + MARGIN

    def _goes_on(self) -> bool:
        """Whether the candidate sounds to its end: a pop of 40 ms may touch three frames, but is over in the third."""
        samples = np.frombuffer(self._candidate[-1], np.int16)
        return self._stands_out(_level(samples[-len(samples) // 4 :]))

    def _follow(self, level: float) -> None:
        """The floor follows a quieter line at once, and slowly one that has been louder for two seconds."""
        self._least = min(self._least, level)
        self._frames += 1
        if self._frames == BLOCK:
            self._blocks.append(self._least)
            self._steady = min(self._blocks) if len(self._blocks) == BLOCKS else self._steady
            self._least, self._frames = 0.0, 0
        if level < self._noise:
            # Below FLOOR - MARGIN it makes no difference but for the way back up.
            self._noise = max(self._noise + 0.2 * (level - self._noise), FLOOR - MARGIN)
        elif self._noise < self._steady:
            self._noise += min(RISE, self._steady - self._noise)


def _level(samples: NDArray[np.int16]) -> float:
    """dBFS (RMS), -120 of nothing."""
    wide = samples.astype(np.float32)
    return 10 * math.log10(float(np.dot(wide, wide)) / len(samples) + 1e-3) - 90.31


@cache
def _keys(count: int, rate: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A window of `count` samples, and windowed cosines and sines of `KEYS` whose squares sum to a tone's power."""
    window = np.hanning(count)
    turns = 2 * np.pi * np.outer(KEYS, np.arange(count)) / rate
    waves = np.stack((np.cos(turns), np.sin(turns))) * window * math.sqrt(2) / window.sum()
    return (window / math.sqrt(np.dot(window, window))).astype(np.float32), waves.astype(np.float32)


def _is_key(pcm16: bytes, rate: int) -> bool:
    """Whether this is the sound of a telephone's key and nothing else."""
    samples = np.frombuffer(pcm16, np.int16).astype(np.float32)
    window, waves = _keys(len(samples), rate)
    # No matrix product: OpenBLAS wakes its threads for one of this size, which costs 5 ms (measured).
    tones = np.square((waves * samples).sum(axis=2)).sum(axis=0)
    low, high = float(tones[:4].max()), float(tones[4:].max())
    power = float(np.square(samples * window).sum())
    return low + high > TONAL * power and min(low, high) > TWIST * power
