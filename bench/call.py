"""What one call costs and how fast it is cut off: the figures of README and docs.

- timer: a Trio program that wakes every 20 ms and does nothing: what the clock alone costs on this machine.
- engine: a call in conversation on fakes, alone in its process, in real time: CPU of one core, the clock included.
- further: the same for 20 calls in one process, divided by 20: what one more call costs.
- embedded: the shipped caller with the receptionist, worker process included, in real time: CPU of one core.
- onset: the caller's first voiced frame to playout stopped and `clear` queued, in frames of the waveform.
- gone: from a turn's cancellation until nothing works for it any more, in real time, 50 calls at once.
- virtual: 300 seconds of conversation on a virtual clock: CPU seconds.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import trio
import trio.testing

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from stage import Stage, says  # noqa: E402

from bench import instrument  # noqa: E402
from parlance import main as root  # noqa: E402
from parlance import play  # noqa: E402
from parlance.codecs import mulaw, wav  # noqa: E402
from parlance.engine import trace as t  # noqa: E402
from parlance.engine.metronome import Metronome  # noqa: E402
from parlance.terminal.live import Show  # noqa: E402

SAMPLE = ROOT / "samples" / "patient.wav"
FRAME = 160
LONG = "This is a reply that goes on for a while, so that there is something to interrupt whenever the caller likes."


def cpu() -> float:
    """CPU seconds of this process and of the children it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


async def converse(seconds: float, metronome: Metronome | None = None) -> Stage:
    """A conversation: the caller speaks for 1.2 s every 3 s, every second time over the agent."""
    turns = int(seconds / 3) + 2
    stage = Stage(ear=["tell me more please"] * turns, mind=[LONG] * turns, metronome=metronome)
    await stage.play(*((1 + 3.0 * n, says(1.2)) for n in range(int(seconds / 3))), until=seconds)
    return stage


def engine(seconds: float) -> dict[str, Any]:
    begin = time.process_time()
    stage = trio.run(converse, seconds)
    used = time.process_time() - begin
    return {"seconds": seconds, "turns": len(stage.all(t.TurnEnded)), "core": round(used / seconds, 5), "limit": 0.005}


def timer(seconds: float) -> dict[str, Any]:
    """What the clock alone costs on this machine: a Trio program that wakes every 20 ms and does nothing."""

    async def wake() -> None:
        begin = trio.current_time()
        for beat in range(int(seconds / 0.02)):
            await trio.sleep_until(begin + beat * 0.02)

    begin = time.process_time()
    trio.run(wake)
    return {"seconds": seconds, "core": round((time.process_time() - begin) / seconds, 5)}


def further(seconds: float, calls: int = 20) -> dict[str, Any]:
    """What one more call costs in a process that has calls: `calls` on one metronome, divided by their number."""

    async def crowd() -> None:
        metronome = Metronome()
        async with trio.open_nursery() as nursery:
            await nursery.start(metronome.run)
            async with trio.open_nursery() as all_calls:
                for _ in range(calls):
                    all_calls.start_soon(converse, seconds, metronome)
            nursery.cancel_scope.cancel()

    begin = time.process_time()
    trio.run(crowd)
    used = time.process_time() - begin
    return {"calls": calls, "seconds": seconds, "core_per_call": round(used / seconds / calls, 5), "limit": 0.005}


def virtual() -> dict[str, Any]:
    begin = time.process_time()
    stage = trio.run(converse, 300.0, clock=trio.testing.MockClock(autojump_threshold=0))
    used = time.process_time() - begin
    return {"seconds": 300, "turns": len(stage.all(t.TurnEnded)), "cpu": round(used, 3), "limit": 1.0}


