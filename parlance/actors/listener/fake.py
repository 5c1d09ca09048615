"""An ear that hears what its script says: one entry an utterance, words one by one, no audio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import trio

from parlance.actors.listener.port import Heard
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import Unreachable

SILENT = "..."
"""A script entry: the transcript never comes."""
BREAKS = "!"
"""A script entry: the ear fails while it hears this."""


class FakeEar:
    """Utterances in order; each word `pace` seconds after the one before, the final text `final` after the end."""

    format = TELEPHONE
    chunk = 0.0

    def __init__(
        self, script: Sequence[str], *, first: float = 0.1973, pace: float = 0.1471, final: float = 0.0471
    ) -> None:
        self.script = list(script)
        self.first, self.pace, self.final = first, pace, final

    @asynccontextmanager
    async def open(self, told: Callable[[Heard], None]) -> AsyncIterator[FakeHearing]:
        async with trio.open_nursery() as nursery:
            yield FakeHearing(self, nursery, told)
            nursery.cancel_scope.cancel()


class FakeHearing:
    def __init__(self, ear: FakeEar, nursery: trio.Nursery, told: Callable[[Heard], None]) -> None:
        self._ear, self._nursery, self._told = ear, nursery, told
        self._texts: dict[int, str] = {}
        self._spelling = trio.CancelScope()

    async def begin(self, utterance: int) -> None:
        await trio.lowlevel.checkpoint()
        text = self._texts[utterance] = self._ear.script.pop(0) if self._ear.script else ""
        if text == BREAKS:
            raise Unreachable("fake ear", "it broke, as its script says")
        self._spelling = trio.CancelScope()
        self._nursery.start_soon(self._spell, utterance, text, self._spelling)

    async def hear(self, audio: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def end(self, utterance: int) -> None:
        self._spelling.cancel()
        await trio.lowlevel.checkpoint()
        if self._texts[utterance] != SILENT:
            self._nursery.start_soon(self._conclude, utterance)

    async def _spell(self, utterance: int, text: str, scope: trio.CancelScope) -> None:
        words = text.split() if text != SILENT else []
        with scope:
            for count in range(1, len(words) + 1):
                await trio.sleep(self._ear.pace if count > 1 else self._ear.first)
                self._told(Heard(utterance, " ".join(words[:count]), final=False))

    async def _conclude(self, utterance: int) -> None:
        await trio.sleep(self._ear.final)
        self._told(Heard(utterance, self._texts[utterance], final=True))
