"""The one driver of voices over WebSockets: a connection from the pool for each reply, its deadlines, and its end.

A reply has a task that owns its connection and reads from it whatever comes, so that the provider's pings are answered
and its silence is noticed even while the caller still hears what came before.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import Annotated
from weakref import WeakKeyDictionary

import trio
from pydantic import Field

from parlance.actors.dial import CLOSING, Dial, Patience, Service
from parlance.actors.pool import Pool
from parlance.actors.speaker.port import Sound, Times
from parlance.actors.speaker.spoken import sayable
from parlance.actors.speaker.wire import Closed, Message, Piece, VoiceWire
from parlance.actors.websocket import Socket, alone
from parlance.engine.errors import Garbled, ProviderError, Unreachable

TRIES = 3
"""Connections that are tried for a phrase, where each was closed before it was used."""


class StreamService(Service):
    """The settings that all voices over WebSockets have."""

    first: Patience = 3.0
    """Seconds from a phrase to its first audio, on a connection that is open."""
    idle: Patience = 3.0
    """Seconds between two pieces of the audio."""
    total: Annotated[float, Field(gt=0, le=600)] = 60.0
    """Seconds from a phrase to the last of its audio."""


class StreamVoice:
    """A voice of one provider. `wire` makes the protocol of a new connection."""

    def __init__(self, dial: Dial, service: StreamService, url: str, wire: Callable[[], VoiceWire]) -> None:
        self.provider, self.settings = dial.name, service
        # Where it is missing, that is told now, and not in a call.
        dial.library("trio_websocket")
        self._dial, self._make = dial, wire
        self._pool = Pool(dial, url)
        self._wires: WeakKeyDictionary[Socket, VoiceWire] = WeakKeyDictionary()
        """What is still to be known of a connection when the next reply gets it."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connections open that are not needed yet, and close them when cancelled."""
        await self._pool.run(task_status=task_status)

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[StreamReply]:
        with alone():
            async with trio.open_nursery() as nursery:
                reply = StreamReply(self._line, nursery)
                try:
                    yield reply
                finally:
                    await reply.leave()
                    nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[_Line]:
        async with self._pool.lend() as socket:
            wire = self._wires.setdefault(socket, self._make())
            yield _Line(self._dial, self.settings, socket, wire)


class StreamReply:
    """A reply: phrases on one connection, one after another."""

    def __init__(self, lines: Callable[[], AbstractAsyncContextManager[_Line]], nursery: trio.Nursery) -> None:
        self._lines, self._nursery = lines, nursery
        self._line: _Line | None = None

    @asynccontextmanager
    async def speak(self, text: str) -> AsyncIterator[AsyncIterator[Sound]]:
        async with aclosing(self._sounds(text)) as sounds:
            try:
                yield sounds
            finally:
                if self._line is not None and self._line.busy:
                    await self.leave()

    async def _sounds(self, text: str) -> AsyncGenerator[Sound]:
        if not sayable(text):
            return
        line, piece = await self._begin(text)
        some = False
        held: Times = ()
        while True:
            some = some or bool(piece.audio)
            if some:
                yield Sound(piece.audio, line.wire.format, held + piece.times)
            # Whoever hears this takes its first piece for the first audio.
            held = () if some else held + piece.times
            if piece.done:
                break
            piece = await line.next()
        if not some:
            raise Garbled(line.name, "sent no audio at all")

    async def _begin(self, text: str) -> tuple[_Line, Piece]:
        """The first piece of a phrase, on this reply's connection or, if that was closed meanwhile, on another."""
        if self._line is not None and self._line.failed:
            await self.leave()
        tries = 0
        while True:
            tries += 1
            line = self._line or await self._connect()
            try:
                await line.say(text)
                return line, await line.next()
            except ProviderError:
                await self.leave()
                if tries == TRIES or not line.closed:
                    raise

    async def _connect(self) -> _Line:
        line: _Line = await self._nursery.start(self._own)
        return line

    async def _own(self, *, task_status: trio.TaskStatus[_Line]) -> None:
        """Have a connection until `leave`. Once it is there, only that ends it: what is cancelled says so first."""
        with trio.CancelScope() as scope:
            async with self._lines() as line:
                # Whoever was cancelled while he waited for it does not get it, and would never call `leave`.
                await trio.lowlevel.checkpoint_if_cancelled()
                scope.shield, self._line = True, line
                task_status.started(line)
                await line.read()
                scope.shield = line.rest

    async def leave(self) -> None:
        """Give the connection back, if it can be used again, or close it."""
        line, self._line = self._line, None
        if line is not None:
            await line.leave()


