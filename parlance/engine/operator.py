"""What somebody outside may ask of a call while it goes on: the operator's verbs.

An operator is a person at a desk or a program. Each verb is a plain function that waits for nothing and says nothing
back; the record tells what came of it. A call that has ended ignores them all, and asking twice changes nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

from parlance.engine import message as m
from parlance.engine import trace as t
from parlance.engine.errors import Full
from parlance.engine.roles import Media
from parlance.engine.state import Line, State

SAYINGS = 8
"""What operators want said, and what may wait for the floor: more than that nobody can follow."""
KEYS = "0123456789*#ABCD"
"""The keys of a telephone (ITU-T Q.23)."""


class Operated(ABC):
    """A call as its operators see it."""

    media: Media
    state: State
    trace: t.Trace
    muted = False
    """Whether the agent is muted."""
    _pending: deque[m.Event]
    """Events that wait for those before them."""

    @abstractmethod
    def happen(self, event: m.Event) -> None:
        """Something happened: the state machine decides what follows."""

    def say(self, text: str, interrupt: bool = False) -> None:
        """Have the agent say `text`, in a turn of its own: at once if the floor is free, else after the present reply.

        The caller's turn comes first. With `interrupt` the present reply ends here and now. What the caller hears of
        it becomes the agent's line in the history, so that the mind knows. Raises `Full` if `SAYINGS` wait already.
        """
        if text := text.strip():
            self._ask(m.Say(text, interrupt))

    def mute(self, on: bool) -> None:
        """Let the caller hear silence in place of the agent, or the agent again. What is said meanwhile counts as not
        heard: it is not in the history, and is not said again.
        """
        if self._ended or self.muted is on:
            return
        self.muted = on
        self.media.mute(on)
        self.trace.emit(t.Muted(on))

    def pause(self, on: bool) -> None:
        """Put the caller on hold, or take him off it. On hold nobody listens to him and nothing is said to him, and no
        limit counts but the whole call's; then the agent goes on at the last sample that was heard. Only a call that
        was answered can be put on hold.
        """
        self.happen(m.Pause(on))

    def press(self, digits: str) -> None:
        """Press keys (0-9, *, #, A-D; anything else is dropped) towards the caller: in the carrier's own way, or as
        their tones, in a turn of its own that nobody interrupts, and that a muted agent sounds too. A call that says
        its last words presses none. Raises `Full` if `SAYINGS` wait already.
        """
        digits = "".join(digit for digit in digits.upper() if digit in KEYS)
        if not digits or self.state.line in (Line.CLOSING, Line.CLOSED):
            return
        if not self.media.press(digits):
            self._ask(m.Say(digits, cue=m.Cue.KEYS))
        self.trace.emit(t.Pressed(digits))

    def transfer(self, number: str) -> None:
        """Connect the caller with `number` (E.164 with its plus) now, in the middle of whatever is said, and end."""
        self.happen(m.Close(m.How.COMPLETED, "transferred", by=m.By.OPERATOR, onward=number))

    @property
    def onward(self) -> str:
        """The number to connect the caller with, now that the call has ended; mostly empty."""
        return self.state.onward if self._ended else ""

    @property
    def _ended(self) -> bool:
        return self.state.line is Line.CLOSED

    def _ask(self, event: m.Say) -> None:
        if self._ended:
            return
        waiting = len(self.state.sayings) + sum(isinstance(other, m.Say) for other in self._pending)
        if waiting >= SAYINGS:
            raise Full(f"{waiting} things wait to be said: say this one later")
        self.happen(event)
