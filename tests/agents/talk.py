"""A conversation with an agent's script, as data: caller's lines in, replies and acts out."""

from __future__ import annotations

from datetime import date
from typing import Any

from parlance.actors.thinker import script
from parlance.actors.thinker.history import History
from parlance.actors.thinker.port import Act, Token
from parlance.actors.thinker.script import ScriptMind
from parlance.engine.agent import Agent

FRIDAY = date(2026, 11, 20)


class Caller:
    """Talks to a mind and hears all of its replies, or as much of them as it is told."""

    def __init__(self, agent: Agent, *, today: date = FRIDAY, **changes: Any) -> None:
        self.make = script.make(agent.mind.settings, agent.model_copy(update=changes), today=lambda: today)
        self.mind: ScriptMind = self.make()
        self.history = History()

    async def think(self) -> tuple[str, list[Act]]:
        words, acts = "", []
        async with self.mind.think(self.history.lines()) as thoughts:
            async for thought in thoughts:
                if isinstance(thought, Token):
                    words += thought.text
                else:
                    acts.append(thought)
        return words, acts

    async def say(self, line: str, heard: str | None = None) -> tuple[str, list[Act]]:
        """The reply and its acts; `heard`: how much of it the caller hears (all of it by default)."""
        self.history.caller(line)
        words, acts = await self.think()
        self.hear(words if heard is None else heard, complete=heard is None)
        return words, acts

    def hear(self, heard: str, *, complete: bool = False) -> None:
        self.history.agent(heard)
        self.mind.committed(heard, complete)
