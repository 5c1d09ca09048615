"""Ears that hear over a WebSocket: the one driver of all their wires.

It connects, sends, receives in one task, keeps the connection alive, and knows how long words are waited for. What the
messages are is the wire's affair.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from parlance.actors.dial import CLOSING, Dial, Patience, Service
from parlance.actors.listener.port import Heard, Told
from parlance.actors.listener.utterance import unfinished
from parlance.actors.listener.wire import EarWire, Message, Step
from parlance.actors.pool import Pool
from parlance.actors.websocket import Socket, alone
from parlance.engine.errors import Unreachable
from parlance.engine.witness import Failed

ENOUGH = 1.0
"""Seconds of audio of which a service that works has something to say."""

Wire = EarWire[Any]


class StreamService(Service):
    """What all ears that stream have. `idle` is for audio to which nothing is said."""

    final: Patience = 1.0
    """Seconds from asking for the final words until those that came so far count as final."""


class StreamedHearing:
    """One call's ear."""

    def __init__(self, wire: Wire, settings: StreamService, line: Socket, told: Told) -> None:
        self.format, self.chunk, self.endpoints, self.provider = wire.format, wire.chunk, wire.endpoints, wire.name
        self._wire, self._settings, self._line, self._told = wire, settings, line, told
        self._sent = 0
        """Bytes of the caller's audio."""
        self._begun: dict[int, tuple[int, float]] = {}
        """The utterances that have not ended: the bytes sent before each, and when it began."""
        self._due: dict[int, float] = {}
        """Until when the final words of an utterance are waited for."""
        self._owed: dict[int, float] = {}
        """Of those that were long enough to be heard, when they began."""
        self._unheard = 0
        """To how many of those, one after the other, nothing was said."""
        self._spoke = trio.current_time()
        """When we sent something last."""
        self._unanswered: float | None = None
        """Since when audio has been sent to which nothing was said."""
        self._heard = -math.inf
        """When the service said something of the audio last."""
        self._wait = trio.CancelScope()

    async def begin(self, utterance: int) -> None:
        self._begun[utterance] = self._sent, trio.current_time()
        self._unanswered = None
        await self._do(self._wire.begin(utterance))

    async def hear(self, audio: bytes) -> None:
        self._sent += len(audio)
        self._spoke = trio.current_time()
        if self._unanswered is None:
            self._unanswered = self._spoke
        await self._do(self._wire.hear(audio))

    async def end(self, utterance: int) -> None:
        # The service may have ended it before; its wire knows whether there is anything to be sent then.
        before, began = self._begun.pop(utterance, (-1, 0.0))
        if before == self._sent:
            await self._do(self._wire.give_up(utterance))
            return
        if before >= 0:
            self._due[utterance] = trio.current_time() + self._settings.final
            if self._sent - before >= ENOUGH * self.format.second:
                self._owed[utterance] = began
        await self._do(self._wire.end(utterance))

    async def leave(self) -> None:
        """Say goodbye, if there is time for it."""
        with trio.move_on_after(CLOSING):
            await self._send(self._wire.bye().send)

    async def listen(self) -> None:
        """Tell what is heard, until cancelled, and keep the connection alive. One task, that waits for what is next."""
        while True:
            message = None
            with trio.CancelScope(deadline=self._next()) as self._wait:
                message = await self._line.receive()
            if message is None:
                await self._late()
            elif (step := self._wire.receive(message)) is not None:
                self._unanswered, self._heard = None, trio.current_time()
                self._unheard = 0
                await self._do(step)

    async def _do(self, step: Step) -> None:
        """Tell first: who listens waits for no socket."""
        for news in step.news:
            if isinstance(news, Heard) and news.final:
                self._settle(news.utterance)
            self._told(news)
        self._wait.deadline = min(self._wait.deadline, self._next())
        await self._send(step.send)

    async def _send(self, messages: Sequence[Message]) -> None:
        if not messages:
            await trio.lowlevel.checkpoint()
        for message in messages:
            self._spoke = trio.current_time()
            await self._line.send(message)

    def _next(self) -> float:
        """When something is to be done if nothing comes."""
        return min(self._spoke + self._wire.patience, self._stalled(), *self._due.values())

    def _stalled(self) -> float:
        """When the service has said nothing to an open utterance's audio for too long."""
        return math.inf if self._unanswered is None or not self._begun else self._unanswered + self._settings.idle

    async def _late(self) -> None:
        """Something is due that did not come."""
        now = trio.current_time()
        for utterance in [utterance for utterance, at in self._due.items() if at <= now]:
            self._missed(utterance)
            self._settle(utterance)
            step = self._wire.give_up(utterance)
            if any(isinstance(news, Heard) and news.text for news in step.news):
                self._told(Failed(self.provider, unfinished(self.provider, self._settings.final)))
            await self._do(step)
        if now >= self._stalled():
            self._unanswered = now
            begun = min(began for _, began in self._begun.values())
            self._doubt(f"has said nothing to {self._settings.idle:g} s of audio", sure=self._heard >= begun)
        if now >= self._spoke + self._wire.patience:
            self._spoke = now
            await self._do(self._wire.alive())

    def _missed(self, utterance: int) -> None:
        """Raises `Unreachable` if a service that works would have said something to it."""
        if self._heard >= self._owed.get(utterance, -math.inf):
            return
        self._doubt(f"no words within {self._settings.final:g} s of the end of the turn")

    def _doubt(self, what: str, *, sure: bool = False) -> None:
        """A service that has nothing to say of noise is believed once that it was noise. `sure`: it was none. Raises
        `Unreachable` when it is not believed any more.
        """
        self._unheard += 1
        if sure or self._unheard >= self._wire.gone_after:
            raise Unreachable(self.provider, what)

    def _settle(self, utterance: int) -> None:
        self._begun.pop(utterance, None)
        self._due.pop(utterance, None)
        self._owed.pop(utterance, None)


class StreamedEar:
    """A provider's ear. `wire` makes the protocol of a new connection; `keep`, sent every `every` seconds, is what
    keeps one alive that no call has yet, where that is possible.
    """

    def __init__(
        self,
        dial: Dial,
        settings: StreamService,
        url: str,
        wire: Callable[[], Wire],
        *,
        keep: Message | None = None,
        every: float = math.inf,
    ) -> None:
        self.provider, self.settings = dial.name, settings
        # Where it is missing, that is told now, and not in a call.
        dial.library("trio_websocket")
        self._wire = wire
        self._pool = Pool(dial, url, keep=keep, every=every)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connections open for the calls to come, until cancelled."""
        await self._pool.run(task_status=task_status)

    @asynccontextmanager
    async def open(self, told: Told) -> AsyncIterator[StreamedHearing]:
        """A connection for one call."""
        with alone():
            async with self._pool.take() as line:
                hearing = StreamedHearing(self._wire(), self.settings, line, told)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(hearing.listen)
                    yield hearing
                    nursery.cancel_scope.cancel()
                await hearing.leave()