def embedded() -> dict[str, Any]:
    chosen, known = root.settings(None)
    root.logs(chosen.log.model_copy(update={"level": "warning"}))
    with tempfile.TemporaryDirectory() as folder, Path("/dev/null").open("w") as nowhere:
        begin = cpu()
        run: Callable[[], Awaitable[list[t.Record]]] = partial(
            play.play, chosen, known, "receptionist", SAMPLE, Path(folder), show=Show(nowhere), now=datetime.now(UTC)
        )
        records = trio.run(run)
        used = cpu() - begin
    seconds = records[-1].at
    turns = sum(isinstance(record.event, t.TurnEnded) for record in records)
    return {"seconds": round(seconds, 1), "turns": turns, "core": round(used / seconds, 4), "limit": 0.35}


def utterances(gain: float) -> list[np.ndarray[Any, Any]]:
    """The sentences of the shipped caller at `gain`, each from its first frame above -45 dBFS on."""
    samples = np.frombuffer(wav.read(SAMPLE).samples, np.int16).astype(np.float64) * gain
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    loud = np.sqrt((frames**2).mean(axis=1)) > 32768 * 10 ** (-45 / 20)
    starts = [n for n in range(30, len(loud)) if loud[n] and not loud[n - 30 : n].any()]
    return [samples[n * FRAME : n * FRAME + 8000] for n in starts]


async def onset(speech: np.ndarray[Any, Any], shift: int) -> float:
    """Milliseconds from the first voiced sample to the frame after which the `clear` is queued."""
    stage = Stage(ear=["tell me", "x"], mind=[LONG])
    pcm = np.concatenate([np.zeros(shift), speech]).astype(np.int16)
    begun = []

    def cut_in(stage: Stage) -> None:
        stage.line.say(mulaw.encode(pcm.tobytes()))
        begun.append(stage.call.clock())

    await stage.play((1.0, says(1.0)), (4.0, cut_in), until=6)
    held = next(record.at for record in stage.records if isinstance(record.event, t.Held))
    assert "clear" in stage.line.sent
    # The cue is half a beat before the frame that carries the first sample of it.
    return float(held - begun[0] - 0.01 + 0.02 - shift / 8000) * 1000


def onsets(quick: bool) -> dict[str, Any]:
    clock = partial(trio.testing.MockClock, autojump_threshold=0)
    shifts = (0, 80) if quick else (0, 40, 80, 120)
    took = [
        trio.run(onset, speech, shift, clock=clock())
        for gain in (2.0, 1.0, 0.5, 0.3)
        for speech in utterances(gain)
        for shift in shifts
    ]
    return {
        "barge-ins": len(took),
        "median_ms": round(median(took), 1),
        "worst_ms": round(max(took), 1),
        "limits_ms": [80, 120],
    }


def gone(quick: bool) -> dict[str, Any]:
    async def crowd() -> list[float]:
        took: list[float] = []

        async def one() -> None:
            stage = await converse(9 if quick else 18)
            ended = {event.turn for event in stage.all(t.TurnEnded) if event.outcome == "interrupted"}
            took.extend(event.after * 1000 for event in stage.all(t.TurnGone) if event.turn in ended)

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(one)
        return took

    took = sorted(trio.run(crowd))
    return {
        "cancellations": len(took),
        "median_ms": round(median(took), 3),
        "p99_ms": round(took[int(len(took) * 0.99)], 3),
        "worst_ms": round(took[-1], 3),
        "limit_ms": 5,
    }


def main() -> None:
    parser = instrument.options("call", __doc__)
    parser.add_argument("--quick", action="store_true", help="a shorter run, for a first look")
    options = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "virtual": virtual,
        "onset": partial(onsets, options.quick),
        "timer": partial(timer, 5.0 if options.quick else 10.0),
        "engine": partial(engine, 12.0 if options.quick else 30.0),
        "further": partial(further, 12.0 if options.quick else 30.0),
        "gone": partial(gone, options.quick),
        "embedded": embedded,
    }
    found = {}
    with instrument.progress() as seen:
        for name, part in parts.items():
            seen(name)
            found[name] = part()
    if options.json:
        instrument.document(figures=found)
        return
    for name, figures in found.items():
        print(f"{name:10}", "  ".join(f"{key} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
