"""An ear for load tests: it wants no audio and always hears the same words. It costs next to nothing.

All its calls share one timer, so that a call has no task for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from typing import Annotated, Any

import outcome
import trio
from pydantic import Field

from parlance.actors.listener.port import Heard, Told
from parlance.codecs.format import TELEPHONE
from parlance.engine.agent import Strict
from parlance.engine.errors import Unreachable
from parlance.engine.faults import checked

NAME = "rehearsal"


class Settings(Strict):
    text: Annotated[str, Field(max_length=1000)] = "I would like to book an appointment, please."
    delay: Annotated[float, Field(ge=0, le=10)] = 0.05
    """Seconds from the end of the caller's turn to its words."""
    interim: Annotated[float, Field(ge=0, le=10)] = 0.1
    """Seconds from the beginning of an utterance to its first words."""
    words: Annotated[int, Field(ge=0, le=100)] = 2
    """How many words the interim has; 0 for no interim."""
    least: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Seconds from the beginning of an utterance to its end below which it has no words, as a cough has none."""


class Timer:
    """Words to be told at their times, in one task for however many hearings."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, RehearsalHearing, Heard]] = []
        """A heap. The second is a running number: words due at one time are told in the order of their planning."""
        self._count = 0
        self._sooner = trio.Event()
        self.running = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell what is due, until cancelled."""
        self.running = True
        task_status.started()
        try:
            while True:
                while self._due and self._due[0][0] <= trio.current_time():
                    _, _, hearing, heard = heappop(self._due)
                    hearing.tell(heard)
                self._sooner = trio.Event()
                with trio.move_on_at(self._due[0][0] if self._due else float("inf")):
                    await self._sooner.wait()
        finally:
            self.running = False

    def plan(self, delay: float, hearing: RehearsalHearing, heard: Heard) -> None:
        """Tell `heard` in `delay` seconds."""
        self._count += 1
        entry = (trio.current_time() + delay, self._count, hearing, heard)
        heappush(self._due, entry)
        if self._due[0] is entry:
            self._sooner.set()


class RehearsalHearing:
    """One call's ear. `scope` surrounds what uses it."""

    format = TELEPHONE
    chunk = 0.0
    endpoints = False
    provider = NAME

    def __init__(self, settings: Settings, timer: Timer, told: Told, scope: trio.CancelScope) -> None:
        self.fault: outcome.Error | None = None
        """What `told` raised."""
        self._settings, self._timer, self._scope = settings, timer, scope
        self._told: Told | None = told
        """None once it is closed. What the timer still has for it then keeps no call alive."""
        self._interim = " ".join(settings.text.split()[: settings.words])
        self._began = 0.0
        """When the present or last utterance did."""
        self._over = -1
        """The last utterance whose final words were told."""

    async def begin(self, utterance: int) -> None:
        self._began = trio.current_time()
        if self._interim:
            self._plan(self._settings.interim, Heard(utterance, self._interim, final=False))
        await trio.lowlevel.checkpoint()

    async def hear(self, audio: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def end(self, utterance: int) -> None:
        short = trio.current_time() - self._began < self._settings.least
        self._plan(self._settings.delay, Heard(utterance, "" if short else self._settings.text, final=True))
        await trio.lowlevel.checkpoint()

    def tell(self, heard: Heard) -> None:
        """For the timer, which is every call's: what `told` raises is raised where this hearing is open."""
        if self._told is None or heard.utterance <= self._over:
            return
        if heard.final:
            self._over = heard.utterance
        result = outcome.capture(self._told, heard)
        if isinstance(result, outcome.Error):
            self.fault = result
            self.close()
            self._scope.cancel()

    def close(self) -> None:
        self._told = None

    def _plan(self, delay: float, heard: Heard) -> None:
        if not self._timer.running:
            raise Unreachable(NAME, "its timer has stopped")
        self._timer.plan(delay, self, heard)


class RehearsalEar:
    """`run` is the timer of all calls; without it every call has its own."""

    provider = NAME

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._timer = Timer()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the time of all calls until cancelled."""
        await self._timer.run(task_status=task_status)

    @asynccontextmanager
    async def open(self, told: Told) -> AsyncIterator[RehearsalHearing]:
        async with self._running() as timer:
            with trio.CancelScope() as scope:
                hearing = RehearsalHearing(self.settings, timer, told, scope)
                try:
                    yield hearing
                finally:
                    hearing.close()
            if hearing.fault is not None:
                hearing.fault.unwrap()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[Timer]:
        if self._timer.running:
            yield self._timer
            return
        async with trio.open_nursery() as nursery:
            timer = Timer()
            await nursery.start(timer.run)
            yield timer
            nursery.cancel_scope.cancel()


def make(settings: dict[str, Any]) -> RehearsalEar:
    """The ear of an agent's `ear:` settings. Raises `Misconfigured`."""
    return RehearsalEar(checked(Settings, settings, f"ear {NAME}"))
