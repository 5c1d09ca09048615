"""What the listener needs of an ear (speech to text). Pure.

An `Ear` is made once per process and agent and opened once per call. Audio reaches a hearing only while an
utterance is open: from a little before its first voiced frame until its turn has ended. A hearing that is always
streaming (a cloud service) may ignore `begin` and use `end` to ask for its final words at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from parlance.codecs.format import Format
from parlance.engine.witness import Failed, Served


@dataclass(frozen=True, slots=True)
class Heard:
    """Words of utterance `utterance`. An interim replaces the one before; after `final` no more words come of it.

    A final text may be empty: the ear heard no words. `ended`: the service itself decided that the caller's turn is
    over; these are its final words, though nobody has asked for them.
    """

    utterance: int
    text: str
    final: bool
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Eager:
    """The service thinks that the caller's turn may be over, with these words: time to think ahead."""

    utterance: int
    text: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """The service thinks that the turn which it took for over goes on."""

    utterance: int


News = Heard | Eager | Resumed | Served | Failed
Told = Callable[[News], None]


class Hearing(Protocol):
    """One call's ear while it is open. Errors are `engine.errors.ProviderError`."""

    format: Format
    """The audio it wants."""
    chunk: float
    """Seconds of audio it wants at a time; 0 if it wants no audio at all."""
    endpoints: bool
    """Whether it decides itself when a turn is over (`Heard.ended`): then silence is given more time."""
    provider: str
    """Who hears: the provider's name as the agent's file has it."""

    async def begin(self, utterance: int) -> None:
        """An utterance begins; its audio follows."""

    async def hear(self, audio: bytes) -> None:
        """Audio of the open utterance, in the ear's format. May wait; the listener sheds what gets too old."""

    async def end(self, utterance: int) -> None:
        """The caller's turn has ended: final words are wanted now. Told also of a turn that the service ended."""


class Ear(Protocol):
    """An ear that can be opened for many calls at once."""

    provider: str

    def open(self, told: Told) -> AbstractAsyncContextManager[Hearing]:
        """An ear for one call, which calls `told` with whatever it hears, until its context is left and never after.

        `told` does not wait: an ear may call it from a task of its context's own nursery, or from one task that serves
        all calls. An ear that can hear no more while its context is open raises a `ProviderError` out of the context,
        and cancels what runs in it. Leaving the context closes the ear, in bounded time.
        """
