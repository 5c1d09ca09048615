"""Minds whose way to the service is a list of chunks."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import cache
from time import process_time
from typing import Any

import trio

from bench.cast import NOWHERE, agent
from bench.unplugged.messages import recorded
from parlance.actors.thinker.mind import ModelMinds
from parlance.actors.thinker.port import Line, Token
from parlance.registry import Registry

HISTORY = (Line("agent", "Good morning, this is the clinic."), Line("caller", "I would like an appointment."))
_FILES = {"openai": "chat", "azureopenai": "chat"}
"""The others' have their names."""


class Way:
    """The same chunk for ever, one a task switch."""

    def __init__(self, chunk: bytes) -> None:
        self._chunk = chunk

    @asynccontextmanager
    async def post(self, body: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[bytes]]:
        async with aclosing(self._chunks()) as chunks:
            yield chunks

    async def _chunks(self) -> AsyncGenerator[bytes]:
        while True:
            await trio.lowlevel.checkpoint()
            yield self._chunk

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()


@cache
def made(name: str) -> ModelMinds:
    """The adapter's own, with its wire and its settings."""
    chosen = agent("bench", ("deepgram", name, "deepgram"), NOWHERE)
    found = Registry().one("mind", chosen, 0)
    assert isinstance(found, ModelMinds)
    return found


def event(name: str) -> bytes:
    """The first recorded event that is a token and nothing else."""
    for message in recorded(_FILES.get(name, name)):
        data = json.dumps(message)
        if "error" not in message and [type(thought) for thought in _read(name, data)] == [Token]:
            return f"data: {data}\n\n".encode()
    raise LookupError(f"there is no token among the messages of {name}")


def _read(name: str, data: str) -> list[Any]:
    return list(made(name).wire.reply(lambda: "id").read(data))


def path(name: str) -> str:
    """Where its requests go, of a mind whose way is `Web`."""
    way: Any = made(name).way
    return str(way._url)


async def token(name: str, count: int) -> float:
    real = made(name)
    mind = ModelMinds(real.dial, real.service, real.wire, Way(event(name)))()
    async with mind.think(HISTORY) as thoughts:
        found = [await anext(thoughts)]
        begin = process_time()
        found += [await anext(thoughts) for _ in range(count)]
        took = process_time() - begin
    assert all(isinstance(thought, Token) for thought in found)
    return took / count
