"""Several providers of one role: which of them is tried, in which order, and how often. Pure.

A choice is shared by all calls of the house, so that what one call has learned of a provider helps the others.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from parlance.actors.breaker import Breaker
from parlance.engine.errors import ProviderError, Withheld

SHORT = 1.0
"""Seconds that a caller can be kept waiting where a provider needs a pause and there is no other one."""
MEMORY = 60.0
"""Seconds for which a call asks the others first after one has broken off."""
AGAIN = 0.3
"""Seconds after which the only one is tried again: what refuses a connection will refuse the next one at once, too."""


class Provided(Protocol):
    """An ear, a voice, or what makes minds."""

    provider: str


T = TypeVar("T", bound=Provided)


@dataclass(frozen=True, slots=True, eq=False)
class Option(Generic[T]):
    """One provider of a choice. `index`: its place in the order in which they are wanted."""

    it: T
    index: int
    breaker: Breaker


class Choice(Generic[T]):
    """`options` in the order in which they are wanted. `breakers`: theirs, where other choices have the same ones."""

    def __init__(self, options: Sequence[T], breakers: Sequence[Breaker] | None = None) -> None:
        breakers = breakers or [Breaker() for _ in options]
        pairs = enumerate(zip(options, breakers, strict=True))
        self.options = tuple(Option(it, index, breaker) for index, (it, breaker) in pairs)

    @property
    def provider(self) -> str:
        """The one that is wanted most."""
        return self.options[0].it.provider

    def tries(self, now: float, patience: float = 0.0) -> tuple[Option[T], ...]:
        """The options to try, in this order: never none. Those that are admitted, and then the one of the others that
        is back first, if that is no more than `patience` seconds away and it has not said no.

        If there are none, the one whose pause ends first. One that has itself asked for its pause gets it: then its
        error is raised once more, which now says that another try cannot help, and how long that is so (`after`).
        """
        admitted = [option for option in self.options if option.breaker.admits(now)]
        others = [option for option in self.options if option not in admitted and not option.breaker.refused]
        soon = [option for option in others if 0 < option.breaker.until - now <= patience]
        if found := [*admitted, *sorted(soon, key=_until)[:1]]:
            return tuple(found)
        if able := [option for option in self.options if not option.breaker.resting(now)]:
            return (min(able, key=_until),)
        raise _once_more(min(self.options, key=_until).breaker, now)

    def others(self, option: Option[T], now: float) -> bool:
        """Whether there is another one that may do better than this one."""
        return any(one is not option and one.breaker.admits(now) for one in self.options)


class Past(Generic[T]):
    """Who has failed in one call, and when."""

    def __init__(self) -> None:
        self._at: dict[Option[T], float] = {}

    def failed(self, option: Option[T], now: float) -> None:
        self._at[option] = now

    def rank(self, option: Option[T], now: float) -> float:
        """The least for those that have not failed lately, then for those whose failure is the longest ago."""
        at = self._at.get(option, -math.inf)
        return at if at > now - MEMORY else -math.inf


class Tries(Generic[T]):
    """The tries of one answer, until one has given something of it. `option`: the present one; `wait`: the seconds to
    wait before it; `failure`: what to raise when there is none left. Raises what `Choice.tries` raises.

    `past`: of the call; who has failed is tried after the others. `first`: whom to begin with of those who have not.
    `patience`: the longest pause that is waited for.
    """

    def __init__(
        self,
        choice: Choice[T],
        now: float,
        *,
        past: Past[T] | None = None,
        first: Option[T] | None = None,
        patience: float = SHORT,
    ) -> None:
        self._patience = patience
        self._hopes: list[tuple[Option[T], ProviderError]] = []
        """Who has failed and may do better."""
        self._again = True
        self.failure: ProviderError | None = None
        ranks = past or Past[T]()

        def order(option: Option[T]) -> tuple[bool, float, bool]:
            return not option.breaker.admits(now), ranks.rank(option, now), option is not first

        self._left = deque(sorted(choice.tries(now, patience), key=order))
        self.option = self._left[0]
        self.wait = 0.0
        self._take(now)

    def next(self, error: ProviderError, now: float) -> bool:
        """Whether there is another try after this one has failed with `error`."""
        if error.retry:
            self._hopes.append((self.option, error))
        if self.failure is None or error.retry or not self.failure.retry:
            self.failure = error
        if self._take(now):
            return True
        # The only one that may do better is tried twice.
        if not self._again or len(self._hopes) != 1:
            return False
        self._again = False
        self.option, failed = self._hopes[0]
        self.wait = AGAIN if failed.after is None else failed.after
        return self.wait <= self._patience

    def _take(self, now: float) -> bool:
        while self._left:
            option = self._left.popleft()
            breaker = option.breaker
            # By now it may have asked another call for a pause.
            if breaker.resting(now) and breaker.until - now > self._patience:
                continue
            self.option, pause = option, breaker.until - now
            self.wait = pause if 0 < pause <= self._patience and not breaker.refused else 0.0
            return True
        return False


class Trial:
    """One try of what the breaker is for. It is judged once: the first verdict counts."""

    def __init__(self, breaker: Breaker, now: float) -> None:
        self._breaker, self._since = breaker, now
        self._judged = self._proved = False
        self._breaker.begun(now)

    def failed(self, now: float, error: ProviderError) -> None:
        if not self._judged:
            self._judged = True
            if isinstance(error, Withheld):
                self._breaker.succeeded(now)
            else:
                self._breaker.failed(now, error, self._since)

    def proved(self, now: float) -> None:
        """It has begun to give something."""
        self._proved = True
        self._breaker.proved(now)

    def succeeded(self, now: float) -> None:
        if not self._judged:
            self._judged = True
            self._breaker.succeeded(now)

    def dropped(self) -> None:
        """Somebody else ended it, or is about to: it will show nothing, if it has not yet."""
        if not (self._judged or self._proved):
            self._judged = True
            self._breaker.dropped(self._since)


def _until(option: Option[T]) -> float:
    return option.breaker.until


def _once_more(breaker: Breaker, now: float) -> ProviderError:
    """A copy: the error itself belongs to the call that it was raised in."""
    error = breaker.error
    assert error is not None
    copy = type(error)(error.provider, str(error).removeprefix(f"{error.provider}: "), after=breaker.until - now)
    copy.retry = False
    return copy
