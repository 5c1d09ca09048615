"""How the simulated providers behave: how long they take, how often they fail, and what they were asked.

Times are seconds, chances from 0 to 1. What happens to a request is drawn when it comes, from one seeded source.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Any

STALL = 30.0
"""Seconds for which a stalled answer sends nothing."""


class Fate(Enum):
    """What becomes of a request. The first four may be drawn by chance; the others happen only where they are asked
    for, in `Conduct.fates`.
    """

    NONE = "none"
    ERROR = "error"
    """Refused before its answer: an HTTP status, or the protocol's own error message."""
    STALL = "stall"
    """The answer stops in the middle, and the connection stays."""
    CUT = "cut"
    """The connection is dropped in the middle of the answer."""
    SILENT = "silent"
    """It is taken, and nothing of an answer ever comes."""
    HALF = "half"
    """A message of the answer is half a JSON; where the answer is bare audio, it ends before the last piece."""
    TYPES = "types"
    """A message of the answer has values of the wrong types; where it is bare audio, it is JSON instead."""
    HUGE = "huge"
    """A message of the answer has `HUGE` bytes; a bare answer is that long."""
    EMPTY = "empty"
    """An answer with nothing in it: an empty transcript, no words, no audio."""
    RATE = "rate"
    """Audio of another rate, or in another container, than was asked for."""


HUGE = 10 << 20
"""Bytes of a message that no provider has reason to send."""


class Cut(Exception):
    """The connection is to be dropped, without a goodbye."""


@dataclass
class Conduct:
    stt_delay: float = 0.05
    """From `Finalize`, or the end of an utterance, to its words."""
    chat_delay: float = 0.1
    """From a request to its first word."""
    chat_pace: float = 100.0
    """Words a second."""
    tts_delay: float = 0.05
    """From a request to its first audio."""
    tts_pace: float = 5.0
    """Times real time, at which audio is sent."""
    jitter: float = 0.0
    """The most that is added to each of the delays."""
    errors: float = 0.0
    stalls: float = 0.0
    cuts: float = 0.0
    seed: int = 1
    key: str = ""
    """The only key that is accepted; empty: any."""
    statuses: tuple[int, ...] = (500, 429)
    """What errors over HTTP are."""
    retry_after: str = ""
    """The `Retry-After` of a refusal with status 429 or 503; empty: none."""
    text: str = ""
    """What the ears hear and the minds say; empty: each simulator's own words."""
    tools: deque[tuple[str, dict[str, Any]]] = field(default_factory=deque)
    """Calls of tools (name and arguments) that the minds make in their next replies, one a reply."""
    fates: deque[Fate] = field(default_factory=deque)
    """What becomes of the next requests, before anything is drawn."""
    requests: Counter[str] = field(default_factory=Counter)
    """What was asked and what became of it, by name."""

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def late(self, delay: float) -> float:
        return delay + self.jitter * self._random.random() if self.jitter else delay

    def fate(self, request: str) -> Fate:
        """Count a request, and decide what becomes of it."""
        self.requests[request] += 1
        fate = self.fates.popleft() if self.fates else self._draw()
        if fate is not Fate.NONE:
            self.requests[f"{request} {fate.value}"] += 1
        return fate

    def status(self) -> int:
        return self._random.choice(self.statuses)

    def _draw(self) -> Fate:
        if not self.errors and not self.stalls and not self.cuts:
            return Fate.NONE
        number = self._random.random()
        for fate, chance in ((Fate.ERROR, self.errors), (Fate.STALL, self.stalls), (Fate.CUT, self.cuts)):
            if number < chance:
                return fate
            number -= chance
        return Fate.NONE
