"""The `script` mind: answers callers by rules that a shop owner can write, without a model and without a network.

This file is only the mind: `rules.py` says what a script may say, `dialogue.py` what it does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import trio
from pydantic import ValidationError, field_validator

from parlance.actors.thinker import rules
from parlance.actors.thinker.book import Book
from parlance.actors.thinker.dialogue import step
from parlance.actors.thinker.form import Reply, State
from parlance.actors.thinker.form import heard as take_heard
from parlance.actors.thinker.port import Entry, Line, SimpleMinds, Thought, Token, Tool
from parlance.engine.agent import Agent, Strict
from parlance.engine.errors import Misconfigured
from parlance.engine.faults import Fault, explain, told

NAME = "script"
_POSTPONED = frozenset({"hang_up", "transfer"})
"""Acts that only happen once the reply was heard: they can be taken back with it. All others are recorded at once."""


class Settings(Strict):
    timezone: str = ""
    """What "today" means, as an IANA name ("America/New_York"); empty: as on this machine."""

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError(f"{value!r} is no time zone that this machine knows (like America/New_York)") from None
        return value


class ScriptMind:
    """One call's script. What it did in answer to the caller counts once the caller heard any of the answer.

    An answer of which nothing was heard is taken back: the caller's next words come joined to the ones it answered, and
    are understood together with them. Only a recorded act (a booking) cannot be taken back; then the words that led to
    it are not read again, and what was not heard of it is said first.
    """

    provider = NAME
    ahead = False

    def __init__(self, book: Book, today: Callable[[], date]) -> None:
        self._book = book
        self._today = today
        self._state = State()
        self._draft: State | None = None
        self._read = ""
        self._owed = ""
        self._fresh = True

    @asynccontextmanager
    async def think(
        self, history: Sequence[Entry], tools: Sequence[Tool] = ()
    ) -> AsyncIterator[AsyncIterator[Thought]]:
        # What tools another mind has used before this one took over is in what was said of it.
        lines = [entry for entry in history if isinstance(entry, Line)]
        async with aclosing(self._thoughts(lines)) as thoughts:
            yield thoughts

    def committed(self, heard: str, complete: bool) -> None:
        if self._draft is not None and (heard.strip() or complete):
            self._state = take_heard(self._draft, heard, complete)
            self._read = self._owed = ""
        self._draft = None

    async def _thoughts(self, history: Sequence[Line]) -> AsyncGenerator[Thought, None]:
        await trio.lowlevel.checkpoint()
        if self._fresh:
            self._recall(history[:-1])
        line = history[-1].text if history else ""
        draft, reply = self._answer(line)
        self._draft = draft
        recorded = [act for act in reply.acts if act.name not in _POSTPONED]
        if recorded:
            self._keep(draft, line)
        for act in recorded:
            yield act
        for number, word in enumerate(reply.text.split()):
            yield Token(f" {word}" if number else word)
        for act in reply.acts:
            if act.name in _POSTPONED:
                yield act

    def _keep(self, draft: State, line: str) -> None:
        """An act is recorded now: whatever of the reply is heard, the words that led to it are spent."""
        self._state, self._read, self._owed = draft, line, draft.statement

    def _answer(self, line: str) -> tuple[State, Reply]:
        state, words = self._state, line
        if self._read and line.startswith(self._read):
            words = line[len(self._read) :].strip()
            if not words:
                return state, Reply(state.statement, state.question)
        draft, reply = step(self._book, state, words, self._today())
        if self._owed and draft.revision == state.revision:
            reply.statement = draft.statement = f"{self._owed} {reply.statement}".strip()
        return draft, reply

    def _recall(self, history: Sequence[Line]) -> None:
        """Made anew in mid-call: what was said before is gone through again. Its acts were recorded then."""
        self._fresh = False
        for line in history:
            if line.who == "caller":
                self._draft, reply = self._answer(line.text)
                if any(act.name not in _POSTPONED for act in reply.acts):
                    self._keep(self._draft, line.text)
            else:
                self.committed(line.text, complete=False)


def faults(agent: Agent) -> list[Fault]:
    """What is wrong with the agent's script: where in its YAML, and what. Empty for agents with another mind."""
    mine = next((one for one in agent.mind.chain if one.kind == NAME), None)
    if mine is None:
        return []
    found: list[Fault] = []
    try:
        Settings(**mine.settings)
    except ValidationError as error:
        found += [(("mind", *where), text) for where, text in explain(error, Settings)]
    if agent.script is None:
        found.append(((), "the mind is a script, and there is none: write it under `script`, or name another `mind`"))
    else:
        found += [(("script", *path), text) for path, text in rules.check(agent.script, agent.transfer)[1]]
    return found


def make(settings: dict[str, Any], agent: Agent, *, today: Callable[[], date] | None = None) -> SimpleMinds:
    """The minds of the agent's calls. Raises `Misconfigured` with every fault of the script.

    `today`: what day it is where the agent is; for tests.
    """
    chosen = agent.model_copy(update={"mind": agent.mind.model_validate({"kind": NAME, **settings})})
    if wrong := faults(chosen):
        lines = "\n".join(f"  {told(fault)}" for fault in wrong)
        raise Misconfigured(f"the script of agent {agent.name} cannot be used:\n{lines}")
    script, _ = rules.check(agent.script or {}, agent.transfer)
    assert script is not None
    zone = ZoneInfo(settings["timezone"]) if settings.get("timezone") else None
    book = Book(script, agent.transfer)
    return SimpleMinds(NAME, lambda: ScriptMind(book, today or (lambda: datetime.now(zone).date())))
