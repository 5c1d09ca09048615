"""A voice that makes a sound for every word: quick, deterministic, and loud enough to be found on a waveform."""

from __future__ import annotations

import math
from array import array
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import trio

from parlance.actors.speaker.port import Sound, Speech
from parlance.codecs.format import Format
from parlance.engine.errors import Unreachable

WORD = 0.25
"""Seconds a word takes."""
RATE = 8000
_CHUNK = array("h", (int(6000 * math.sin(2 * math.pi * 440 * n / RATE)) for n in range(int(WORD * RATE)))).tobytes()


class FakeVoice:
    """The first chunk after `wait` seconds, then one chunk a word, at once. `fails`: how often it fails first."""

    format = Format("pcm16", RATE)
    provider = "fake"

    def __init__(self, *, wait: float = 0.047, fails: int = 0, fails_after: int = 0) -> None:
        self.wait, self.fails, self.fails_after = wait, fails, fails_after
        self.spoken: list[str] = []

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[FakeVoice]:
        yield self

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[AsyncIterator[Speech]]:
        self.spoken.append(text)
        async with aclosing(self._audio(text)) as audio:
            yield audio

    async def _audio(self, text: str) -> AsyncGenerator[Speech]:
        await trio.sleep(self.wait)
        for count, _ in enumerate(text.split()):
            if self.fails and count >= self.fails_after:
                self.fails -= 1
                raise Unreachable("fake voice", "it broke, as its script says")
            yield Sound(_CHUNK, self.format)
