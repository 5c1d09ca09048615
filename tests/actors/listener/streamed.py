"""What tests of streaming ears stand on: the news of a call, utterances spoken quickly, and services that misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio_websocket import WebSocketConnection

from bench.simulators.conduct import Conduct
from bench.simulators.door import Asked, Door
from parlance.actors.listener.port import Ear, Heard, Hearing, News, Told
from parlance.actors.listener.wire import EarWire, Message
from parlance.engine.errors import ProviderError

CHUNK = b"\x80" * 800
"""A tenth of a second, loud."""
QUIET = b"\xff" * 800
KEY = "key-that-is-secret"


class Words:
    """What was told, and waiting for it."""

    def __init__(self) -> None:
        self.all: list[News] = []
        self._more = trio.Event()

    def __call__(self, news: News) -> None:
        self.all.append(news)
        self._more.set()
        self._more = trio.Event()

    @property
    def heard(self) -> list[Heard]:
        return [news for news in self.all if isinstance(news, Heard)]

    async def until(self, happened: Callable[[], Any]) -> None:
        while not happened():
            await self._more.wait()

    async def final(self, utterance: int) -> str:
        return (await self.last(utterance)).text

    async def last(self, utterance: int) -> Heard:
        found: list[Heard] = []

        def over() -> bool:
            found.extend(heard for heard in self.heard if heard.final and heard.utterance == utterance)
            return bool(found)

        await self.until(over)
        return found[0]


async def say(hearing: Hearing, utterance: int, chunks: int = 12, quiet: int = 0) -> None:
    """An utterance, quicker than anybody speaks."""
    await hearing.begin(utterance)
    for chunk in (*[CHUNK] * chunks, *[QUIET] * quiet):
        await hearing.hear(chunk)
        await trio.sleep(0.005)
    await hearing.end(utterance)


async def call(ear: Ear, words: Told, *, utterances: int = 0, chunks: int = 12) -> None:
    """A call that goes on until its ear fails, or for too long."""
    with trio.fail_after(4):
        async with ear.open(words) as hearing:
            for utterance in range(utterances):
                await say(hearing, utterance, chunks)
            await trio.sleep_forever()


async def failure(ear: Ear, words: Words) -> ProviderError:
    """The error that ends an ear which hears an utterance. The key is in none of it."""
    with pytest.raises(ProviderError) as caught:
        await call(ear, words, utterances=1)
    shown = repr(caught.value) + str(caught.value) + repr(caught.value.__cause__)
    assert KEY not in shown
    return caught.value


def told(wire: EarWire[Any], message: Message) -> list[News]:
    """The news of a message."""
    step = wire.receive(message)
    return [] if step is None else list(step.news)


Talk = Callable[[WebSocketConnection], Any]


@asynccontextmanager
async def service(path: str, talk: Talk) -> AsyncIterator[str]:
    """A service that does what `talk` does with a connection; its address."""

    async def line(asked: Asked, connection: WebSocketConnection, conduct: Conduct) -> None:
        await talk(connection)

    async with trio.open_nursery() as nursery:
        port = await nursery.start(Door(Conduct(), {}, {path: (lambda asked: None, line)}).serve, 0)
        yield f"ws://127.0.0.1:{port}{path}"
        nursery.cancel_scope.cancel()
