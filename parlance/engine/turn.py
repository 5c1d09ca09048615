"""One reply: its number, its cancel scope, its words on their way to the voice, and its times.

Whatever works for a reply does so inside `with turn.work():`. Ending the turn cancels all of it, at once and for
good: a turn ends exactly once, and work that comes later finds its scope cancelled already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import trio

from parlance.engine.mailbox import Mailbox, Policy
from parlance.engine.message import Cue, Outcome
from parlance.engine.trace import TurnTimed

PHRASES = 3
"""Phrases that may wait for the voice; then the thinker waits, which is the brake on the model."""


class Turn:
    """A reply to `words` of the caller, or one of the agent's own lines (`cue`)."""

    def __init__(
        self, number: int, *, clock: Callable[[], float], words: str = "", cue: Cue | None = None, text: str = ""
    ) -> None:
        self.number = number
        self.words = words
        self.cue = cue
        self.text = text
        """Fixed words to speak, where the mind is not asked."""
        self.phrases: Mailbox[str] = Mailbox(PHRASES, Policy.WAIT)
        self.said: list[str] = []
        """Every phrase that was put to the voice."""
        self.voicing: str | None = None
        """The phrase in the voice's hands: a restarted speaker takes it up again."""
        self.times = TurnTimed(number)
        self.outcome: Outcome | None = None
        self.ended_at: float | None = None
        self.gone: Callable[[Turn], None] | None = None
        """Called once, when the turn has ended and nothing works for it any more."""
        self._clock = clock
        self._scopes: set[trio.CancelScope] = set()

    def mark(self, step: str) -> None:
        """Note the time of a step (a field of `TurnTimed`), the first time it happens."""
        if getattr(self.times, step) is None:
            at: dict[str, Any] = {step: self._clock()}
            self.times = replace(self.times, **at)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Work for this reply: cancelled when the turn ends, which is not an error of the worker."""
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            if self.outcome is not None:
                scope.cancel()
            try:
                yield
            finally:
                self._scopes.discard(scope)
                self._tell_if_gone()

    async def phrase(self, text: str) -> None:
        """Hand a phrase to the voice; waits while `PHRASES` are waiting already."""
        self.mark("first_phrase")
        await self.phrases.put(text)
        self.said.append(text)

    def end(self, outcome: Outcome) -> bool:
        """End the turn and cancel everything that works for it. False if it had ended before."""
        if self.outcome is not None:
            return False
        self.outcome = outcome
        self.ended_at = self._clock()
        for scope in self._scopes:
            scope.cancel()
        self._tell_if_gone()
        return True

    def _tell_if_gone(self) -> None:
        if self.outcome is not None and not self._scopes and self.gone is not None:
            gone, self.gone = self.gone, None
            gone(self)
