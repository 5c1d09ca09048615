"""Connections of a mind that goes through its vendor's package: open before they are needed, and replaced in time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from parlance.actors.thinker.mind import ModelMinds
from parlance.actors.thinker.openai import make
from parlance.actors.thinker.port import Line, Token
from parlance.engine.agent import Agent

HISTORY = (Line("caller", "are you open"),)
EVENTS = [{"choices": [{"delta": {"content": text}}]} for text in ("We are ", "open.")]
LAST: dict[str, Any] = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
DATA = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in [*EVENTS, LAST]) + b"data: [DONE]\n\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%b" % (len(DATA), DATA)


async def reply(made: ModelMinds) -> str:
    async with made().think(HISTORY) as thoughts:
        return "".join([thought.text async for thought in thoughts if isinstance(thought, Token)])


class Warm:
    """Answers HEAD with nothing and POST with `ANSWER`, and knows what came over which connection."""

    def __init__(self) -> None:
        self.lines: list[list[bytes]] = []
        self.ended = 0
        self.changed = trio.Event()

    async def handle(self, stream: trio.SocketStream) -> None:
        asked: list[bytes] = []
        self.lines.append(asked)
        data = b""
        async with stream:
            while more := await stream.receive_some():
                data += more
                if data.startswith(b"HEAD") and data.endswith(b"\r\n\r\n"):
                    assert b"secret" not in data
                    await stream.send_all(b"HTTP/1.1 421 No\r\ncontent-length: 9\r\n\r\n")
                elif data.endswith(b"}"):
                    await stream.send_all(ANSWER)
                else:
                    continue
                asked.append(data.split()[0])
                data = b""
                self.tell()
        self.ended += 1
        self.tell()

    def tell(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def until(self, connections: int, ended: int = 0) -> None:
        with trio.fail_after(5):
            while sum(map(bool, self.lines)) < connections or self.ended < ended:
                await self.changed.wait()


@asynccontextmanager
async def warm(nursery: trio.Nursery, **settings: Any) -> AsyncIterator[tuple[Warm, ModelMinds]]:
    server = Warm()
    (listener,) = await nursery.start(partial(trio.serve_tcp, server.handle, 0, host="127.0.0.1"))
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/v1"
    made = make({"model": "m", "url": url, **settings}, Agent(name="a"))
    async with trio.open_nursery() as running:
        await running.start(made.run)
        yield server, made
        running.cancel_scope.cancel()


async def test_connections_are_open_before_they_are_needed_and_closed_in_the_end(nursery, monkeypatch):
    monkeypatch.setenv("SHOP_KEY", "sk-secret-1")
    async with warm(nursery, warm=2, key_env="SHOP_KEY") as (server, made):
        await server.until(2)
        for _ in range(3):
            assert await reply(made) == "We are open."
    assert len(server.lines) == 2
    assert sorted(line for lines in server.lines for line in lines) == [b"HEAD"] * 2 + [b"POST"] * 3
    await server.until(2, ended=2)


async def test_connections_are_replaced_at_their_lifetime_but_not_under_a_reply(nursery):
    async with warm(nursery, lifetime=1) as (server, made):
        await server.until(1)
        async with made().think(HISTORY) as thoughts:
            assert await anext(thoughts) == Token("We are ")
            await server.until(2)
            assert not server.ended
            assert await anext(thoughts) == Token("open.")
        await server.until(2, ended=1)
