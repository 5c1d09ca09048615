"""A mind for load tests: it thinks for a fixed time and streams the same words at a fixed pace, whatever is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import cycle, islice
from typing import Annotated, Any

import trio
from pydantic import Field

from parlance.actors.thinker.port import Entry, SimpleMinds, Thought, Token, Tool
from parlance.engine.agent import Agent, Strict
from parlance.engine.faults import checked

NAME = "rehearsal"
REPLY = (
    "Of course, let me just have a look at the calendar. There is a free hour on Monday at ten. "
    "We could also see you on Thursday in the afternoon. So please tell me which of them suits you best."
)
"""Forty words, in four sentences."""


class Settings(Strict):
    wait: Annotated[float, Field(ge=0, le=60)] = 0.1
    """Seconds until the first word."""
    words: Annotated[int, Field(ge=0, le=10_000)] = 40
    pace: Annotated[float, Field(gt=0, le=100_000)] = 100.0
    """Words a second."""


class RehearsalMind:
    provider = NAME
    ahead = False

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @asynccontextmanager
    async def think(
        self, history: Sequence[Entry], tools: Sequence[Tool] = ()
    ) -> AsyncIterator[AsyncIterator[Thought]]:
        async with aclosing(self._reply()) as thoughts:
            yield thoughts

    def committed(self, heard: str, complete: bool) -> None:
        """It remembers nothing."""

    async def _reply(self) -> AsyncGenerator[Thought, None]:
        start = trio.current_time() + self.settings.wait
        for number, word in enumerate(islice(cycle(REPLY.split()), self.settings.words)):
            await trio.sleep_until(start + number / self.settings.pace)
            yield Token(f" {word}" if number else word)


def make(settings: dict[str, Any], _agent: Agent | None = None) -> SimpleMinds:
    """The minds of the calls with these `mind:` settings. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"mind {NAME}")
    return SimpleMinds(NAME, lambda: RehearsalMind(chosen))
