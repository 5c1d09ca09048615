"""`make demo` as a test: the shipped caller through the real ear, mind and voice, and what the recording proves of it.

The call lasts about 55 s, on a clock that only runs while nothing is computed: it is played once for all tests of this
file. That all of this is done in time is for `test_conversation` and the bench.
"""

from __future__ import annotations

import io
import json
import os
import wave
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import swift
import trio

from parlance.actors.speaker import espeak
from parlance.agents import load
from parlance.engine.trace import (
    Acted,
    CallEnded,
    CallerSaid,
    CallerUnheard,
    ChildFailed,
    Held,
    Record,
    Resumed,
    TraceEvent,
    TurnEnded,
    TurnGone,
    TurnTimed,
)
from parlance.play import play
from parlance.settings import Settings
from parlance.terminal.live import Show

SAMPLE = Path(__file__).parent.parent / "samples" / "patient.wav"
RATE = 8000
FRAME = 160
BEAT = 0.02
VOICED = 100
"""RMS from which a frame of the caller is sound: the line's noise is 4."""
AUDIBLE = 30
"""The same for the agent, whose silence is 0."""

E = TypeVar("E", bound=TraceEvent)


@dataclass
class Demo:
    out: Path
    shown: str
    records: list[Record]
    left: dict[str, Any]
    """Tasks, processes and file descriptors that were not there before."""

    def __post_init__(self) -> None:
        with wave.open(str(self.out / "call.wav")) as file:
            assert (file.getnchannels(), file.getframerate()) == (2, RATE)
            both = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2).astype(float)
        frames = len(both) // FRAME
        self.caller, self.agent = np.sqrt((both[: frames * FRAME].reshape(frames, FRAME, 2) ** 2).mean(axis=1)).T

    def all(self, kind: type[E]) -> list[E]:
        return [record.event for record in self.records if isinstance(record.event, kind)]

    def at(self, kind: type[TraceEvent], turn: int) -> float:
        """When the first such event of a turn happened."""
        return next(r.at for r in self.records if isinstance(r.event, kind) and getattr(r.event, "turn", 0) == turn)

    @property
    def words(self) -> str:
        return " | ".join(event.text for event in self.all(CallerSaid) if event.final)

    def onset(self, held: float) -> int:
        """The frame in which the caller's sound began that stopped the agent."""
        frame = int(held / BEAT)
        while self.caller[frame - 3 : frame + 1].max() > VOICED:
            frame -= 1
        return frame + 1


