"""What each codec costs: microseconds of CPU for a 20 ms frame.

Every figure is the median of several rounds over speech-like noise; the resampler also says how much it holds back.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from bench import instrument
from parlance.codecs import alaw, mp3, mulaw, pcm, webm
from parlance.codecs.convert import Converter
from parlance.codecs.format import TELEPHONE, Format
from parlance.codecs.resample import RATES, Resampler

ROUNDS = 7
FRAMES = 100

Row = tuple[str, float, float | None]


def cost(work: Callable[[], object], *, calls: int = FRAMES) -> float:
    """Median microseconds of process CPU for one call of `work`."""
    work()
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()  # CPU, not wall time: the machine may be shared
        for _ in range(calls):
            work()
        rounds.append((time.process_time() - began) / calls * 1e6)
    return statistics.median(rounds)


def noise(rate: int, seconds: float = 0.02) -> bytes:
    return np.random.default_rng(1).normal(0, 3000, int(rate * seconds)).astype("<i2").tobytes()


def companding() -> list[Row]:
    frame = noise(8000)
    law, other = mulaw.encode(frame), alaw.encode(frame)
    return [
        ("mulaw.decode, 160 samples", cost(lambda: mulaw.decode(law), calls=5000), None),
        ("mulaw.encode, 160 samples", cost(lambda: mulaw.encode(frame), calls=5000), None),
        ("alaw.decode, 160 samples", cost(lambda: alaw.decode(other), calls=5000), None),
        ("alaw.encode, 160 samples", cost(lambda: alaw.encode(frame), calls=5000), None),
        ("pcm.level, 160 samples", cost(lambda: pcm.level(frame), calls=5000), None),
    ]


def converting() -> list[Row]:
    rows: list[Row] = []
    law = mulaw.encode(noise(8000))
    for target in (Format("alaw", 8000), Format("pcm16", 8000), Format("pcm16", 16000)):
        stream = Converter(TELEPHONE, target)
        name = f"Converter mulaw 8000 -> {target.encoding} {target.rate}"
        rows.append((name, cost(partial(stream.feed, law), calls=1000), stream.latency))
    for rate in (16000, 22050, 24000):
        stream, frame = Converter(Format("pcm16", rate), TELEPHONE), noise(rate)
        name = f"Converter pcm16 {rate} -> mulaw 8000"
        rows.append((name, cost(partial(stream.feed, frame), calls=1000), stream.latency))
    return rows


def resampling() -> list[Row]:
    rows: list[Row] = []
    for source, target in itertools.permutations(RATES, 2):
        stream, frame = Resampler(source, target), noise(source)
        rows.append((f"Resampler {source} -> {target}", cost(partial(stream.feed, frame), calls=300), stream.latency))
    return rows


def compressing() -> list[Row]:
    rows: list[Row] = []
    for rate in (16000, 24000):
        stream, frame = mp3.Encoder(rate), noise(rate)
        rows.append((f"mp3.Encoder {rate}", cost(partial(stream.feed, frame)), None))
    blob = recording(seconds=2.0)
    frames = 100  # of 20 ms in it
    decoding = {rate: cost(partial(webm.decode, blob, rate), calls=3) / frames for rate in (48000, 16000)}
    return rows + [(f"webm.Decoder -> {rate}", us, None) for rate, us in decoding.items()]


def recording(seconds: float) -> bytes:
    """A WebM of that length, by FFmpeg's muxer."""
    import io

    import av

    file = io.BytesIO()
    with av.open(file, "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        samples = np.frombuffer(noise(48000, seconds), "<i2")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = 48000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def main() -> None:
    options = instrument.options("codecs", __doc__).parse_args()
    rows: list[Row] = []
    with instrument.progress() as seen:
        for part in (companding, converting, resampling, compressing):
            seen(part.__name__)
            rows += part()
    if options.json:
        instrument.document(figures={name: {"us": round(us, 2), "latency_s": latency} for name, us, latency in rows})
        return
    for name, us, latency in rows:
        held = "" if latency is None else f"   holds back at most {latency * 1000:4.1f} ms"
        print(f"{name:40} {us:8.1f} µs{held}")


if __name__ == "__main__":
    main()
