"""A server on loopback that speaks, or spoils, the stream of chat completions, and the openai mind that asks it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trio

from parlance.actors.thinker.mind import ModelMinds
from parlance.actors.thinker.openai import make
from parlance.actors.thinker.port import Line, Spent, Token
from parlance.engine.agent import Agent

HISTORY = (Line("agent", "Hello."), Line("caller", "are you open"))
Stream = trio.SocketStream
Answer = Callable[[Stream], Awaitable[None]]


@dataclass
class Server:
    """Reads one request after another of each connection and lets `answer` write whatever it likes."""

    answer: Answer
    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    gone: trio.Event = field(default_factory=trio.Event)

    async def handle(self, stream: Stream) -> None:
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    more = await stream.receive_some()
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                while len(data) < length:
                    data += await stream.receive_some()
                self.headers.append(head)
                self.requests.append(json.loads(data[:length]))
                data = data[length:]
                await self.answer(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.gone.set()
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    server = Server(answer)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, server.handle, 0, host="127.0.0.1"))
        server.port = listeners[0].socket.getsockname()[1]
        yield server
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def minds(port: int, **settings: Any) -> AsyncIterator[ModelMinds]:
    made = make(
        {"model": "m", "base_url": f"http://127.0.0.1:{port}/v1", "first": 3, "idle": 3, "warm": 0, **settings},
        Agent(name="a", prompt="Be brief."),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        yield made
        nursery.cancel_scope.cancel()


def event(content: str | None = None, finish: str | None = None, **delta: Any) -> bytes:
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "1", "choices": [choice]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
WHOLE = event("", role="assistant") + event("We are ") + event("open \u00fc.") + event(finish="stop") + DONE
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def sends(*pieces: bytes) -> Answer:
    async def answer(stream: Stream) -> None:
        await stream.send_all(HEAD + b"".join(chunk(piece) for piece in pieces if piece) + b"0\r\n\r\n")

    return answer


def refuses(status: int, body: bytes = b'{"error":{"message":"because"}}') -> Answer:
    async def answer(stream: Stream) -> None:
        head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        await stream.send_all(head + body)

    return answer


async def reply(made: ModelMinds) -> str:
    text = ""
    async with made().think(HISTORY) as thoughts:
        async for thought in thoughts:
            assert isinstance(thought, Token | Spent)
            text += thought.text if isinstance(thought, Token) else ""
    return text
