"""The thinker: the history and a turn to the mind, the mind's text to the voice, phrase by phrase.

The history belongs to the call, not to a run of this actor: a restarted thinker takes up the turn in hand again, if
none of it has been put to the voice yet. What the mind has done in that turn is not done again. A reply that breaks off
after some of it was put to the voice ends with the agent's regret: the caller is not left with half a sentence.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from itertools import count

import trio

from parlance.actors.thinker.guess import Guess
from parlance.actors.thinker.hands import Hands, Job
from parlance.actors.thinker.history import History
from parlance.actors.thinker.phrases import Splitter
from parlance.actors.thinker.port import Act, Ask, Entry, Line, Mind, Spent, Thought, Token, Use
from parlance.actors.thinker.tools import DONE, OWN
from parlance.engine.effort import ProviderFailed, ProviderServed, ThoughtAhead, Usage
from parlance.engine.errors import Garbled, ProviderError
from parlance.engine.mailbox import Mailbox, Policy
from parlance.engine.message import Broken
from parlance.engine.roles import Desk
from parlance.engine.trace import PhraseReady
from parlance.engine.turn import Turn
from parlance.engine.witness import Failed, Served

ORDERS = 32
"""Turns that may wait: more are a bug, since a turn that has ended takes no time."""
ROUNDS = 8
"""How often, in one reply, a mind may ask for tools: more than that is a loop."""
ASKS = 16
"""Tools that a mind may ask for at once: more than that is a mistake of its own, and none of them is used."""


class _Asked:
    """Whom one request went to: who failed, and then who served. `provider`: whom it goes to, if nobody says so."""

    def __init__(self, usage: Usage, provider: str) -> None:
        self._usage, self._provider, self._open = usage, provider, True

    def told(self, thought: Thought) -> None:
        if isinstance(thought, Failed):
            self._usage.asked(thought.provider)
        elif isinstance(thought, Served):
            self.over(thought.provider)

    def over(self, provider: str = "") -> None:
        if self._open:
            self._open = False
            self._usage.asked(provider or self._provider)


class ThinkerActor:
    """One call's mind. `regret`: the words with which a reply ends that breaks off."""

    def __init__(self, mind: Mind, history: History, desk: Desk, hands: Hands, *, regret: str = "") -> None:
        self.history = history
        self.hands = hands
        self._mind, self._desk, self._regret = mind, desk, regret
        self._orders: Mailbox[Turn] = Mailbox(ORDERS, Policy.REFUSE)
        self._hand: Turn | None = None
        self._failed = False
        """Whether a run has ended over this turn."""
        self._acts: list[Act] = []
        self._ids: set[str] = set()
        """Of the tools used so far."""
        self._guess: Guess | None = None
        self._nursery: trio.Nursery | None = None
        self._provider = mind.provider
        """Who answers at present."""

    def think(self, turn: Turn) -> None:
        self._orders.put_nowait(turn)

    def said(self, words: str) -> None:
        self.history.caller(words)

    def commit(self, heard: str, complete: bool) -> None:
        self.history.agent(heard)
        self._mind.committed(heard, complete)

    # ----------------------------------------------------------------------------------- thinking ahead

    def foresee(self, words: str) -> None:
        if not self._mind.ahead or self._nursery is None or self._hand is not None:
            return
        lines = self.history.lines(words)
        if self._guess is not None and self._guess.fits(lines):
            return
        self.forget()
        self._guess = Guess(lines, self._desk.clock())
        self._nursery.start_soon(self._guess.work, self._mind, self.hands.toolbox.declared)

    def forget(self) -> None:
        guess, self._guess = self._guess, None
        if guess is not None:
            asked = _Asked(self._desk.usage, self._provider)
            self._waste(guess, asked)
            asked.over()
            self._desk.usage.discarded += 1

    def _waste(self, guess: Guess, asked: _Asked | None = None) -> None:
        """What is left of it is not read by anybody, and is paid for all the same."""
        provider = self._provider
        for thought in guess.drop():
            if asked is not None:
                asked.told(thought)
            if isinstance(thought, Served):
                provider = thought.provider
            elif isinstance(thought, Spent):
                self._desk.usage.thought(provider, thought.tokens_in, thought.tokens_out, thought.cached)

    def _foreseen(self, turn: Turn, entries: Sequence[Entry]) -> Guess | None:
        """What was thought ahead, if it is the reply to this."""
        guess = self._guess
        if guess is None or not guess.fits(entries):
            self.forget()
            return None
        self._guess = None
        self._desk.note(ThoughtAhead(turn.number, round(self._desk.clock() - guess.began, 3)))
        return guess

    # --------------------------------------------------------------------------------------- answering

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer turns, one after another. An error of the mind that another try may mend ends this run, once in a
        reply, and the supervisor begins another; any other ends the reply.
        """
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            try:
                while True:
                    if self._hand is None:
                        self._hand, self._failed = await self._orders.get(), False
                        self._acts.clear()
                    await self._answer(self._hand)
                    self._hand = None
            finally:
                self.forget()
                self._nursery.cancel_scope.cancel()
                self._nursery = None

    async def _answer(self, turn: Turn) -> None:
        with turn.work():
            try:
                if not turn.said:
                    await self._reply(turn)
            except ProviderError as error:
                if not turn.said:
                    if error.retry and not self._failed:
                        self._failed = True
                        raise
                    self._desk.happen(Broken(turn.number, str(error)))
                else:
                    self._desk.note(ProviderFailed("mind", error.provider, str(error), turn.number))
                    if self._regret:
                        await self._hand_over(turn, self._regret)
            turn.phrases.close()

    async def _reply(self, turn: Turn) -> None:
        entries: list[Entry] = list(self.history.lines())
        for _ in range(ROUNDS):
            said, asks = await self._round(turn, entries)
            if not asks:
                if not (turn.said or self._acts):
                    raise self._hopeless("has nothing to say")
                return
            uses = await self._use(turn, asks)
            # What it said went with its acts: there is nothing that it has to be told first.
            if said and all(ask.name in OWN for ask in asks):
                return
            entries += [Line("agent", said), *uses] if said else uses
        raise self._hopeless(f"has asked for tools {ROUNDS} times in one reply")

    async def _round(self, turn: Turn, entries: Sequence[Entry]) -> tuple[str, list[Ask]]:
        """One request to the mind: what it said, which is on its way to the voice, and the tools it asks for."""
        splitter, said, asks = Splitter(), [], []
        async with self._asking(), self._thoughts(turn, entries) as thoughts:
            async for thought in thoughts:
                self._asked.told(thought)
                match thought:
                    case Token(text):
                        turn.mark("first_token")
                        said.append(text)
                        for phrase in splitter.feed(text):
                            await self._hand_over(turn, phrase)
                    case Act():
                        self._act(turn, thought)
                    case Ask():
                        asks += [thought] if thought not in asks else []
                        if len(asks) > ASKS:
                            raise self._hopeless(f"has asked for more than {ASKS} tools at once")
                    case Spent(tokens_in, tokens_out, cached):
                        self._desk.usage.thought(self._provider, tokens_in, tokens_out, cached)
                    case Served(provider):
                        self._provider = provider
                        self._desk.note(ProviderServed("mind", provider, turn.number))
                    case Failed(provider, error):
                        self._desk.note(ProviderFailed("mind", provider, error, turn.number))
        for phrase in splitter.flush():
            await self._hand_over(turn, phrase)
        return "".join(said).strip(), asks

    @asynccontextmanager
    async def _thoughts(self, turn: Turn, entries: Sequence[Entry]) -> AsyncIterator[AsyncIterator[Thought]]:
        if guess := self._foreseen(turn, entries):
            try:
                async with aclosing(guess.thoughts()) as ahead:
                    yield ahead
            finally:
                self._waste(guess)
            return
        async with self._mind.think(entries, self.hands.toolbox.declared) as thoughts:
            yield thoughts

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """A request, which is counted for whom it went to."""
        self._asked = _Asked(self._desk.usage, self._provider)
        try:
            yield
        except ProviderError as error:
            self._asked.over(error.provider)
            raise
        finally:
            self._asked.over()

    def _hopeless(self, what: str) -> ProviderError:
        """An error that another try does not mend: all that was done would be done again."""
        error = Garbled(self._provider, what)
        error.retry = False
        return error

    def _act(self, turn: Turn, act: Act) -> None:
        if act not in self._acts:
            self._acts.append(act)
            self._desk.act(turn.number, act.name, act.details)

    # ------------------------------------------------------------------------------------------- tools

    async def _use(self, turn: Turn, asks: Sequence[Ask]) -> list[Use]:
        """What comes of the tools; they are used side by side. Nothing of it is lost if the turn ends meanwhile."""
        jobs: list[Job | Use] = [self._begin(turn, self._named(ask)) for ask in asks]
        for job in jobs:
            if isinstance(job, Job):
                await job.done.wait()
        return [job.use if isinstance(job, Job) else job for job in jobs]

    def _named(self, ask: Ask) -> Ask:
        """With an id that is its own: some servers count from nought again in every reply."""
        names = (f"{ask.id}-{again}" for again in count(2))
        id = ask.id if ask.id not in self._ids else next(name for name in names if name not in self._ids)
        self._ids.add(id)
        return replace(ask, id=id)

    def _begin(self, turn: Turn, ask: Ask) -> Job | Use:
        if ask.name in OWN and self.hands.toolbox.known(ask.name):
            # Nothing else that a mind may have been talked into: a number to transfer the caller to is the agent's.
            known = OWN[ask.name].parameters["properties"]
            details = {name: str(value) for name, value in ask.arguments.items() if name in known}
            self._act(turn, Act(ask.name, details))
            use = Use(ask.id, ask.name, ask.arguments, DONE[ask.name], ask.opaque)
            self.history.used(use)
            return use
        job = self.hands.use(turn.number, ask, self.history.used)
        self.history.used(job.use)
        return job

    async def _hand_over(self, turn: Turn, phrase: str) -> None:
        self._desk.note(PhraseReady(turn.number, phrase))
        await turn.phrase(phrase)
