"""What tests of real ears stand on: a call's ear with everything it told, and what it means that one fails."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio

from parlance.actors.listener.port import Ear, Heard, Hearing
from parlance.engine.errors import ProviderError, inner

CHUNK = 1600
"""Bytes handed to an ear at a time."""


class Call:
    """A call's ear, and everything it has told."""

    def __init__(self, hearing: Hearing, words: trio.MemoryReceiveChannel[Heard]) -> None:
        self.hearing, self.words = hearing, words

    async def listen(self, utterance: int, audio: bytes) -> list[Heard]:
        """Everything heard of `audio`, which comes as fast as the ear takes it."""
        await self.hearing.begin(utterance)
        for start in range(0, len(audio), CHUNK):
            await self.hearing.hear(audio[start : start + CHUNK])
        await self.hearing.end(utterance)
        heard = []
        with trio.fail_after(30):
            async for words in self.words:
                heard.append(words)
                if words.final:
                    break
        return heard


@asynccontextmanager
async def called(ear: Ear) -> AsyncIterator[Call]:
    send, words = trio.open_memory_channel[Heard](math.inf)
    with send, words:
        async with ear.open(send.send_nowait) as hearing:
            yield Call(hearing, words)


@contextmanager
def failing(kind: type[ProviderError], words: str = "") -> Iterator[None]:
    """What runs in it must fail with this error, in however many groups."""
    with pytest.raises((kind, BaseExceptionGroup)) as raised:
        yield
    error = inner(raised.value)
    assert isinstance(error, kind)
    assert re.search(words, str(error))
