"""A bare client of the simulated voices."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from bench.simulators import speak
from bench.simulators.conduct import HUGE, Conduct
from bench.simulators.town import doors
from parlance.codecs.format import TELEPHONE


class Client:
    def __init__(self, conduct: Conduct, port: int, header: dict[str, str]) -> None:
        self.conduct, self.port, self.header = conduct, port, header

    @asynccontextmanager
    async def socket(self, path: str, **headers: str) -> AsyncIterator[WebSocketConnection]:
        extra = [(name.encode(), value.encode()) for name, value in (self.header | headers).items()]
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        try:
            async with trio.open_nursery() as nursery:
                yield await wrap_client_stream(
                    nursery, stream, "127.0.0.1", path, extra_headers=extra, max_message_size=2 * HUGE
                )
                nursery.cancel_scope.cancel()
        finally:
            await trio.aclose_forcefully(stream)

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=4, verify=False) as client:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            return await client.post(path, content=content, headers=self.header | headers)

    async def got(self, path: str, body: Any, seconds: float) -> bytes:
        """What has come of an answer after so long."""
        body_so_far = b""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=None, verify=False) as client:
            with trio.move_on_after(seconds):
                async with client.stream("POST", path, json=body, headers=self.header) as response:
                    async for chunk in response.aiter_raw():
                        body_so_far += chunk
                raise AssertionError("the answer has ended")
        return body_so_far


async def start(nursery: trio.Nursery, name: str, header: dict[str, str], **conduct: Any) -> Client:
    """The simulated provider of that name, quick and without delays, and a client of it."""
    known = Conduct(tts_delay=0.0, tts_pace=100.0, **conduct)
    return Client(known, await nursery.start(doors(known)[name].serve, 0), header)


def spoken(text: str) -> bytes:
    """All of its audio, as a telephone has it."""
    return b"".join(speak.audio(text, TELEPHONE))


async def tell(socket: WebSocketConnection, **message: Any) -> None:
    await socket.send_message(json.dumps(message))


async def until(socket: WebSocketConnection, wanted: Callable[[dict[str, Any]], Any]) -> list[dict[str, Any]]:
    """All messages up to the first that is wanted."""
    told = []
    with trio.fail_after(4):
        while True:
            told.append(json.loads(await socket.get_message()))
            if wanted(told[-1]):
                return told


async def silence(socket: WebSocketConnection, seconds: float) -> bool:
    """Nothing comes for so long."""
    with trio.move_on_after(seconds):
        await socket.get_message()
        return False
    return True


async def closed(socket: WebSocketConnection) -> int | None:
    """The code with which the other side closes, whatever it says before; None: without a goodbye."""
    with trio.fail_after(4):
        try:
            while True:
                await socket.get_message()
        except ConnectionClosed as gone:
            code: int | None = gone.reason.code if gone.reason else None
            return None if code == 1006 else code
