"""Several providers of one role: which of them is tried, in which order, and how often. Pure.

A choice is shared by all calls of the house, so that what one call has learned of a provider helps the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from parlance.actors.breaker import Breaker
from parlance.engine.errors import ProviderError

SHORT = 1.0
"""Seconds that a caller can be kept waiting where a provider needs a pause and there is no other one."""
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

    def tries(self, now: float) -> tuple[Option[T], ...]:
        """The options to try, in this order: never none.

        If all are kept out, the one whose pause ends first. One that has itself asked for its pause gets it: then its
        error is raised once more, which now says that another try cannot help, and how long that is so (`after`).
        """
        if admitted := tuple(option for option in self.options if option.breaker.admits(now)):
            return admitted
        if able := [option for option in self.options if not option.breaker.resting(now)]:
            return (min(able, key=_until),)
        raise _once_more(min(self.options, key=_until).breaker, now)


class Tries(Generic[T]):
    """The tries of one answer, until one has given something of it. `option`: the present one; `wait`: the seconds to
    wait before it. Raises what `Choice.tries` raises. `first`, `last`: the option to begin or to end with,
    if it is admitted; `patience`: the longest pause of the only one that is left which is waited for.
    """

    def __init__(
        self,
        choice: Choice[T],
        now: float,
        first: Option[T] | None = None,
        last: Option[T] | None = None,
        patience: float = SHORT,
    ) -> None:
        self.wait, self._patience = 0.0, patience
        try:
            options = choice.tries(now)
        except ProviderError as error:
            if len(choice.options) > 1 or error.after is None or error.after > patience:
                raise
            self.wait, options = error.after, choice.options
        else:
            self.wait = _rest(options[0].breaker, now, patience)
        self._left = deque(sorted(options, key=lambda option: (option is last, option is not first)))
        self._again = len(self._left) == 1
        self.option = self._left.popleft()

    def next(self, error: ProviderError) -> bool:
        """Whether there is another try after this one has failed with `error`."""
        self.wait = 0.0
        if self._left:
            self.option = self._left.popleft()
            return True
        # The only one is tried twice.
        again, self._again = self._again, False
        self.wait = AGAIN if error.after is None else error.after
        return again and error.retry and self.wait <= self._patience


class Trial:
    """One try of what the breaker is for. It is judged once: the first verdict counts."""

    def __init__(self, breaker: Breaker, now: float) -> None:
        self._breaker, self._since = breaker, now
        self._judged = self._proved = False
        self._breaker.begun(now)

    def failed(self, now: float, error: ProviderError) -> None:
        if not self._judged:
            self._judged = True
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


def _rest(breaker: Breaker, now: float, patience: float) -> float:
    """What is left of the pause of one that is kept out, and is asked all the same. What said no will do so again."""
    left = breaker.until - now
    return left if 0 < left <= patience and breaker.error is not None and breaker.error.retry else 0.0


def _once_more(breaker: Breaker, now: float) -> ProviderError:
    """A copy: the error itself belongs to the call that it was raised in."""
    error = breaker.error
    assert error is not None
    copy = type(error)(error.provider, str(error).removeprefix(f"{error.provider}: "), after=breaker.until - now)
    copy.retry = False
    return copy
