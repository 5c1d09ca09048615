"""A bare client of the simulated ears, and a judge of whether a message has the shape of those in `tests/wires`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio
from simclient import recorded
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from bench.simulators.conduct import HUGE, Conduct
from bench.simulators.town import PROVIDERS, doors

LOUD, QUIET = b"\x80" * 800, b"\xff" * 800
"""A tenth of a second of mu-law."""


@dataclass
class Town:
    """The providers' ports."""

    conduct: Conduct
    ports: dict[str, int]

    @asynccontextmanager
    async def dial(self, provider: str, path: str, key: str = "k") -> AsyncIterator[Phone]:
        keys, _ = PROVIDERS[provider]
        header, scheme = next(iter(keys.items()))
        headers = [(header.encode(), f"{scheme} {key}".strip().encode())] if key else []
        stream = await trio.open_tcp_stream("127.0.0.1", self.ports[provider])
        try:
            async with trio.open_nursery() as nursery:
                line = await wrap_client_stream(
                    nursery, stream, "127.0.0.1", path, extra_headers=headers, max_message_size=2 * HUGE
                )
                yield Phone(line)
                await line.aclose()
        finally:
            # trio-websocket leaves its stream open where the server has closed first.
            await trio.aclose_forcefully(stream)


async def town(nursery: trio.Nursery) -> Town:
    conduct = Conduct(stt_delay=0.0)
    wanted = {name: door for name, door in doors(conduct).items() if name in ("deepgram", "elevenlabs", "assemblyai")}
    return Town(conduct, {name: await nursery.start(door.serve, 0) for name, door in wanted.items()})


class Phone:
    """One connection."""

    def __init__(self, line: WebSocketConnection) -> None:
        self._line = line

    async def hear(self, *audio: bytes) -> None:
        for chunk in audio:
            await self._line.send_message(chunk)

    async def tell(self, kind: str, **more: Any) -> None:
        await self.text(json.dumps({"type": kind, **more}))

    async def text(self, message: str) -> None:
        await self._line.send_message(message)

    async def told(self) -> str:
        with trio.fail_after(4):
            message = await self._line.get_message()
        assert isinstance(message, str)
        return message

    async def next(self) -> dict[str, Any]:
        message = json.loads(await self.told())
        assert isinstance(message, dict)
        return message

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """The messages up to the first of this kind."""
        messages = [await self.next()]
        while kind not in kinds(messages[-1]):
            messages.append(await self.next())
        return messages

    async def silent(self, seconds: float = 0.1) -> bool:
        """Whether nothing comes."""
        with trio.move_on_after(seconds):
            await self._line.get_message()
            return False
        return True

    async def closed(self) -> int:
        """The code with which it is closed, whatever comes before."""
        with trio.fail_after(4):
            while True:
                try:
                    await self._line.get_message()
                except ConnectionClosed as closed:
                    assert closed.reason is not None
                    return int(closed.reason.code)


def kinds(message: dict[str, Any]) -> set[str]:
    return {str(message[name]) for name in ("type", "message_type", "event") if name in message}


# ------------------------------------------------------------------------------------------------ shapes


def faults(name: str, message: dict[str, Any]) -> list[str]:
    """What the message lacks, or has otherwise than the recorded ones of its kind."""
    kind = message.get("type") or message.get("message_type")
    known = [one for one in recorded(name) if kind in (one.get("type"), one.get("message_type"))]
    return list(_faults(f"{kind}", known, message)) if known else [f"{kind} is not known"]


def _faults(where: str, known: list[Any], value: Any) -> Iterator[str]:
    if not known or value is None:
        return
    if not any(_sort(one) == _sort(value) for one in known):
        yield f"{where} is {_sort(value)}"
    elif isinstance(value, dict):
        for name in set.intersection(*(set(one) for one in known)) - value.keys():
            yield f"{where}.{name} is missing"
        for name, inner in value.items():
            yield from _faults(f"{where}.{name}", [one[name] for one in known if name in one], inner)
    elif isinstance(value, list):
        inside = [inner for one in known for inner in one if inner is not None]
        for inner in value:
            yield from _faults(f"{where}[]", inside, inner)


def _sort(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return type(value).__name__
