"""What the thinker needs of a mind (a language model, a script). Pure.

A `Mind` is made once per call: it may remember what it asked. What it may rely on is the history, which holds what
each side really heard.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the conversation as it was heard."""

    who: Literal["caller", "agent"]
    text: str


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the reply's text, as small as it comes."""

    text: str


@dataclass(frozen=True, slots=True)
class Act:
    """Something other than words. `hang_up` and `transfer` happen once the reply was heard; others are recorded."""

    name: str
    details: dict[str, str] = field(default_factory=dict)


Thought = Token | Act


class Mind(Protocol):
    """One call's mind. Errors are `engine.errors.ProviderError`."""

    def think(self, history: Sequence[Line]) -> AbstractAsyncContextManager[AsyncIterator[Thought]]:
        """The reply to `history`, whose last line is the caller's. Leaving the context stops the work at once."""

    def committed(self, heard: str, complete: bool) -> None:
        """What the caller heard of the last reply, and whether that was all of it."""
