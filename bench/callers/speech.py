"""What callers sound like: clips of recorded speech, a cough, and the line's own faint noise, as 20 ms µ-law frames.

A clip begins and ends with clearly voiced frames, because "when did the caller begin" and "when did the caller stop"
must have one answer; no pause inside is long enough to be taken for the end of a turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parlance.codecs import mulaw, pcm, wav

RATE = 8000
FRAME = 160
"""Samples, and bytes of µ-law, in 20 ms."""
LEVEL = -20.0
"""dBFS (RMS) of a clip."""
VOICED = -35.0
"""dBFS (RMS) a frame must have to count as voiced."""
EDGE = 4
"""Frames at both ends of a clip that must be voiced."""
PAUSE = 6
"""Frames a pause inside a clip may last: 120 ms, less than any engine's end of turn."""
NOISE = 2.0
"""Standard deviation of the line's noise in steps of 16 bits: -84 dBFS. A line is never quite silent."""
RECORDINGS = Path(__file__).parents[2] / "tests" / "recordings"

Samples = NDArray[np.float64]
Frames = tuple[bytes, ...]


class NoSpeech(Exception):
    """There is nothing a caller could say. Its text says why."""


@dataclass(frozen=True, slots=True)
class Speech:
    """All sound of a run, as frames: `long` clips are turns, `short` ones cut in; `noise` is repeated for ever."""

    long: tuple[Frames, ...]
    short: tuple[Frames, ...]
    cough: Frames
    noise: Frames


def speech(long: int, short: int, cough: int, *, folder: Path = RECORDINGS) -> Speech:
    """Clips of `long`, `short` and `cough` frames from the recordings in `folder`. Raises `NoSpeech`."""
    recordings = []
    for path in sorted(folder.glob("*.wav")):
        sound = wav.read(path)
        if sound.rate == RATE:
            recordings.append(np.frombuffer(sound.samples, "<i2").astype(np.float64))
    longs, shorts = ([clip for one in recordings if (clip := cut(one, frames))] for frames in (long, short))
    if not longs or not shorts:
        raise NoSpeech(f"no recording in {folder} has {long * 20} ms of speech at {RATE} Hz to be cut out of it")
    dice = np.random.default_rng(1)
    return Speech(
        tuple(longs),
        tuple(shorts),
        _frames(_cough(cough, dice)),
        _frames(dice.standard_normal(50 * FRAME) * NOISE),
    )


def cut(recording: Samples, frames: int) -> Frames:
    """The stretch of `frames` frames with the best voiced ends, at `LEVEL`; empty if there is none."""
    count = len(recording) // FRAME
    levels = _levels(recording[: count * FRAME])
    voiced = levels > VOICED
    best, score = -1, -np.inf
    for start in range(count - frames + 1):
        end = start + frames
        ends = np.concatenate((levels[start : start + EDGE], levels[end - EDGE : end]))
        if ends.min() > max(VOICED, score) and _longest(~voiced[start:end]) <= PAUSE:
            best, score = start, float(ends.min())
    if best < 0:
        return ()
    clip = recording[best * FRAME : (best + frames) * FRAME]
    return _frames(clip * 10 ** (LEVEL / 20) * 32768 / np.sqrt(np.mean(clip**2)))


def level(frame: bytes) -> float:
    """dBFS (RMS) of a frame of µ-law."""
    return pcm.level(mulaw.decode(frame))


def _levels(samples: Samples) -> Samples:
    power = np.square(samples.reshape(-1, FRAME)).mean(axis=1)
    return np.asarray(10 * np.log10(power / 32768.0**2 + 1e-12))


def _longest(flags: NDArray[np.bool_]) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _cough(frames: int, dice: np.random.Generator) -> Samples:
    """A burst of breath with a little voice in it, and a second push, so that its last frame still sounds."""
    time = np.arange(frames * FRAME) / RATE
    voice = sum(np.sin(2 * np.pi * 190 * k * time) / k for k in range(1, 12))
    push = np.exp(-8 * time) + 0.4 * np.exp(-60 * np.square(time - 0.17))
    sound = (dice.standard_normal(len(time)) + 0.15 * voice) * np.minimum(time / 0.005, 1) * push
    return np.asarray(sound * 10 ** (LEVEL / 20) * 32768 / np.sqrt(np.mean(sound**2)))


def _frames(samples: Samples) -> Frames:
    data = mulaw.encode(pcm.rounded(samples))
    return tuple(data[at : at + FRAME] for at in range(0, len(data), FRAME))
