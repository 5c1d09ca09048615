"""What happened, as typed events: tests assert on them, files keep them, metrics count them, screens show them.

A record is `(seq, at, event)`: `seq` counts from 1 without a hole, `at` is seconds of the call's clock. Sinks are
plain functions, called at once and in order: a sink must not wait and must not raise. Pure: the clock is passed in.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from parlance.engine.effort import Effort
from parlance.engine.text import encodable


@dataclass(frozen=True, slots=True)
class CallStarted:
    call: str
    agent: str
    carrier: str
    caller: str = ""
    called: str = ""


@dataclass(frozen=True, slots=True)
class StateChanged:
    line: str
    caller: str
    agent: str


@dataclass(frozen=True, slots=True)
class CallerBegan:
    """The gate proved speech; `voiced` is the time of its first voiced frame."""

    voiced: float


@dataclass(frozen=True, slots=True)
class CallerStopped:
    """The gate heard silence; `voiced` is the time at which the last voiced frame ended."""

    voiced: float


@dataclass(frozen=True, slots=True)
class CallerSaid:
    """Words of the caller; `final` once per utterance. A later interim replaces an earlier one. Utterance 0: keys."""

    text: str
    final: bool
    utterance: int


@dataclass(frozen=True, slots=True)
class CallerUnheard:
    """The gate heard speech, the ear found no words in it."""

    utterance: int


@dataclass(frozen=True, slots=True)
class Murmured:
    """Words that do not interrupt ("uh-huh"), said while the agent spoke."""

    text: str


@dataclass(frozen=True, slots=True)
class DigitPressed:
    digit: str


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """`words`: what the caller said; or `cue`: which of its own lines the agent speaks."""

    turn: int
    words: str = ""
    cue: str = ""


@dataclass(frozen=True, slots=True)
class PhraseReady:
    """A phrase of the reply can be spoken."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """The caller has begun to hear this phrase."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Held:
    """Playing stopped because the caller spoke; `after` is seconds since the first voiced frame."""

    turn: int
    after: float


@dataclass(frozen=True, slots=True)
class Resumed:
    turn: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """`said`: what was sent to the voice; `heard`: the part of it that was played to the caller."""

    turn: int
    outcome: str
    reason: str
    said: str
    heard: str
    heard_seconds: float


@dataclass(frozen=True, slots=True)
class TurnGone:
    """The last task that worked for an ended turn has stopped, `after` seconds from its end."""

    turn: int
    after: float


@dataclass(frozen=True, slots=True)
class TurnTimed:
    """A turn's latencies: seconds of the call's clock, None for a step that did not happen."""

    turn: int
    caller_stopped: float | None = None
    end_of_turn: float | None = None
    transcript: float | None = None
    first_token: float | None = None
    first_phrase: float | None = None
    first_audio: float | None = None
    first_frame: float | None = None


@dataclass(frozen=True, slots=True)
class Acted:
    """The mind did something other than speak: `take_message`, `book`, `hang_up`, `transfer`."""

    turn: int
    act: str
    details: dict[str, str]


@dataclass(frozen=True, slots=True)
class ChildFailed:
    child: str
    error: str


@dataclass(frozen=True, slots=True)
class ChildRestarted:
    child: str


@dataclass(frozen=True, slots=True)
class LineFault:
    """The other side broke its dialect's rules; counted, and `count` so far."""

    error: str
    count: int


@dataclass(frozen=True, slots=True)
class AudioShed:
    """Audio was thrown away because its path was full: bytes so far."""

    path: str
    total: int


@dataclass(frozen=True, slots=True)
class LineLost:
    """The media socket was dropped, and may come back."""

    reason: str


@dataclass(frozen=True, slots=True)
class LineBack:
    """Another media socket took the place of the one that was dropped, after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Muted:
    """An operator muted the agent, or let it be heard again."""

    on: bool


@dataclass(frozen=True, slots=True)
class Paused:
    """An operator put the caller on hold, or took him off it."""

    on: bool


@dataclass(frozen=True, slots=True)
class Pressed:
    """We pressed keys, as `DigitPressed` is the caller's."""

    digits: str


@dataclass(frozen=True, slots=True)
class Transferred:
    """The line, or whoever commands it, was asked to connect the caller with `number`; `error`: why that failed."""

    number: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """`by`: who ended it, as `message.By` has it."""

    how: str
    reason: str
    by: str = ""


TraceEvent = (
    CallStarted
    | StateChanged
    | CallerBegan
    | CallerStopped
    | CallerSaid
    | CallerUnheard
    | Murmured
    | DigitPressed
    | TurnBegan
    | PhraseReady
    | Spoken
    | Held
    | Resumed
    | TurnEnded
    | TurnGone
    | TurnTimed
    | Acted
    | ChildFailed
    | ChildRestarted
    | LineFault
    | AudioShed
    | LineLost
    | LineBack
    | Muted
    | Paused
    | Pressed
    | Transferred
    | Effort
    | CallEnded
)


@dataclass(frozen=True, slots=True)
class Record:
    seq: int
    at: float
    event: TraceEvent

    def as_dict(self) -> dict[str, Any]:
        """`{"seq", "at", "event", ...}` with plain values, ready for JSON."""
        return {"seq": self.seq, "at": round(self.at, 6), "event": type(self.event).__name__, **asdict(self.event)}

    def as_line(self) -> str:
        """The same as a line of JSON, its end included, as UTF-8 can have it."""
        return encodable(json.dumps(self.as_dict(), ensure_ascii=False, default=str) + "\n")


Sink = Callable[[Record], None]


@dataclass(slots=True)
class Trace:
    """One call's events on their way to whoever wants them."""

    clock: Callable[[], float]
    sinks: list[Sink] = field(default_factory=list)
    count: int = 0
    _untold: deque[Record] = field(default_factory=deque)
    _telling: bool = False

    def emit(self, event: TraceEvent) -> None:
        """Tell all sinks. What a sink itself causes is told after what it was told, to each of them in order."""
        self.count += 1
        self._untold.append(Record(self.count, self.clock(), event))
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                record = self._untold.popleft()
                for sink in self.sinks:
                    sink(record)
        finally:
            self._telling = False
