"""What the thinker needs of a mind (a language model, a script). Pure.

A `Mind` is made once per call: it may remember what it asked. What it may rely on is the history, which holds what
each side really heard.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from parlance.engine.witness import Failed, Served


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the conversation as it was heard."""

    who: Literal["caller", "agent"]
    text: str


@dataclass(frozen=True, slots=True)
class Use:
    """A tool that the mind has used, and what came of it.

    `opaque`: what the service wants back with the call besides (Gemini's `thoughtSignature`). Uses that stand side by
    side in a history were asked for in one reply; words of the agent directly before them were its words before them.
    """

    id: str
    name: str
    arguments: Mapping[str, Any]
    result: str
    opaque: str = ""


Entry = Line | Use


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a mind may use. `parameters`: a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the reply's text, as small as it comes."""

    text: str


@dataclass(frozen=True, slots=True)
class Act:
    """Something other than words. `hang_up` and `transfer` happen once the reply was heard; others are recorded."""

    name: str
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    """The mind wants tool `name` used with `arguments`: the reply goes on when it is told what came of it.

    `id` is the service's own, or one that the adapter made up where the service has none; unique in a call.
    """

    id: str
    name: str
    arguments: Mapping[str, Any]
    opaque: str = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request has cost, in tokens. `cached`: of those that went in, how many were cheaper."""

    tokens_in: int
    tokens_out: int
    cached: int = 0


Thought = Token | Act | Ask | Spent | Served | Failed


class Mind(Protocol):
    """One call's mind. Errors are `engine.errors.ProviderError`."""

    provider: str
    """The provider's name as the agent's file has it."""
    ahead: bool
    """Whether it may think about words that are not final yet. Only one that remembers nothing may."""

    def think(
        self, history: Sequence[Entry], tools: Sequence[Tool] = ()
    ) -> AbstractAsyncContextManager[AsyncIterator[Thought]]:
        """The reply to `history`, which ends with the caller's line, or with uses of tools that the reply goes on from.

        Leaving the context stops the work at once.
        """

    def committed(self, heard: str, complete: bool) -> None:
        """What the caller heard of the last reply, and whether that was all of it."""


class Minds(Protocol):
    """Makes the minds of one agent's calls. Those that keep something ready for them have a `run`."""

    provider: str

    def __call__(self) -> Mind: ...


@dataclass(frozen=True, slots=True)
class SimpleMinds:
    """Minds that share nothing."""

    provider: str
    make: Callable[[], Mind]

    def __call__(self) -> Mind:
        return self.make()
