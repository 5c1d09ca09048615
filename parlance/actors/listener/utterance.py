"""One turn of the caller on its way to the ear: its audio, what is kept of it, and its words so far. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from parlance.codecs.format import FRAME_MS

KEEP = 2000 // FRAME_MS
"""Frames of an utterance's last two seconds: what a new ear is given, and the most that may wait for a slow one."""


@dataclass(slots=True)
class Utterance:
    """One turn of the caller, on its way to the ear."""

    number: int
    began: float
    audio: deque[bytes] = field(default_factory=deque)
    """What waits for the ear."""
    kept: deque[bytes] = field(default_factory=lambda: deque(maxlen=KEEP))
    """What a new ear would be given."""
    stopped: float = 0.0
    decided: float | None = None
    text: str = ""
    changed: float = 0.0
    """When the words last changed."""
    foreseen: str = ""
    """The words with which it was likely to be over."""
    over: tuple[str, float] | None = None
    """The ear says that it is over, with these words, while the gate still hears the voice: until when it is given time
    to hear that it has ended."""
    before: str = ""
    """What an ear that failed had made of it."""
    begun: bool = False
    """The ear has been told that it begins."""
    settled: bool = False
    """Nobody waits for its words any more."""

    def feed(self, *frames: bytes) -> None:
        self.audio.extend(frames)
        self.kept.extend(frames)


def joined(before: str, after: str) -> str:
    """Two transcripts of which the second begins somewhere in the first: words that both have are not said twice."""
    if not before:
        return after
    old, new = before.split(), after.split()
    for shared in range(min(len(old), len(new)), 0, -1):
        if old[-shared:] == new[:shared]:
            return " ".join(old + new[shared:])
    return " ".join(old + new)


def unfinished(provider: str, seconds: float) -> str:
    """What is told of an ear that has not said so many seconds after a turn what its final words are."""
    return f"{provider}: no final words within {seconds:g} s of the end of the turn: those that came count"
