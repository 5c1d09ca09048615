"""What the speaker needs of a voice (text to speech), and of whoever plays its audio. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from parlance.codecs.format import Format
from parlance.engine.witness import Failed, Served

Times = tuple[tuple[int, float], ...]
"""Where in a phrase the voice is, as far as it says so: pairs of how many of the text's characters have been spoken,
and the seconds from the phrase's first sample at which they have. Both only grow.
"""


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of a phrase's audio, of any length (also none), all of a phrase's in one format."""

    audio: bytes
    format: Format
    times: Times = ()


Speech = Sound | Served | Failed


class Reply(Protocol):
    """A voice while it speaks one reply: phrases, one after another."""

    def speak(self, text: str) -> AbstractAsyncContextManager[AsyncIterator[Speech]]:
        """The phrase `text` as audio, to its end. Leaving the context early stops the work: then nothing more may be
        spoken in this reply. Errors are `ProviderError`; after one of them, too, the reply is over.
        """


class Voice(Protocol):
    """A voice, made once per process and agent; many calls speak with it at once."""

    provider: str
    """The provider's name as the agent's file has it."""

    def reply(self) -> AbstractAsyncContextManager[Reply]:
        """A reply to be spoken. It begins without waiting for anybody; connecting is `speak`'s work. Leaving the
        context stops whatever goes on for it.
        """


class Outlet(Protocol):
    """Where the speaker's audio goes: the call's playout."""

    format: Format
    """The audio the line carries."""

    def phrase(self, turn: int, text: str) -> None:
        """A phrase begins: audio added from now on is its."""

    def add(self, turn: int, audio: bytes) -> None:
        """Audio of the present phrase. Does not wait; a stale turn's audio is dropped."""

    def timed(self, turn: int, times: Times) -> None:
        """More of where in its text the present phrase is."""

    def phrase_done(self, turn: int) -> None:
        """The present phrase is whole."""

    def turn_done(self, turn: int) -> None:
        """The reply is whole: once it was heard, the turn is over."""

    def retake(self, turn: int) -> str:
        """Forget what was not yet sent of the present phrase, close it, and return the words it still lacks."""

    async def room(self, turn: int) -> int:
        """Wait until less than the lead is ahead of the ear; returns the bytes that fit (never 0)."""
