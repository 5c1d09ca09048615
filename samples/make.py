"""Makes `patient.wav`, the recorded caller that `make demo` plays, and the words that `parlance providers --check` says
to an ear. Needs Debian's `flite`, which nothing else does.

    python samples/make.py

The voice is flite's `rms`, which the embedded ear understands; the band and the µ-law are a telephone's. Between the
sentences stands the time a person would wait for the agent, except twice: a cough while the agent speaks, which must
not stop it, and a question in the middle of an answer, which must.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from parlance.checkup import SPEECH, SPOKEN
from parlance.codecs import mulaw, wav
from parlance.codecs.convert import convert
from parlance.codecs.format import Format

RATE = 8000
LENGTH = 58.0
COUGH = "(cough)"
LINES = [
    (4.8, "I would like to make an appointment"),
    (10.2, "on monday morning"),
    (15.2, "at ten thirty"),
    (19.6, "my name is john miller"),
    (27.6, "yes that is right"),
    (31.6, COUGH),
    (37.2, "what are your opening hours"),
    (42.6, "what about sunday"),
    (48.6, "that is all goodbye"),
]
"""When, in seconds, and what."""


def spoken(text: str) -> NDArray[np.float64]:
    """`text` as it comes out of a telephone: 300 to 3,400 Hz at 8 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "line.wav"
        subprocess.run(["flite", "-voice", "rms", "-t", text, "-o", str(path)], check=True)
        sound = wav.read(path)
    narrow = convert(sound.samples, Format("pcm16", sound.rate), Format("pcm16", RATE))
    return telephone(np.frombuffer(narrow, np.int16).astype(np.float64))


def cough() -> NDArray[np.float64]:
    """A short cough: a burst of breath with a little voice in it."""
    dice = np.random.default_rng(7)
    time = np.arange(int(0.24 * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 190 * k * time) / k for k in range(1, 12))
    shape = np.minimum(time / 0.01, 1) * np.exp(-time * 11)
    return telephone((dice.standard_normal(len(time)) + 0.15 * voice) * shape)


def telephone(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    narrow = sosfilt(butter(4, [300, 3400], "bandpass", fs=RATE, output="sos"), samples)
    return np.asarray(narrow * 8000 / np.abs(narrow).max())


def main() -> None:
    call = np.random.default_rng(1).standard_normal(int(LENGTH * RATE)) * 4  # A line is never quite silent.
    for at, text in LINES:
        piece = cough() if text == COUGH else spoken(text)
        start = int(at * RATE)
        call[start : start + len(piece)] += piece
    pcm = np.clip(call, -32768, 32767).astype(np.int16).tobytes()
    with wav.Writer(Path(__file__).parent / "patient.wav", RATE) as out:
        out.write(mulaw.decode(mulaw.encode(pcm)))
    with wav.Writer(SPEECH, RATE) as out:
        quiet = np.zeros(RATE // 5)
        out.write(np.concatenate([quiet, spoken(SPOKEN), quiet]).astype(np.int16).tobytes())


if __name__ == "__main__":
    main()
