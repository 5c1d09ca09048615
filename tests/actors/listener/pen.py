"""What a listener's tests stand on: an ear that writes down what it is told, a call that does, and time that passes.

Frames are numbered, so that a lost or doubled one is seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from parlance.actors.listener.actor import ListenerActor
from parlance.actors.listener.endpoint import Endpoint
from parlance.actors.listener.port import Heard, News, Told
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine import trace as t
from parlance.engine.effort import Usage
from parlance.engine.errors import ParlanceError, Unreachable

FRAME = TELEPHONE.frame
BEAT = 0.02
DELAY = 0.665
"""Seconds after which an unknown caller's turn has ended."""


def frame(number: int) -> bytes:
    return number.to_bytes(2, "big") * (FRAME // 2)


def numbers(audio: bytes) -> list[int]:
    """Which frames these are."""
    return [int.from_bytes(audio[at : at + 2], "big") for at in range(0, len(audio), FRAME)]


class Pen:
    """An ear and its hearing. `log`: ("begin", 1), ("audio", [frame numbers]), ("end", 1), in order."""

    def __init__(self, *, chunk: float = 0.1, wants: Format = TELEPHONE) -> None:
        self.format = wants
        self.chunk = chunk
        self.endpoints = False
        self.provider = "pen"
        self.log: list[tuple[str, Any]] = []
        self.opened = 0
        self.busy = 0.0
        """Seconds that each call of it takes."""
        self.breaks: str = ""
        """What it is to fail at next, once."""

    @asynccontextmanager
    async def open(self, told: Told) -> AsyncIterator[Pen]:
        self.opened += 1
        self._told = told
        with trio.CancelScope() as self._scope:
            yield self

    async def begin(self, utterance: int) -> None:
        await self._write("begin", utterance)

    async def hear(self, audio: bytes) -> None:
        await self._write("audio", numbers(audio) if self.format == TELEPHONE else audio)

    async def end(self, utterance: int) -> None:
        await self._write("end", utterance)

    async def _write(self, verb: str, what: Any) -> None:
        self.log.append((verb, what))
        await trio.sleep(self.busy)
        if self.breaks and self.breaks in (verb, "anything"):
            self.breaks = ""
            raise Unreachable("pen", "it is empty")

    def say(self, utterance: int, text: str, *, final: bool = True) -> None:
        self._told(Heard(utterance, text, final))

    def tell(self, news: News) -> None:
        self._told(news)

    def stop(self) -> None:
        """Listen no more, and give no reason."""
        self._scope.cancel()

    def frames(self, since: int = 0, until: int | None = None) -> list[int]:
        return [number for verb, what in self.log[since:until] if verb == "audio" for number in what]

    def verbs(self) -> list[tuple[str, Any]]:
        return [entry for entry in self.log if entry[0] != "audio"]


class Desk:
    """A call that writes down what it is told, on Trio's clock."""

    reason = ""

    def __init__(self) -> None:
        self.start = trio.current_time()
        self.usage = Usage()
        self.told: list[Any] = []

    def clock(self) -> float:
        return trio.current_time() - self.start

    def foreseen(self, text: str) -> None:
        self.told.append(("foreseen", text))

    def resumed(self) -> None:
        self.told.append("resumed")

    def note(self, event: t.TraceEvent) -> None:
        self.told.append(event)

    def words(self, text: str, utterance: int) -> None:
        self.told.append(("words", utterance, text))

    def said(self, text: str, utterance: int, *, stopped: float, decided: float) -> None:
        self.told.append(("said", utterance, text))
        self.times = (round(stopped, 3), round(decided, 3), round(self.clock(), 3))

    def unheard(self, utterance: int, *, seconds: float) -> None:
        self.told.append(("unheard", utterance, round(seconds, 3)))

    def happen(self, event: object) -> None:
        raise AssertionError("the listener decides nothing")

    voice_began = voice_ended = first_frame = act = happen


class Room:
    """A listener, its ear and its call; `pass_time` is the metronome and the line."""

    def __init__(
        self,
        pen: Pen,
        *,
        line: Format = TELEPHONE,
        limit: float = 3.0,
        pauses: tuple[float, float] = (0.35, 1.4),
    ) -> None:
        self.pen, self.desk = pen, Desk()
        self.listener = ListenerActor(pen, line, self.desk, Endpoint(*pauses), transcript=limit)  # type: ignore[arg-type]
        self.next = 0
        self.failed: list[ParlanceError] = []

    async def live(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """As the supervisor does it: one life after another."""
        while True:
            try:
                await self.listener.run(task_status=task_status)
            except* ParlanceError as errors:
                self.failed.extend(errors.exceptions)  # type: ignore[arg-type]
            else:
                raise AssertionError("a listener must not end")
            task_status = trio.TASK_STATUS_IGNORED

    async def pass_time(self, seconds: float) -> None:
        """A frame and a tick every 20 ms."""
        for _ in range(round(seconds / BEAT)):
            await trio.sleep(BEAT)
            self.listener.feed(frame(self.next))
            self.next += 1
            self.listener.tick(self.desk.clock())

    def began(self) -> None:
        """The gate's verdict, three frames after the first voiced one."""
        self.listener.began(self.desk.clock() - 3 * BEAT)

    def ended(self) -> None:
        """The gate's verdict, ten frames after the last voiced one."""
        self.listener.ended(self.desk.clock() - 10 * BEAT)

    async def utter(self, seconds: float) -> None:
        """Somebody speaks for so long, until the end of the turn was decided."""
        await self.pass_time(3 * BEAT)
        self.began()
        await self.pass_time(seconds + 7 * BEAT)
        self.ended()
        while self.listener._open is not None:
            await self.pass_time(BEAT)
        await trio.sleep(BEAT / 2)


@asynccontextmanager
async def room(pen: Pen, **options: Any) -> AsyncIterator[Room]:
    house = Room(pen, **options)
    async with trio.open_nursery() as nursery:
        await nursery.start(house.live)
        yield house
        nursery.cancel_scope.cancel()
