"""What judging a caller costs: microseconds of CPU for a 20 ms frame, and how often the gate opened.

Every figure is the median of several rounds over ten seconds: silence, noise below the floor, and noise bursts that
make the gate open and close, so that candidates are checked for key tones as well.
"""

from __future__ import annotations

import statistics
import time
from itertools import product

import numpy as np

from bench import instrument
from parlance.actors.media.gate import Gate
from parlance.codecs import alaw, mulaw
from parlance.codecs.format import FRAME_MS, Format

ROUNDS = 7
SECONDS = 10
LINES = (
    Format("mulaw", 8000),
    Format("alaw", 8000),
    Format("pcm16", 8000),
    Format("pcm16", 16000),
    Format("pcm16", 24000),
)


def sound(kind: str, rate: int) -> bytes:
    """Ten seconds of PCM16. Bursts: a buzz of 500 ms every second."""
    random, count = np.random.default_rng(1), SECONDS * rate
    match kind:
        case "silence":
            samples = np.zeros(count)
        case "noise":
            samples = random.normal(0, 60, count)
        case _:
            t = np.arange(count) / rate
            buzz = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 25))
            samples = np.where(t % 1 < 0.5, 3000 * buzz, random.normal(0, 20, count))
    return samples.astype("<i2").tobytes()


def frames(kind: str, line: Format) -> list[bytes]:
    audio = sound(kind, line.rate)
    if line.encoding != "pcm16":
        audio = (mulaw if line.encoding == "mulaw" else alaw).encode(audio)
    return [audio[at : at + line.frame] for at in range(0, len(audio), line.frame)]


def cost(kind: str, line: Format) -> tuple[float, int]:
    """Median microseconds of process CPU a frame, and how often the gate opened in a round."""
    heard, rounds, opened = frames(kind, line), [], 0
    for _ in range(ROUNDS):
        gate, opened = Gate(line), 0
        began = time.process_time()  # CPU, not wall time: the machine may be shared
        for number, frame in enumerate(heard):
            opened += gate.judge(frame, number * FRAME_MS / 1000) is not None and gate.open
        rounds.append((time.process_time() - began) / len(heard) * 1e6)
    return statistics.median(rounds), opened


def main() -> None:
    options = instrument.options("gate", __doc__).parse_args()
    rows = {}
    with instrument.progress() as seen:
        for line, kind in product(LINES, ("silence", "noise", "bursts")):
            seen(name := f"{line.encoding} {line.rate} {kind}")
            rows[name] = cost(kind, line)
    if options.json:
        instrument.document(
            figures={name: {"us": round(us, 2), "opened": opened} for name, (us, opened) in rows.items()}
        )
        return
    for name, (us, opened) in rows.items():
        print(f"{name:24} {us:6.2f} µs   opened {opened} times")


if __name__ == "__main__":
    main()
