"""The thinker: the history and a turn to the mind, the mind's text to the voice, phrase by phrase.

The history belongs to the call, not to a run of this actor: a restarted thinker takes up the turn in hand again, if
none of it has been put to the voice yet. What the mind has done in that turn is not done again.
"""

from __future__ import annotations

import trio

from parlance.actors.thinker.history import History
from parlance.actors.thinker.phrases import Splitter
from parlance.actors.thinker.port import Act, Mind
from parlance.engine.errors import ProviderError
from parlance.engine.mailbox import Mailbox, Policy
from parlance.engine.message import Broken
from parlance.engine.roles import Desk
from parlance.engine.trace import PhraseReady
from parlance.engine.turn import Turn

ORDERS = 32
"""Turns that may wait: more are a bug, since a turn that has ended takes no time."""


class ThinkerActor:
    """One call's mind."""

    def __init__(self, mind: Mind, history: History, desk: Desk) -> None:
        self.history = history
        self._mind, self._desk = mind, desk
        self._orders: Mailbox[Turn] = Mailbox(ORDERS, Policy.REFUSE)
        self._hand: Turn | None = None
        self._acts: list[Act] = []

    def think(self, turn: Turn) -> None:
        self._orders.put_nowait(turn)

    def said(self, words: str) -> None:
        self.history.caller(words)

    def commit(self, heard: str, complete: bool) -> None:
        self.history.agent(heard)
        self._mind.committed(heard, complete)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer turns, one after another. An error of the mind that another try may mend ends this run, and the
        supervisor begins another; any other ends the reply.
        """
        task_status.started()
        while True:
            if self._hand is None:
                self._hand = await self._orders.get()
                self._acts.clear()
            await self._answer(self._hand)
            self._hand = None

    async def _answer(self, turn: Turn) -> None:
        with turn.work():
            if not turn.said:
                try:
                    await self._reply(turn)
                except ProviderError as error:
                    if error.retry:
                        raise
                    if not turn.said:
                        self._desk.happen(Broken(turn.number, str(error)))
            turn.phrases.close()

    async def _reply(self, turn: Turn) -> None:
        splitter = Splitter()
        async with self._mind.think(self.history.lines()) as thoughts:
            async for thought in thoughts:
                if isinstance(thought, Act):
                    if thought not in self._acts:
                        self._acts.append(thought)
                        self._desk.act(turn.number, thought.name, thought.details)
                    continue
                turn.mark("first_token")
                for phrase in splitter.feed(thought.text):
                    await self._hand_over(turn, phrase)
        for phrase in splitter.flush():
            await self._hand_over(turn, phrase)

    async def _hand_over(self, turn: Turn, phrase: str) -> None:
        self._desk.note(PhraseReady(turn.number, phrase))
        await turn.phrase(phrase)
