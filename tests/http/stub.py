"""The real page behind a real server, and at the other end of its socket the test itself.

The socket speaks through the real `Browser` wire, so that page and wire are tested against each other; what is said,
and when, is the test's.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypercorn.trio
import numpy as np
import trio
from chromium import Page, chromium
from hypercorn.config import Config

from parlance.actors.media.browser import Browser
from parlance.actors.media.port import Marked, Message, Stopped
from parlance.engine.agent import Agent
from parlance.engine.trace import TraceEvent
from parlance.http.app import View, create

AGENTS = (
    Agent(
        name="receptionist",
        title="Receptionist",
        greeting="Good morning, Lakeside Clinic. How can I help you?",
    ),
    Agent(name="sales", title="Sales", greeting="Thank you for calling. What can I do for you?"),
    Agent(name="callcenter", title="Technical support", greeting="Support here. What is the matter?"),
)


# What the page says in its notice, and of who has the floor.
NOTICE = "document.getElementById('notice').hidden ? '' : document.getElementById('notice').innerText"
FLOOR = "document.getElementById('holder').textContent"


@dataclass
class Line:
    """One page's call, at the server's end."""

    agent: str
    send: Any
    wire: Browser
    heard: bytearray = field(default_factory=bytearray)
    marks: list[tuple[str, float]] = field(default_factory=list)
    """The echoes that came, each with its time."""
    stopped: trio.Event = field(default_factory=trio.Event)
    gone: trio.Event = field(default_factory=trio.Event)
    changed: trio.Event = field(default_factory=trio.Event)

    async def say(self, *messages: Message | None) -> None:
        for message in messages:
            assert isinstance(message, str)
            await self.send({"type": "websocket.send", "text": message})

    async def tell(self, *events: TraceEvent) -> None:
        for event in events:
            await self.say(*self.wire.announce(event))

    async def play(self, audio: bytes) -> None:
        for start in range(0, len(audio), 1280):
            await self.say(self.wire.audio(audio[start : start + 1280]))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.send({"type": "websocket.close", "code": code, "reason": reason})

    async def until_heard(self, seconds: float) -> np.ndarray[Any, np.dtype[np.int16]]:
        """The caller's first `seconds` of audio."""
        while len(self.heard) < seconds * self.wire.format.second:
            await self.changed.wait()
        return np.frombuffer(bytes(self.heard), np.int16)

    async def until_mark(self, name: str) -> float:
        """When the echo of mark `name` came."""
        while name not in dict(self.marks):
            await self.changed.wait()
        return dict(self.marks)[name]

    async def serve(self, receive: Any) -> None:
        while (event := await receive())["type"] == "websocket.receive":
            match self.wire.receive(event["text"]):
                case bytes(audio):
                    self.heard += audio
                case Marked(name):
                    self.marks.append((name, trio.current_time()))
                case Stopped():
                    self.stopped.set()
                    await self.close()
            self.changed.set()
            self.changed = trio.Event()
        self.gone.set()


FORBIDDEN = 403
"""As `Stub.refuse`: the handshake itself is answered with this HTTP status."""


@dataclass
class Stub:
    """`port` serves the page; `answer()` takes the next call. A call that finds `refuse` set is closed with it."""

    port: int = 0
    refuse: int = 0
    silent: bool = False

    def __post_init__(self) -> None:
        self.ringing, self.calls = trio.open_memory_channel[Line](10)
        self.pages = create(View({agent.name: agent for agent in AGENTS}, lambda: None, dict))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def answer(self) -> Line:
        """The next call, once it has been connected."""
        with trio.fail_after(15):
            line = await self.calls.receive()
        if not self.silent:
            await line.say(*line.wire.hello("c1", line.agent))
        return line

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await self.pages(scope, receive, send)
            return
        await receive()
        assert b"format=pcm16" in scope["query_string"].split(b"&")
        if self.refuse != FORBIDDEN:
            await send({"type": "websocket.accept"})
        if self.refuse:
            await send({"type": "websocket.close", "code": self.refuse})
            return
        name = scope["path"].removeprefix("/ws/voice-agent/")
        line = Line(name, send, Browser(name))
        await self.ringing.send(line)
        await line.serve(receive)


@asynccontextmanager
async def served() -> AsyncIterator[Stub]:
    """A stub on a free port of the loopback."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.graceful_timeout = 0.1
    config.errorlog = None
    stub = Stub()
    async with trio.open_nursery() as nursery:
        binds = await nursery.start(
            lambda task_status: hypercorn.trio.serve(stub, config, mode="asgi", task_status=task_status)
        )
        stub.port = int(binds[0].rsplit(":", 1)[1])
        yield stub
        nursery.cancel_scope.cancel()


def tone(seconds: float, *, hertz: float = 440.0, level: float = 0.25, rate: int = 16000) -> bytes:
    """A sine as PCM16."""
    at = np.arange(int(seconds * rate)) * (2 * math.pi * hertz / rate)
    return (np.sin(at) * level * 32767).astype("<i2").tobytes()


def voice(seconds: float, *, rate: int = 16000) -> bytes:
    """Something a noise suppressor takes for a voice: a buzz of 130 Hz with formants, in syllables, as PCM16."""
    at = np.arange(int(seconds * rate)) / rate
    pitch = 130 * (1 + 0.08 * np.sin(2 * math.pi * 0.7 * at))
    phase = 2 * math.pi * np.cumsum(pitch) / rate
    formants = ((500, 1.0), (1500, 0.5), (2500, 0.25))
    buzz = sum(
        sum(weight / (1 + ((harmonic * 130 - center) / 180) ** 2) for center, weight in formants)
        * np.sin(harmonic * phase)
        for harmonic in range(1, 28)
    )
    syllables = np.clip(np.sin(2 * math.pi * 2.1 * at) * 1.6, 0, 1) * (0.75 + 0.25 * np.sin(2 * math.pi * 0.43 * at))
    spoken = buzz * syllables
    return (spoken / np.abs(spoken).max() * 0.5 * 32767).astype("<i2").tobytes()


@asynccontextmanager
async def visited(script: str = "", microphone: Path | None = None) -> AsyncIterator[tuple[Page, Stub]]:
    """The page, ready to call. `script` runs before its own."""
    with trio.fail_after(90):
        async with served() as stub, chromium(microphone=microphone) as page:
            await page.before_load(script)
            await page.open(stub.address)
            await page.wait_for("!document.getElementById('call').disabled")
            yield page, stub


async def called(page: Page, stub: Stub) -> Line:
    """A call that has been answered."""
    await page.click("#call")
    line = await stub.answer()
    await page.wait_for("document.body.dataset.stage == 'talking'")
    return line
