"""An ear for load tests: it wants no audio and always hears the same words. It costs next to nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import trio
from pydantic import Field

from parlance.actors.listener.port import Heard
from parlance.codecs.format import TELEPHONE
from parlance.engine.agent import Strict
from parlance.engine.faults import checked

NAME = "rehearsal"


class Settings(Strict):
    text: Annotated[str, Field(max_length=1000)] = "I would like to book an appointment, please."
    delay: Annotated[float, Field(ge=0, le=10)] = 0.05
    """Seconds from the end of the caller's turn to its words."""
    interim: Annotated[float, Field(ge=0, le=10)] = 0.1
    """Seconds from the beginning of an utterance to its first words."""
    words: Annotated[int, Field(ge=0, le=100)] = 2
    """How many words the interim has; 0 for no interim."""


class RehearsalHearing:
    """One call's ear, and the iterator over its words."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._interim = " ".join(settings.text.split()[: settings.words])
        self._due: deque[tuple[float, Heard]] = deque()
        self._changed = trio.Event()
        self._closed = False

    async def begin(self, utterance: int) -> None:
        if self._interim:
            self._plan(self._settings.interim, Heard(utterance, self._interim, final=False))
        await trio.lowlevel.checkpoint()

    async def hear(self, audio: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def end(self, utterance: int) -> None:
        final = trio.current_time() + self._settings.delay
        # After its final an utterance has no more words.
        self._due = deque(
            (at, heard) for at, heard in self._due if heard.final or heard.utterance != utterance or at <= final
        )
        self._plan(self._settings.delay, Heard(utterance, self._settings.text, final=True))
        await trio.lowlevel.checkpoint()

    def words(self) -> AsyncIterator[Heard]:
        return self

    def __aiter__(self) -> RehearsalHearing:
        return self

    async def __anext__(self) -> Heard:
        while not self._closed:
            changed = self._changed = trio.Event()
            if not self._due:
                await changed.wait()
                continue
            at, heard = self._due[0]
            with trio.move_on_at(at):
                await changed.wait()
                continue
            self._due.popleft()
            return heard
        raise StopAsyncIteration

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    def _plan(self, delay: float, heard: Heard) -> None:
        self._due = deque(sorted([*self._due, (trio.current_time() + delay, heard)], key=lambda due: due[0]))
        self._changed.set()


class RehearsalEar:
    format = TELEPHONE
    chunk = 0.0

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @asynccontextmanager
    async def open(self) -> AsyncIterator[RehearsalHearing]:
        hearing = RehearsalHearing(self.settings)
        try:
            yield hearing
        finally:
            hearing.close()


def make(settings: dict[str, Any]) -> RehearsalEar:
    """The ear of an agent's `ear:` settings. Raises `Misconfigured`."""
    return RehearsalEar(checked(Settings, settings, f"ear {NAME}"))
