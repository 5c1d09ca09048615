"""What the embedded ear and voice cost and how fast they are.

The ear hears the recordings of tests/recordings in real time, one call at a time; its CPU is that of its worker
process. Without the recordings there is nothing to measure and it says so. Latencies depend on the machine's load:
run it on an idle one.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from bench import instrument
from parlance.actors.listener import sphinx
from parlance.actors.listener.port import Heard, News
from parlance.actors.speaker import espeak
from parlance.actors.speaker.port import Sound
from parlance.codecs import wav

RECORDINGS = Path(__file__).parents[1] / "tests" / "recordings"
PHRASES = (
    "Good morning, this is the clinic.",
    "We are open from nine to five, and on Saturdays until noon.",
    "You can come on Monday at ten. Would that be fine?",
)
CHUNKS = 10
"""A second, in chunks of the ear."""


def processor(pid: int) -> float:
    """Seconds of CPU that a process has used so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Notes:
    """What an ear tells, and when."""

    def __init__(self) -> None:
        self.told: list[tuple[float, Heard]] = []
        self.done = trio.Event()
        """The final words have come."""

    def __call__(self, news: News) -> None:
        if isinstance(news, Heard):
            self.told.append((trio.current_time(), news))
            if news.final:
                self.done.set()


async def heard() -> dict[str, Any]:
    sentences: dict[str, str] = json.loads((RECORDINGS / "sentences.json").read_text())
    ear = sphinx.make({})
    finals: list[float] = []
    interims: list[float] = []
    seconds = cpu = 0.0
    exact = 0
    async with trio.open_nursery() as nursery:
        await nursery.start(ear.run)
        # The first call pays for loading the model, and is not measured.
        notes = Notes()
        async with ear.open(notes) as hearing:
            await hearing.begin(0)
            await hearing.end(0)
            await notes.done.wait()
        for name, text in sentences.items():
            audio = wav.read(RECORDINGS / name).samples
            notes = Notes()
            async with ear.open(notes) as hearing:
                pid = hearing._worker.process.pid
                before = processor(pid)
                start = trio.current_time()
                await hearing.begin(1)
                size = hearing.format.second // CHUNKS
                for number, at in enumerate(range(0, len(audio), size), 1):
                    await trio.sleep_until(start + number / CHUNKS)
                    await hearing.hear(audio[at : at + size])
                ended = trio.current_time()
                await hearing.end(1)
                await notes.done.wait()
                at_last, final = notes.told.pop()
                finals.append(at_last - ended)
                interims.extend(at_first - start for at_first, _ in notes.told[:1])
                exact += final.text == text
                cpu += processor(pid) - before
                seconds += len(audio) / sphinx.SphinxHearing.format.second
        nursery.cancel_scope.cancel()
    return {
        "sentences": len(sentences),
        "word for word": exact,
        "cpu per second heard": round(cpu / seconds, 3),
        "final ms, median": round(1000 * statistics.median(finals), 1),
        "final ms, worst": round(1000 * max(finals), 1),
        "first interim s from begin, median": round(statistics.median(interims), 2),
        "first interim s from begin, worst": round(max(interims), 2),
    }


async def spoken() -> dict[str, Any]:
    voice = espeak.make({})
    firsts: list[float] = []
    length = 0
    before = resource.getrusage(resource.RUSAGE_SELF)
    for phrase in PHRASES * 20:
        start = time.perf_counter()  # noqa: TID251  real time is what is measured
        first = None
        async with voice.reply() as reply, reply.speak(phrase) as speech:
            async for piece in speech:
                if isinstance(piece, Sound):
                    first = first or time.perf_counter() - start  # noqa: TID251
                    length += len(piece.audio)
        firsts.append(first or 0.0)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "phrases": len(firsts),
        "cpu per second spoken": round(cpu / (length / espeak.FORMAT.second), 5),
        "first audio ms, median": round(1000 * statistics.median(firsts), 2),
        "first audio ms, worst": round(1000 * max(firsts), 2),
    }


async def measure(seen: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    seen("the ear hears the recordings")
    ear = await heard()
    seen("the voice speaks")
    return {"sphinx": ear, "espeak": await spoken()}


def main() -> None:
    arguments = instrument.options("providers", __doc__).parse_args()
    if not RECORDINGS.is_dir():
        sys.exit(f"there are no recordings to hear in {RECORDINGS}")
    with instrument.progress() as seen:
        report = trio.run(measure, seen)
    if arguments.json:
        instrument.document(figures=report)
        return
    for provider, figures in report.items():
        print(provider)
        for name, value in figures.items():
            print(f"  {name:38}{value:>10}")


if __name__ == "__main__":
    main()
