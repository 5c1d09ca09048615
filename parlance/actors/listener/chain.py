"""An ear over one or several: the first that opens hears the call. What it hears is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from parlance.actors.choice import Choice, Option, Past, Trial, Tries
from parlance.actors.listener.port import Eager, Ear, Heard, Hearing, News, Told
from parlance.engine.errors import ProviderError
from parlance.engine.witness import Failed, Served

PATIENCE = 5.0
"""The longest pause of an ear that is waited for: the caller is greeted meanwhile, or says it once more."""
PROVEN = 10.0
"""Seconds for which an ear has to be open, and has to have heard words, to count as one that works."""


class EarChain:
    """One call's ear. `provider`: the one that is wanted most."""

    def __init__(self, choice: Choice[Ear]) -> None:
        self._choice, self.provider = choice, choice.provider
        self._past: Past[Ear] = Past()
        self._refused: set[Option[Ear]] = set()
        """Those that would say no again."""

    @asynccontextmanager
    async def open(self, told: Told) -> AsyncIterator[Hearing]:
        """The hearing of the first ear that opens. One that ends later raises its error, as every ear does. Its `retry`
        says whether another try with any of them can help.
        """
        tries = Tries(self._choice, trio.current_time(), past=self._past, patience=PATIENCE)
        while True:
            if tries.wait:
                await trio.sleep(tries.wait)
            ear, proof = tries.option.it, _Proof(told, Trial(tries.option.breaker, trio.current_time()))
            try:
                async with ear.open(proof.told) as hearing:
                    proof.opened(ear.provider)
                    yield hearing
                return
            except ProviderError as error:
                now = trio.current_time()
                self._past.failed(tries.option, now)
                proof.trial.failed(now, error)
                # One that has heard words takes our key, and may take the next stream.
                if error.retry or proof.words:
                    self._refused.discard(tries.option)
                else:
                    self._refused.add(tries.option)
                if proof.since is not None or not tries.next(error, now):
                    error.retry = self._hopes(now + PATIENCE)
                    raise
                told(Failed(ear.provider, str(error)))
            finally:
                proof.left()

    def _hopes(self, at: float) -> bool:
        """Whether there is an ear that may hear the call by then."""
        options = self._choice.options
        return any(option not in self._refused and not option.breaker.resting(at) for option in options)


class _Proof:
    """Whether an ear works: told to the call, and to whoever keeps the breaker."""

    def __init__(self, told: Told, trial: Trial) -> None:
        self._told, self.trial = told, trial
        self.words = False
        self.since: float | None = None
        """When it was open."""

    def opened(self, provider: str) -> None:
        self.since = trio.current_time()
        self._told(Served(provider))

    def told(self, news: News) -> None:
        if isinstance(news, Heard | Eager) and news.text.strip():
            self.words = True
            self._settle()
        self._told(news)

    def left(self) -> None:
        self._settle()
        self.trial.dropped()

    def _settle(self) -> None:
        now = trio.current_time()
        if self.words and self.since is not None and now >= self.since + PROVEN:
            self.trial.succeeded(now)