def processes() -> set[int]:
    """Children of this process."""
    return {int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


def busy() -> bool:
    """Whether the ear's decoder or the voice's thread works: the call's clock waits for them."""
    return bool(espeak._thread.borrowed_tokens) or any(not asleep(pid) for pid in processes())


def asleep(pid: int) -> bool:
    """Whether that process waits for its input, or has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "SZ"
    except OSError:
        return True


def descriptors() -> set[tuple[int, str]]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add((int(name), os.readlink(f"/proc/self/fd/{name}")))
        except OSError:  # The descriptor of the listing itself.
            continue
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The whole call."""
    out, screen = tmp_path_factory.mktemp("demo"), io.StringIO()
    left: dict[str, Any] = {}

    async def run() -> list[Record]:
        before, files, children = trio.lowlevel.current_statistics().tasks_living, descriptors(), processes()
        with trio.fail_after(90):
            records = await play(
                Settings(), load.shipped(), "receptionist", SAMPLE, out, show=Show(screen), now=datetime.now(UTC)
            )
        left["tasks"] = trio.lowlevel.current_statistics().tasks_living - before
        left["processes"], left["files"] = processes() - children, descriptors() - files
        return records

    records = swift.run(run, busy=busy)
    return Demo(out, screen.getvalue(), records, left)


def test_the_words_he_said_are_in_the_transcript(demo: Demo) -> None:
    text = (demo.out / "transcript.txt").read_text()
    place = 0
    for words in ("appointment", "monday", "ten thirty", "john miller", "yes that is right", "opening hours", "sunday"):
        assert words in demo.words[place:], demo.words
        place = demo.words.index(words, place)
        assert words in text
        assert words in demo.shown


def test_the_appointment_he_asked_for_was_booked(demo: Demo) -> None:
    (booking,) = [event for event in demo.all(Acted) if event.act == "book"]
    assert booking.details == {"day": booking.details["day"], "time": "10:30", "name": "John Miller"}
    day = date.fromisoformat(booking.details["day"])
    assert day.strftime("%A") == "Monday"
    assert 0 <= (day - datetime.now().astimezone().date()).days <= 7


def test_the_cough_held_the_agent_and_it_went_on(demo: Demo) -> None:
    (resumed,) = demo.all(Resumed)
    (turn,) = [event for event in demo.all(TurnEnded) if event.turn == resumed.turn]
    assert (turn.outcome, turn.heard) == ("played", turn.said)
    assert demo.all(CallerUnheard)
    held, onward = (round(demo.at(kind, resumed.turn) / BEAT) for kind in (Held, Resumed))
    assert held < onward
    assert demo.agent[held - 10 : held - 3].max() > AUDIBLE
    assert demo.agent[held + 3 : onward - 1].max() < AUDIBLE
    assert demo.agent[onward : onward + 10].max() > AUDIBLE


def test_the_question_in_the_middle_of_an_answer_cut_it_short(demo: Demo) -> None:
    (turn,) = [event for event in demo.all(TurnEnded) if event.outcome == "interrupted"]
    assert turn.heard
    assert turn.said.startswith(turn.heard)
    assert turn.heard != turn.said
    assert "nine to twelve" not in turn.heard
    assert "caller cuts in" in demo.shown
    (gone,) = [event for event in demo.all(TurnGone) if event.turn == turn.turn]
    assert gone.after < 0.05


def test_the_agent_is_silent_on_the_recording_within_300_ms_of_the_cut_in(demo: Demo) -> None:
    (turn,) = [event.turn for event in demo.all(TurnEnded) if event.outcome == "interrupted"]
    onset = demo.onset(demo.at(Held, turn))
    assert demo.agent[onset - 5 : onset].max() > AUDIBLE, "it was speaking"
    answer = round(demo.at(TurnTimed, turn + 1) / BEAT)
    assert demo.agent[onset + 15 : answer - 2].max() < AUDIBLE


def test_every_response_time_of_the_trace_is_that_of_the_recording(demo: Demo) -> None:
    """From the end of the caller's last sound to the beginning of the agent's first."""
    compared = 0
    for timed in demo.all(TurnTimed):
        if timed.caller_stopped is None or timed.first_frame is None:
            continue
        stopped = int(timed.caller_stopped / BEAT)
        first = stopped + int(np.argmax(demo.agent[stopped:] > AUDIBLE))
        last = int(np.flatnonzero(demo.caller[:first] > VOICED)[-1]) + 1
        assert (first - last) * BEAT == pytest.approx(timed.first_frame - timed.caller_stopped, abs=0.15), timed
        compared += 1
    assert compared >= 7


def test_the_agent_ended_the_call_and_the_trace_is_whole(demo: Demo) -> None:
    assert demo.all(CallEnded) == [CallEnded("completed", "agent hung up", "agent")]
    assert demo.all(Acted)[-1].act == "hang_up"
    assert demo.all(ChildFailed) == []
    lines = (demo.out / "trace.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [json.loads(json.dumps(r.as_dict())) for r in demo.records]
    assert [record.seq for record in demo.records] == list(range(1, len(lines) + 1))
    assert all(earlier.at <= later.at for earlier, later in pairwise(demo.records))


def test_both_sides_are_on_the_recording_for_the_whole_call(demo: Demo) -> None:
    assert len(demo.agent) * BEAT == pytest.approx(demo.records[-1].at, abs=0.2)
    assert (demo.caller > VOICED).sum() * BEAT > 8
    assert (demo.agent > AUDIBLE).sum() * BEAT > 15


def test_nothing_is_left_of_the_call(demo: Demo) -> None:
    assert demo.left == {"tasks": 0, "processes": set(), "files": set()}
