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


@dataclass(frozen=True, slots=True)
class Heard:
    """Words of utterance `utterance`. An interim replaces the one before; after `final` no more words come of it.

    A final text may be empty: the ear heard no words.
    """

    utterance: int
    text: str
    final: bool


class Hearing(Protocol):
    """One call's ear while it is open. Errors are `engine.errors.ProviderError`."""

    async def begin(self, utterance: int) -> None:
        """An utterance begins; its audio follows."""

    async def hear(self, audio: bytes) -> None:
        """Audio of the open utterance, in the ear's format. May wait; the listener sheds what gets too old."""

    async def end(self, utterance: int) -> None:
        """The caller's turn has ended: final words are wanted now."""


class Ear(Protocol):
    """An ear that can be opened for many calls at once."""

    format: Format
    """The audio it wants."""
    chunk: float
    """Seconds of audio it wants at a time; 0 if it wants no audio at all."""

    def open(self, told: Callable[[Heard], None]) -> AbstractAsyncContextManager[Hearing]:
        """An ear for one call, which calls `told` with whatever it hears, until its context is left and never after.

        `told` does not wait: an ear may call it from a task of its context's own nursery, or from one task that serves
        all calls. An ear that can hear no more while its context is open raises a `ProviderError` out of the context,
        and cancels what runs in it. Leaving the context closes the ear, in bounded time.
        """
