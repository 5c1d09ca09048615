"""Ears on connections that have recorded messages only, and on answers that are there at once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib import import_module
from time import process_time
from typing import Any

import httpx
import trio

from bench.cast import settings
from bench.unplugged.messages import Closed, Connection, recorded, varied
from bench.unplugged.pages import answering
from parlance.actors.listener.port import Heard, News
from parlance.actors.listener.request import RequestEar, RequestHearing
from parlance.actors.listener.stream import StreamedEar, StreamedHearing
from parlance.actors.listener.wire import EarWire
from parlance.actors.websocket import Socket
from parlance.engine.errors import ProviderError
from parlance.registry import PROVIDERS

ASKED = ("openai", "azure")
"""Those that are asked for a whole utterance."""
UTTERANCE = 2.0
"""Seconds."""

_FILES = {"elevenlabs": "scribe", "openai": "transcription", "azure": "azurespeech"}
_TEXT: dict[str, tuple[str | int, ...]] = {
    "deepgram": ("channel", "alternatives", 0, "transcript"),
    "flux": ("transcript",),
    "elevenlabs": ("text",),
    "assemblyai": ("words", -1, "text"),
}
"""Where in a message its words are, or the last of them."""


def made(name: str, **more: Any) -> Any:
    """The adapter's own."""
    chosen = {key: value for key, value in settings("ear", name).items() if key != "kind"}
    return import_module(PROVIDERS["ear"][name]).make(chosen | more)


async def transcript(name: str, count: int) -> float:
    return await (_answers if name in ASKED else _told)(name, count)


async def chunk(name: str, count: int) -> float:
    return await (_collected if name in ASKED else _sent)(name, count)


# ---------------------------------------------------------------------------------- ears that stream


async def _told(name: str, count: int) -> float:
    news: list[News] = []
    line = Connection()
    async with _hearing(name, line, news) as hearing, trio.open_nursery() as nursery:
        await hearing.begin(1)
        await hearing.hear(hearing.format.silence * hearing.format.rate)
        line.messages.extend(varied(interim(name), _TEXT[name], place) for place in range(count))
        nursery.start_soon(hearing.listen)
        await line.over()
        nursery.cancel_scope.cancel()
    heard = [one for one in news if isinstance(one, Heard) and one.text and not one.final]
    assert len(heard) == count, f"{len(heard)} of {count} were heard"
    return (line.ended - line.began) / count


async def _sent(name: str, count: int) -> float:
    line = Connection()
    async with _hearing(name, line, []) as hearing:
        await hearing.begin(1)
        audio = hearing.format.silence * round(hearing.chunk * hearing.format.rate)
        before, begin = line.out, process_time()
        for _ in range(count):
            await hearing.hear(audio)
        took = process_time() - begin
    assert line.out - before >= count
    return took / count


@asynccontextmanager
async def _hearing(name: str, line: Connection, news: list[News]) -> AsyncIterator[StreamedHearing]:
    ear: StreamedEar = made(name)
    yield StreamedHearing(ear._wire(), ear.settings, Socket(ear._pool._dial, line, Closed), news.append)


@cache
def interim(name: str) -> Any:
    """The first recorded message that an open utterance's words so far come of."""
    for message in recorded(_FILES.get(name, name)):
        wire: EarWire[Any] = made(name)._wire()
        wire.begin(1)
        wire.hear(wire.format.silence * wire.format.rate)
        try:
            step = wire.receive(json.dumps(message))
        except ProviderError:
            continue
        if step is not None and any(isinstance(one, Heard) and one.text and not one.final for one in step.news):
            return message
    raise LookupError(f"there are no words among the messages of {name}")


# ---------------------------------------------------------------------------------- ears that are asked


class _Answer:
    """In the place of `Web`: the answer is there at once. `began`: the CPU time at which it was."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.began = 0.0

    async def whole(self, url: str, **request: Any) -> bytes:
        await trio.lowlevel.checkpoint()
        self.began = process_time()
        return self._body


def _body(name: str) -> bytes:
    return json.dumps(recorded(_FILES[name])[0]).encode()


async def _answers(name: str, count: int) -> float:
    ear: RequestEar = made(name, interim=0)
    web: Any = _Answer(_body(name))
    scribe: Any = ear.scribe
    scribe._web = web
    took = 0.0
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            took += await _utterance(RequestHearing(scribe, nursery, lambda _: None)) - web.began
    return took / count


async def request(name: str, count: int, asked: list[httpx.Request] | None = None) -> float:
    """`asked`: gets the requests."""
    ear: RequestEar = made(name, interim=0)
    scribe: Any = ear.scribe
    took = 0.0
    web = answering(scribe._web, "application/json", [_body(name)])
    async with web as requests, trio.open_nursery() as nursery:
        for _ in range(count):
            begin = process_time()
            took += await _utterance(RequestHearing(scribe, nursery, lambda _: None)) - begin
    (asked if asked is not None else []).extend(requests)
    return took / count


async def _utterance(hearing: RequestHearing) -> float:
    """An utterance and its final words; the CPU time at which they are told."""
    told = trio.Event()
    at = 0.0

    def heard(news: News) -> None:
        nonlocal at
        at = process_time()
        assert isinstance(news, Heard)
        assert news.final
        assert news.text
        told.set()

    hearing._told = heard
    await hearing.begin(1)
    await hearing.hear(hearing.format.silence * round(UTTERANCE * hearing.format.rate))
    await hearing.end(1)
    await told.wait()
    return at


async def _collected(name: str, count: int) -> float:
    ear: RequestEar = made(name, interim=0)
    async with ear.open(lambda _: None) as hearing:
        await hearing.begin(1)
        audio = hearing.format.silence * round(hearing.chunk * hearing.format.rate)
        begin = process_time()
        for _ in range(count):
            await hearing.hear(audio)
        return (process_time() - begin) / count
