"""What was written down of a run, and nothing that was concluded from it: the callers write it, the measure reads it.

Times are seconds of one clock. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["turn", "barge-in", "cough"]
Ended = Literal["us", "server"]

Piece = tuple[float, float, int, bytes]
"""Agent audio as the ear had it: when it began to play, when it arrived, samples that were played, µ-law in base64.

What a `clear` threw away is not played, so that the samples may be fewer than the base64 has.
"""


Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Said:
    """A caller's utterance. `begin`: when its first frame was sent, less 20 ms; `end`: when its last one was sent."""

    kind: Kind
    begin: float
    end: float


@dataclass(slots=True)
class Record:
    """One call."""

    line: int
    dialed: float
    started: float | None = None
    """When `start` was sent; None if the handshake did not come so far."""
    ended: float | None = None
    """None while it is not over."""
    by: Ended | None = None
    why: str = ""
    """How the server ended it: code and reason of its close frame, or its HTTP status."""
    redial: bool = False
    """It was dialed because the one before was refused."""
    said: list[Said] = field(default_factory=list)
    """Only what was said whole, in order."""
    unsaid: list[Said] = field(default_factory=list)
    """What was due while the server had not answered the call yet; all of it before what was said."""
    partial: list[Said] = field(default_factory=list)
    """What was under way when the call was dialed, so that the server heard only the end of it."""
    talking: float | None = None
    """When an utterance began that the call's end cut off."""
    pieces: list[Piece] = field(default_factory=list)
    """In the order of playing."""
    clears: list[float] = field(default_factory=list)
    echoes: list[tuple[float, str]] = field(default_factory=list)
    """Marks that were sent back."""


@dataclass(frozen=True, slots=True)
class Run:
    """All of it. `begin`, `end`: the steady window; `late`: of every frame sent, seconds after it was due."""

    records: list[Record]
    begin: float
    end: float
    late: list[float]
    cpu: float
    """Cores that the callers used in the window."""
    unread: int
    """Frames that the kernel did not take at once, because the server did not read."""
    stalls: list[Span] = field(default_factory=list)
    """From when to when the callers themselves were not awake: what came then was heard late, by their own fault."""
    patience: float = 3.0
    end_of_turn: float = 0.3
    providers: float = 0.31
    reply: float = 3.4
    """Seconds of sound that every reply has."""
    visits: list[Record] = field(default_factory=list)
    """Of the calls to the agent that greets; of their sound only when it came is used."""
