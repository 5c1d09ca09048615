"""A voice over one or several: a phrase is spoken by the first that has audio of it, and so is what follows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import trio

from parlance.actors import relay
from parlance.actors.choice import Choice, Option, Past, Trial, Tries
from parlance.actors.speaker.port import Reply, Sound, Speech, Voice
from parlance.engine.errors import Garbled, ProviderError
from parlance.engine.witness import Failed, Served

SLOWEST, LEAST = 0.5, 5.0
"""Seconds of audio that a character and a phrase may take: a number read out digit by digit has 0.4 s a digit."""


class VoiceChain:
    """One call's voice. `provider`: the one that is wanted most."""

    def __init__(self, choice: Choice[Voice]) -> None:
        self._choice, self.provider = choice, choice.provider
        self._past: Past[Voice] = Past()

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[ChainReply]:
        async with AsyncExitStack() as stack:
            yield ChainReply(self._choice, stack, self._past)


class ChainReply:
    """One reply. The voice that it began with speaks it to its end, unless it fails before a phrase's first audio."""

    def __init__(self, choice: Choice[Voice], stack: AsyncExitStack, past: Past[Voice]) -> None:
        self._choice, self._stack, self._past = choice, stack, past
        self._option: Option[Voice] | None = None
        self._reply: Reply | None = None
        self._served: Option[Voice] | None = None

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[AsyncIterator[Speech]]:
        """The phrase by the first voice that has audio of it. Entering waits for that audio, so that no other one's
        work is left open within a reader's own scopes. What fails later is raised as it is.
        """
        tries = Tries(self._choice, trio.current_time(), past=self._past, first=self._option)
        told: list[Speech] = []
        while True:
            if tries.wait:
                await trio.sleep(tries.wait)
            option, bound, begun = tries.option, _Bound(tries.option.it.provider, text), False
            trial = Trial(option.breaker, trio.current_time())
            try:
                async with (await self._of(option)).speak(text) as speech:
                    early, begun = await relay.beginning(speech, _gives)
                    if begun:
                        trial.proved(trio.current_time())
                    if begun and self._served is not option:
                        self._served = option
                        told.append(Served(option.it.provider))
                    async with aclosing(relay.rest([*told, *early], speech, trial, bound.told)) as rest:
                        yield rest
                return
            except ProviderError as error:
                now, failure = trio.current_time(), error
                trial.failed(now, error)
                if begun:
                    self._past.failed(option, now)
                    error.retry = error.retry or (not bound.passed and self._choice.others(option, now))
                    raise
            finally:
                if begun:
                    trial.succeeded(trio.current_time())
                trial.dropped()
            await self._leave()
            more = tries.next(failure, now)
            if more or failure is not tries.failure:
                told.append(Failed(option.it.provider, str(failure)))
            if not more:
                break
        async with aclosing(relay.ended(told, tries.failure or failure)) as rest:
            yield rest

    async def _of(self, option: Option[Voice]) -> Reply:
        """The reply of this voice, begun when it is first needed."""
        if self._reply is None or self._option is not option:
            await self._leave()
            self._reply, self._option = await self._stack.enter_async_context(option.it.reply()), option
        return self._reply

    async def _leave(self) -> None:
        self._reply = None
        await self._stack.aclose()


def _gives(piece: Speech) -> bool:
    return isinstance(piece, Sound) and bool(piece.audio)


class _Bound:
    """How much audio a phrase may have. More is noise, or somebody else's words. `passed`: there was more."""

    def __init__(self, provider: str, text: str) -> None:
        self._provider, self._characters, self._left = provider, len(text), SLOWEST * len(text) + LEAST
        self.passed = False

    def told(self, piece: Speech) -> None:
        if isinstance(piece, Sound):
            self._left -= len(piece.audio) / piece.format.second
            if self._left < 0:
                self.passed = True
                error = Garbled(self._provider, f"sent more audio than {self._characters} characters can take")
                # It would send the same again, and the caller has heard enough of it.
                error.retry = False
                raise error