class _Line:
    """A connection while one reply has it."""

    def __init__(self, dial: Dial, service: StreamService, socket: Socket, wire: VoiceWire) -> None:
        self.name, self.wire = dial.name, wire
        self._dial, self._service, self._socket = dial, service, socket
        self._put, self._get = trio.open_memory_channel[Piece | ProviderError](math.inf)
        self._reading, self._wait = trio.CancelScope(), trio.CancelScope()
        self.busy = False
        """Whether a phrase is being spoken, as far as its hearer knows."""
        self.closed = False
        """Whether the provider ended the connection before it gave anything of the phrase."""
        self.rest = False
        """Whether it is given back, and not closed."""
        self.failed = False
        """Whether nothing more can come of it."""
        self._given = False
        self._due = self._whole = self._heard = math.inf
        self._late = ""

    async def say(self, text: str) -> None:
        now, first = trio.current_time(), self._service.first
        self.busy, self._given = True, False
        messages = self.wire.say(text, now)
        self._due, self._late = now + first, f"no audio within {first:g} s"
        self._whole = now + self._service.total
        self._wait.deadline = min(self._wait.deadline, self._next())
        try:
            await self._send(messages)
        except ProviderError:
            self.closed = trio.current_time() < self._due
            raise

    async def next(self) -> Piece:
        """The next piece of the phrase. Raises what the connection failed with."""
        piece = await self._get.receive()
        if isinstance(piece, ProviderError):
            raise piece
        self.busy = not piece.done
        return piece

    async def leave(self) -> None:
        """Say goodbye to the reply, now; then the connection is another's."""
        now = trio.current_time()
        messages = self.wire.abort() if self.busy else self.wire.finish(now)
        self.busy = False
        with trio.move_on_after(CLOSING, shield=True), suppress(ProviderError):
            if not self.failed and not self._socket.cut:
                await self._send(messages)
                self.rest = self._socket.rest = self.wire.reusable(now) and not self.failed
        self._reading.cancel()

    async def read(self) -> None:
        """Take what comes, until `leave`."""
        with self._reading:
            try:
                while True:
                    await self._step()
            except ProviderError as error:
                self.failed = True
                self._put.send_nowait(error)

    async def _step(self) -> None:
        message: Message | None = None
        with trio.CancelScope(deadline=self._next()) as self._wait:
            try:
                message = await self._socket.receive()
            except Unreachable:
                self.closed = not self._given
                raise
        if message is None:
            await self._passed()
            return
        now = trio.current_time()
        self._heard = now
        try:
            piece = self.wire.receive(message, now)
        except Closed:
            self.closed = not self._given
            raise
        if piece is not None:
            self._take(piece, now)

    def _take(self, piece: Piece, now: float) -> None:
        if piece.audio:
            idle = self._service.idle
            self._given, self._due, self._late = True, now + idle, f"no more audio within {idle:g} s"
        if piece.done:
            self._given, self._due, self._whole = False, math.inf, math.inf
        self._put.send_nowait(piece)

    def _next(self) -> float:
        """When something is to be done if nothing comes."""
        return min(self._due, self._whole, self._heard + self.wire.quiet())

    async def _passed(self) -> None:
        now = trio.current_time()
        if now >= self._due:
            raise Unreachable(self.name, self._late)
        if now >= self._whole:
            raise Unreachable(self.name, f"a phrase that is not whole within {self._service.total:g} s")
        if now >= self._heard + self.wire.quiet():
            await self._send(self.wire.settle())

    async def _send(self, messages: list[Message]) -> None:
        for message in messages:
            await self._socket.send(message)
