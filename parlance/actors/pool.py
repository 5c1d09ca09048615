"""WebSockets that are open before they are needed, and those that one reply after another uses.

A connection lives in a task of the pool's own nursery, so that its users can come and go. Whatever happens to one that
nobody uses is silent: another is opened, after a pause that grows.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import trio

from parlance.actors.dial import Dial
from parlance.actors.warmth import Warmth
from parlance.actors.websocket import Socket, socket
from parlance.engine.errors import ProviderError

UNREAD = 100
"""Messages to nobody: a connection that has had as many is closed."""
YOUNG = 5.0
"""Seconds: a connection that ends before, though nobody has used it, is not replaced at once."""


@dataclass(slots=True, eq=False)
class _Kept:
    """An open connection. While nobody uses it, it waits in `waiting` for what happens first."""

    line: Socket
    opened: float
    ends: float
    taken: bool = False
    over: bool = False
    waiting: trio.CancelScope = field(default_factory=trio.CancelScope)
    free: trio.Event = field(default_factory=trio.Event)
    """Set when its task has let go of it."""
    left: trio.Event = field(default_factory=trio.Event)
    """Set when its user has left it."""
    again: bool = False
    """Whether the user has left it so that another can use it."""


class Pool:
    """One provider's connections to `url`. `keep`: what keeps an idle one alive, sent every `every` seconds."""

    def __init__(self, dial: Dial, url: str, *, keep: str | bytes | None = None, every: float = math.inf) -> None:
        self._dial, self._url, self._keep, self._every = dial, url, keep, every
        self._idle: list[_Kept] = []
        """The one that was used last is at the end, and is taken first."""
        self._warmth = Warmth(dial.service.lifetime)
        self._changed = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._not_before = -math.inf
        """When the next one may be opened that nobody has asked for."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep `warm` connections open that nobody uses, until cancelled; then all are closed, used or not."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                task_status.started()
                while True:
                    self._changed = trio.Event()
                    with trio.move_on_at(self._due()):
                        await self._changed.wait()
                    if self._lacking():
                        await trio.sleep_until(self._not_before)
                        await self._open(nursery)
                    self._retire()
            finally:
                self._nursery = None

    def _due(self) -> float:
        return -math.inf if self._lacking() else min((kept.ends for kept in self._idle), default=math.inf)

    def _lacking(self) -> bool:
        """Whether another one is to be opened. What replaces an old one is open before that is closed."""
        now = trio.current_time()
        return sum(kept.ends > now for kept in self._idle) < self._dial.service.warm

    async def _open(self, nursery: trio.Nursery) -> None:
        try:
            await nursery.start(self._hold, False)
        except ProviderError as error:
            self._not_before = trio.current_time() + self._warmth.failed(error.after)

    def _retire(self) -> None:
        now = trio.current_time()
        for kept in [kept for kept in self._idle if kept.ends <= now]:
            if len(self._idle) > self._dial.service.warm:
                self._idle.remove(kept)
                kept.over = True
                kept.waiting.cancel()

    def take(self) -> AbstractAsyncContextManager[Socket]:
        """A connection for oneself: closed when left."""
        return self._use(back=False)

    def lend(self) -> AbstractAsyncContextManager[Socket]:
        """A connection that the next one may use too, if it was left in order and at rest (`Socket.rest`)."""
        return self._use(back=True)

    @asynccontextmanager
    async def _use(self, *, back: bool) -> AsyncIterator[Socket]:
        if self._nursery is None:
            async with socket(self._dial, self._url) as line:
                yield line
            return
        kept = self._pick()
        try:
            if kept is None:
                kept = await self._nursery.start(self._hold, True)
            await kept.free.wait()
            kept.line.rest = False
            yield kept.line
            kept.again = back and kept.line.rest and not kept.line.cut
        finally:
            if kept is not None:
                kept.left.set()

    def _pick(self) -> _Kept | None:
        if not self._idle:
            return None
        kept = self._idle.pop()
        kept.taken = True
        kept.waiting.cancel()
        self._warmth.succeeded()
        self._changed.set()
        return kept

    async def _hold(self, taken: bool, *, task_status: trio.TaskStatus[_Kept]) -> None:
        """One connection's life. What goes wrong before it is open is raised to whoever wants it."""
        kept: _Kept | None = None
        try:
            async with socket(self._dial, self._url) as line:
                now = trio.current_time()
                kept = _Kept(line, now, now + self._warmth.lifetime(), taken=taken)
                if not taken:
                    self._idle.append(kept)
                task_status.started(kept)
                await self._live(kept)
        except (ProviderError, trio.BrokenResourceError, OSError):
            if kept is None:
                raise
        finally:
            if kept is not None:
                kept.free.set()
                self._drop(kept)

    async def _live(self, kept: _Kept) -> None:
        while True:
            if not kept.taken:
                await self._rest(kept)
            if not kept.taken:
                return
            kept.free.set()
            await kept.left.wait()
            if not kept.again or trio.current_time() >= kept.ends:
                return
            kept.waiting, kept.free, kept.left = trio.CancelScope(), trio.Event(), trio.Event()
            kept.again = kept.taken = False
            self._idle.append(kept)
            self._changed.set()

    async def _rest(self, kept: _Kept) -> None:
        """While nobody uses it, until it is taken, has lived its life, or (`ProviderError`) ends."""
        try:
            while not (kept.taken or kept.over):
                with kept.waiting:
                    kept.waiting.deadline = trio.current_time() + self._every
                    while len(kept.line.early) < UNREAD:
                        await kept.line.wait()
                    self._drop(kept)
                    return
                if not (kept.taken or kept.over):
                    await self._sign(kept)
        except ProviderError:
            if trio.current_time() - kept.opened < YOUNG:
                self._not_before = trio.current_time() + self._warmth.failed()
            raise

    async def _sign(self, kept: _Kept) -> None:
        """Say that it is still wanted. Nobody can take it meanwhile: a message that is cut is none."""
        self._idle.remove(kept)
        if self._keep is not None:
            await kept.line.send(self._keep)
        kept.waiting = trio.CancelScope()
        self._idle.insert(0, kept)
        self._changed.set()

    def _drop(self, kept: _Kept) -> None:
        if kept in self._idle:
            self._idle.remove(kept)
        self._changed.set()
