"""What the speaker needs of a voice (text to speech), and of whoever plays its audio. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from parlance.codecs.format import Format


class Voice(Protocol):
    """A voice, made once per process and agent; many calls speak with it at once."""

    format: Format
    """The audio it makes."""

    def speak(self, text: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """`text` as audio, in chunks of any length. Leaving the context stops the work. Errors are `ProviderError`."""


class Outlet(Protocol):
    """Where the speaker's audio goes: the call's playout."""

    format: Format
    """The audio the line carries."""

    def phrase(self, turn: int, text: str) -> None:
        """A phrase begins: audio added from now on is its."""

    def add(self, turn: int, audio: bytes) -> None:
        """Audio of the present phrase. Does not wait; a stale turn's audio is dropped."""

    def phrase_done(self, turn: int) -> None:
        """The present phrase is whole."""

    def turn_done(self, turn: int) -> None:
        """The reply is whole: once it was heard, the turn is over."""

    def retake(self, turn: int) -> str:
        """Forget what was not yet sent of the present phrase, close it, and return the words it still lacks."""

    async def room(self, turn: int) -> int:
        """Wait until less than the lead is ahead of the ear; returns the bytes that fit (never 0)."""
