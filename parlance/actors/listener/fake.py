"""An ear that hears what its script says: one entry an utterance, words one by one, no audio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from parlance.actors.listener.port import Eager, Heard, News, Resumed, Told
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import Unreachable

SILENT = "..."
"""A script entry: the transcript never comes."""
MARKS = ("?", "+", ".", "-")
BREAKS = "!"
"""A script entry: the ear fails while it hears this."""


class FakeEar:
    """Utterances in order; each word `pace` seconds after the one before, the final text `final` after the end.

    An entry's `?` that stands alone is an ear that thinks the turn may be over, `+` that it goes on after all, and `.`
    that it is over, with the words before it; `-` is a word's time in which nothing is heard.
    """

    provider = "fake"

    def __init__(
        self, script: Sequence[str], *, first: float = 0.1973, pace: float = 0.1471, final: float = 0.0471
    ) -> None:
        self.script = list(script)
        self.first, self.pace, self.final = first, pace, final

    @asynccontextmanager
    async def open(self, told: Told) -> AsyncIterator[FakeHearing]:
        async with trio.open_nursery() as nursery:
            yield FakeHearing(self, nursery, told)
            nursery.cancel_scope.cancel()


class FakeHearing:
    format = TELEPHONE
    chunk = 0.0
    endpoints = False
    provider = "fake"

    def __init__(self, ear: FakeEar, nursery: trio.Nursery, told: Told) -> None:
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
        heard: list[str] = []
        with scope:
            for count, word in enumerate(text.split() if text != SILENT else []):
                await trio.sleep(self._ear.pace if count else self._ear.first)
                if word not in MARKS:
                    heard.append(word)
                if word != "-":
                    self._told(_news(word, utterance, " ".join(heard)))

    async def _conclude(self, utterance: int) -> None:
        await trio.sleep(self._ear.final)
        words = [word for word in self._texts[utterance].split() if word not in MARKS]
        self._told(Heard(utterance, " ".join(words), final=True))


def _news(word: str, utterance: int, text: str) -> News:
    match word:
        case "?":
            return Eager(utterance, text)
        case "+":
            return Resumed(utterance)
        case ".":
            return Heard(utterance, text, final=True, ended=True)
        case _:
            return Heard(utterance, text, final=False)
