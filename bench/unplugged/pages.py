"""HTTP answers that are there at once: `Web` with a transport in memory, in the place of its connections."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import trio

from parlance.actors.web import Web, _Client


class _Body(httpx.AsyncByteStream):
    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        for chunk in self._chunks:
            await trio.lowlevel.checkpoint()
            yield chunk


class _Memory(httpx.AsyncBaseTransport):
    """The same answer to everything. `asked`: what was asked."""

    def __init__(self, kind: str, chunks: Sequence[bytes]) -> None:
        self._kind, self._chunks = kind, chunks
        self.asked: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        await trio.lowlevel.checkpoint()
        return httpx.Response(200, headers={"content-type": self._kind}, stream=_Body(self._chunks))


@asynccontextmanager
async def answering(web: Web, kind: str, chunks: Sequence[bytes]) -> AsyncIterator[list[httpx.Request]]:
    """All answers are of this content type and have these chunks. Gives the requests, as they come."""
    memory = _Memory(kind, chunks)
    async with httpx.AsyncClient(transport=memory, timeout=None, trust_env=False) as client:
        web._idle.append(_Client(client, math.inf))
        try:
            yield memory.asked
        finally:
            web._idle.clear()
