"""A voice for load tests: sound like speech, prepared once, as long as the text would take. No CPU at call time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import Annotated, Any

import numpy as np
import trio
from pydantic import Field

from parlance.actors.speaker.port import Sound, Speech
from parlance.codecs import mulaw, pcm
from parlance.codecs.format import TELEPHONE
from parlance.engine.agent import Strict
from parlance.engine.faults import checked

NAME = "rehearsal"
PREPARED = 10.0
"""Seconds of prepared sound; a longer phrase plays it again."""
CHUNK = TELEPHONE.second // 10
LEVEL = -20.0
"""dBFS (RMS), which is how loud people are on a telephone."""


class Settings(Strict):
    wait: Annotated[float, Field(ge=0, le=60)] = 0.05
    """Seconds until the first audio of a phrase."""
    word: Annotated[float, Field(gt=0, le=5)] = 0.085
    """Seconds a word takes: 40 words are 3.4 s."""


class RehearsalVoice:
    provider = NAME

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._sound = sound()

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[RehearsalVoice]:
        yield self

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[AsyncIterator[Speech]]:
        async with aclosing(self._audio(len(text.split()))) as audio:
            yield audio

    async def _audio(self, words: int) -> AsyncGenerator[Speech, None]:
        await trio.sleep(self.settings.wait)
        left = round(words * self.settings.word * TELEPHONE.rate)
        at = 0
        while left > 0:
            chunk = self._sound[at : at + min(CHUNK, left)]
            left -= len(chunk)
            at = (at + len(chunk)) % len(self._sound)
            yield Sound(chunk, TELEPHONE)


@cache
def sound() -> bytes:
    """`PREPARED` seconds of µ-law at 8 kHz: a voice's harmonics through moving formants, four syllables a second."""
    t = np.arange(int(PREPARED * TELEPHONE.rate)) / TELEPHONE.rate
    pitch = 120 + 15 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / TELEPHONE.rate
    formants = (500 + 200 * np.sin(2 * np.pi * 1.3 * t), 1500 + 500 * np.sin(2 * np.pi * 0.9 * t))
    voice = np.zeros_like(t)
    for harmonic in range(3, 26):
        frequency = harmonic * pitch
        gain = sum(np.exp(-(((frequency - formant) / 200) ** 2)) for formant in formants) + 0.05
        voice += gain * np.sin(harmonic * phase)
    syllables = 0.55 - 0.45 * np.cos(2 * np.pi * 4 * t)
    voice *= syllables
    voice *= 32768 * 10 ** (LEVEL / 20) / np.sqrt(np.mean(voice**2))
    return mulaw.encode(pcm.rounded(voice))


def make(settings: dict[str, Any]) -> RehearsalVoice:
    """The voice of an agent's `voice:` settings. Raises `Misconfigured`."""
    return RehearsalVoice(checked(Settings, settings, f"voice {NAME}"))
