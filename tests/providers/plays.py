"""Plays of one test module, all performed at once the first time that a test looks at one.

A play is a coroutine function that is given the metronome, asserts what it has seen, and leaves nothing behind.
"""

from __future__ import annotations

from functools import partial

import trio
from matrix import LONGEST, Play, side_by_side

from parlance.engine.metronome import Metronome


class Plays:
    """`changes`: attributes that are other ones while the plays are performed, as (where, name, value)."""

    def __init__(self, *changes: tuple[object, str, object]) -> None:
        self._changes = changes
        self._plays: dict[str, Play] = {}
        self._results: dict[str, BaseException | None] = {}
        self._left: dict[str, int] = {}

    def __call__(self, play: Play) -> Play:
        self._plays[play.__name__] = play
        return play

    def add(self, name: str, play: Play) -> None:
        self._plays[name] = play

    @property
    def names(self) -> list[str]:
        return list(self._plays)

    def look(self, name: str) -> None:
        """Raises what the play raised."""
        self._perform()
        if (error := self._results[name]) is not None:
            raise error

    @property
    def left(self) -> dict[str, int]:
        """Tasks and open files that were not there before."""
        self._perform()
        return self._left

    def _perform(self) -> None:
        if not self._results:
            plays = [partial(self._one, name) for name in self._plays]
            self._left = side_by_side(plays, *self._changes)

    async def _one(self, name: str, metronome: Metronome) -> None:
        self._results[name] = None
        try:
            with trio.fail_after(LONGEST):
                await self._plays[name](metronome)
        except Exception as error:
            self._results[name] = error
