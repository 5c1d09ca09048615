"""A mind over one or several: the first that has something to say answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import trio

from parlance.actors import relay
from parlance.actors.choice import Choice, Past, Trial, Tries
from parlance.actors.thinker.port import Act, Ask, Entry, Minds, Thought, Token, Tool, Use
from parlance.engine.errors import Garbled, ProviderError
from parlance.engine.witness import Failed, Served


class MindChain:
    """One call's mind. `provider`: the one that is wanted most."""

    def __init__(self, choice: Choice[Minds]) -> None:
        self._choice, self.provider = choice, choice.provider
        self._minds = [option.it() for option in choice.options]
        self.ahead = all(mind.ahead for mind in self._minds)
        self._last = self._minds[0]
        self._past: Past[Minds] = Past()
        self._trial: Trial | None = None

    def committed(self, heard: str, complete: bool) -> None:
        """For the mind whose reply it was: what another one said is in the history."""
        self._last.committed(heard, complete)

    @asynccontextmanager
    async def think(
        self, history: Sequence[Entry], tools: Sequence[Tool] = ()
    ) -> AsyncIterator[AsyncIterator[Thought]]:
        """The reply of the first mind that has a word of it. Entering waits for that word, so that no other one's work
        is left open within a reader's own scopes. What fails later is raised as it is.
        """
        if self._trial is not None:
            # A call thinks one reply at a time. A guess that nobody wants may take a while to be left.
            self._trial.dropped()
        tries = Tries(self._choice, trio.current_time(), past=self._past)
        told: list[Thought] = []
        while True:
            if tries.wait:
                await trio.sleep(tries.wait)
            mind, begun = self._minds[tries.option.index], False
            self._trial = trial = Trial(tries.option.breaker, trio.current_time())
            try:
                async with mind.think(history, tools) as thoughts:
                    early, begun = await relay.beginning(thoughts, _gives)
                    self._last = mind
                    if begun:
                        trial.proved(trio.current_time())
                    told += [Served(mind.provider), *early] if begun else early
                    if not (begun or (history and isinstance(history[-1], Use))):
                        raise _silent(mind.provider)
                    async with aclosing(relay.rest(told, thoughts, trial)) as rest:
                        yield rest
                return
            except ProviderError as error:
                now, failure = trio.current_time(), error
                trial.failed(now, error)
                if begun:
                    self._past.failed(tries.option, now)
                    error.retry = error.retry or self._choice.others(tries.option, now)
                    raise
            finally:
                if begun:
                    trial.succeeded(trio.current_time())
                trial.dropped()
            more = tries.next(failure, now)
            if more or failure is not tries.failure:
                told.append(Failed(mind.provider, str(failure)))
            if not more:
                break
        async with aclosing(relay.ended(told, tries.failure or failure)) as rest:
            yield rest


def _gives(thought: Thought) -> bool:
    return isinstance(thought, Token | Act | Ask)


def _silent(provider: str) -> ProviderError:
    """An answer without a word. The same question would have the same answer; another one may know more."""
    error = Garbled(provider, "has nothing to say")
    error.retry = False
    return error
