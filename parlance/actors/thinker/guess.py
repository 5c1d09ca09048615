"""A reply begun before it is certain what the caller says, in a scope of its own.

It reads ahead a little and keeps what it has read. If the final words mean the same, the turn goes on reading where
this has got to; if not, it is dropped, and nobody ever hears of it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator, Sequence

import trio

from parlance.actors.thinker.port import Entry, Line, Mind, Thought, Tool
from parlance.engine.errors import ProviderError

AHEAD = 64
"""Thoughts that are read ahead: a few sentences. That a tool is wanted is one of them; using it is the turn's."""

_FILLERS = frozenset("ah eh er erm hm mhm mm uh uhm um".split())


class Guess:
    """The reply to `lines`, as far as it has come."""

    def __init__(self, lines: Sequence[Entry], began: float) -> None:
        self.lines = tuple(lines)
        self.began = began
        self._scope = trio.CancelScope()
        self._thoughts: deque[Thought] = deque()
        self._changed = trio.Event()
        self._over = False
        self._error: ProviderError | None = None

    async def work(self, mind: Mind, tools: Sequence[Tool]) -> None:
        """Think, until that is done, or the guess is dropped."""
        with self._scope:
            try:
                async with mind.think(self.lines, tools) as thoughts:
                    async for thought in thoughts:
                        self._thoughts.append(thought)
                        self._tell()
                        while len(self._thoughts) >= AHEAD:
                            await self._changed.wait()
            except ProviderError as error:
                self._error = error
            finally:
                self._over = True
                self._tell()

    @property
    def failed(self) -> bool:
        """It broke off before it was wanted: a whole reply is better than the beginning of one."""
        return self._error is not None

    def fits(self, lines: Sequence[Entry]) -> bool:
        """Whether this is the reply to `lines` as well: only the caller's last words may differ, and not in meaning."""
        if self.failed or len(lines) != len(self.lines) or not lines:
            return False
        mine, theirs = self.lines[-1], lines[-1]
        if not (isinstance(mine, Line) and isinstance(theirs, Line) and mine.who == theirs.who):
            return False
        return self.lines[:-1] == tuple(lines[:-1]) and meaning(mine.text) == meaning(theirs.text)

    async def thoughts(self) -> AsyncGenerator[Thought]:
        """What has been thought, and then what comes. Raises what the mind raised. Once; leaving it ends the work."""
        try:
            while True:
                while self._thoughts:
                    thought = self._thoughts.popleft()
                    self._tell()
                    yield thought
                if self._over:
                    break
                await self._changed.wait()
            if self._error is not None:
                raise self._error
        finally:
            self._scope.cancel()

    def drop(self) -> list[Thought]:
        """Nobody wants it any more. Returns what nobody has read."""
        self._scope.cancel()
        left = list(self._thoughts)
        self._thoughts.clear()
        return left

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def meaning(text: str) -> list[str]:
    """Words without what does not change what is said: case, punctuation, the sounds of somebody who thinks."""
    words = re.findall(r"\w+(?:['\u2019]\w+)*", text.casefold().replace("\u2019", "'"))
    return [word for word in words if word not in _FILLERS]
