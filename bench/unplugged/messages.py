"""Messages of providers, of the shapes in `tests/wires/`, and connections that have nothing else."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from time import process_time
from typing import Any

import trio

WIRES = Path(__file__).parents[2] / "tests" / "wires"


@cache
def _lines(name: str) -> tuple[str, ...]:
    return tuple((WIRES / f"{name}.jsonl").read_text("utf-8").splitlines())


def recorded(name: str) -> list[Any]:
    """What the server says, in the file of that name."""
    lines = map(json.loads, _lines(name))
    return [line["message"] for line in lines if line["from"] == "server"]


def varied(message: Any, where: Sequence[str | int], place: int) -> str:
    """The message as text, with another last word in the text that it has at `where`."""
    copy = json.loads(json.dumps(message))
    inner = copy
    for step in where[:-1]:
        inner = inner[step]
    words = str(inner[where[-1]]).split()
    inner[where[-1]] = " ".join([*words[:-1], f"{words[-1]}{place}"])
    return json.dumps(copy)


class Closed(Exception):
    """What the WebSocket library would raise when the connection ends."""


class Connection:
    """A WebSocket as `trio-websocket` has one: it gives out `messages`, one a task switch, and then no more.

    `sent`: told of each message that goes out; it may add messages.
    """

    def __init__(self, messages: Iterable[str | bytes] = (), sent: Callable[[str | bytes], None] | None = None) -> None:
        self.messages = deque(messages)
        self.began = 0.0
        """The CPU time at which the first message was given out."""
        self.ended = 0.0
        """The CPU time at which there was none any more, and one was wanted."""
        self.out = 0
        self._sent = sent
        self._over = trio.Event()
        self._some = trio.Event()

    async def get_message(self) -> str | bytes:
        if not self.messages and self.began:
            self.ended = process_time()
            self._over.set()
        while not self.messages:
            self._some = trio.Event()
            await self._some.wait()
        self.began = self.began or process_time()
        await trio.lowlevel.checkpoint()
        return self.messages.popleft()

    async def send_message(self, message: str | bytes) -> None:
        self.out += 1
        if self._sent is not None:
            self._sent(message)
            self._some.set()
        await trio.lowlevel.checkpoint()

    async def over(self) -> None:
        """Until all messages were taken and worked on."""
        await self._over.wait()
