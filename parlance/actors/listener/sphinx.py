"""The embedded ear: pocketsphinx in worker processes, and the pool that keeps one warm. US English.

The decoding itself, what was measured of it and the messages are in `decoder.py`; here is what runs in the house.
A worker serves one call at a time. Words are lower case and without punctuation, as the model writes them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Annotated, Any, cast

import trio
from pydantic import Field

from parlance.actors.listener import decoder
from parlance.actors.listener.conditioner import LINE
from parlance.actors.listener.port import Heard, Told
from parlance.codecs.format import Format
from parlance.engine.agent import Strict
from parlance.engine.errors import Garbled, Missing, Unreachable
from parlance.engine.faults import checked

NAME = "sphinx"
GRACE = 1.0
"""Seconds a worker has to end by itself before it is killed."""
LONGEST = 1 << 16
"""Bytes of one message from a worker: an utterance's words are far fewer."""


class Settings(Strict):
    """A worker needs 0.4 s of CPU to start and 120 MB, of which next to nothing is shared."""

    warm: Annotated[int, Field(ge=0, le=16)] = 1
    """Workers kept ready, so that a call need not wait for the model to load."""
    idle: Annotated[int, Field(ge=0, le=64)] = 4
    """Workers kept at most when their calls are over."""


class Worker:
    """One decoder process and its pipes. `call` counts the calls it has served."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.call = 0
        self.sound = True
        self.gone = False
        """It closed its end. Its exit code may come a little later."""
        self._stdin = cast("trio.lowlevel.FdStream", process.stdin)
        self._stdout = cast("trio.lowlevel.FdStream", process.stdout)
        self._lock = trio.Lock()
        self._unsent = bytearray()
        self._unread = bytearray()

    @classmethod
    async def start(cls, command: list[str]) -> Worker:
        try:
            process = await trio.lowlevel.open_process(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # Ctrl-C at the terminal is for the house: it ends its workers itself.
                start_new_session=True,
            )
        except OSError as error:
            raise Unreachable(NAME, f"cannot start its decoder ({error})") from error
        return cls(process)

    @property
    def usable(self) -> bool:
        return self.sound and self.process.poll() is None

    async def send(self, data: bytes) -> None:
        """Write one whole message. May be cancelled: what is left of it goes out before the next one."""
        async with self._lock:
            await self._flush()
            self._unsent += data
            await self._flush()

    async def _flush(self) -> None:
        descriptor = self._stdin.fileno()
        while self._unsent:
            try:
                del self._unsent[: os.write(descriptor, self._unsent)]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(descriptor)
            except OSError as error:
                raise self._lost() from error

    async def receive(self) -> tuple[bytes, int, str]:
        """The next message: kind, utterance, text. May be cancelled: nothing gets lost."""
        while True:
            if len(self._unread) >= decoder.HEADER.size:
                kind, utterance, length = decoder.HEADER.unpack_from(self._unread)
                if length > LONGEST:
                    self.sound = False
                    raise Garbled(NAME, "its decoder does not keep to the protocol")
                whole = decoder.HEADER.size + length
                if len(self._unread) >= whole:
                    text = self._unread[decoder.HEADER.size : whole].decode(errors="replace")
                    del self._unread[:whole]
                    return kind, utterance, text
            try:
                data = await self._stdout.receive_some(LONGEST)
            except trio.BrokenResourceError as error:
                raise self._lost() from error
            if not data:
                raise self._lost()
            self._unread += data

    def _lost(self) -> Unreachable:
        self.sound, self.gone = False, True
        code = self.process.poll()
        return Unreachable(NAME, "its decoder ended" + (f" with code {code}" if code is not None else ""))

    async def finish(self) -> None:
        """End the process, in bounded time, and close what belongs to it."""
        self.sound = False
        with trio.CancelScope(shield=True):
            await self._stdin.aclose()
            await self._stdout.aclose()
            with trio.move_on_after(GRACE):
                await self.process.wait()
            if self.process.poll() is None:
                self.process.kill()
                await self.process.wait()


class SphinxHearing:
    """One call's ear."""

    format = Format("pcm16", LINE)
    chunk = 0.1
    endpoints = False
    provider = NAME

    def __init__(self, worker: Worker, told: Told) -> None:
        self._worker, self._told = worker, told
        self._utterance = 0
        self._owed: set[int] = set()
        self._closed = False

    async def begin(self, utterance: int) -> None:
        self._check()
        self._utterance = utterance
        await self._worker.send(decoder.message(decoder.BEGIN, utterance))

    async def hear(self, audio: bytes) -> None:
        self._check()
        await self._worker.send(decoder.message(decoder.AUDIO, self._utterance, audio))

    async def end(self, utterance: int) -> None:
        self._check()
        self._owed.add(utterance)
        await self._worker.send(decoder.message(decoder.END, utterance))

    async def _listen(self) -> None:
        """Tell what the worker makes of the audio, until cancelled."""
        greeted = False
        while True:
            kind, utterance, text = await self._worker.receive()
            if kind == decoder.FAULT:
                self._worker.sound = False
                raise Unreachable(NAME, text)
            if not greeted:
                greeted = kind == decoder.READY and utterance == self._worker.call
            elif kind in (decoder.INTERIM, decoder.FINAL):
                final = kind == decoder.FINAL
                if final:
                    self._owed.discard(utterance)
                self._told(Heard(utterance, text, final))

    async def _greet(self) -> None:
        self._worker.call += 1
        await self._worker.send(decoder.message(decoder.CALL, self._worker.call))

    def _close(self) -> None:
        self._closed = True
        # A worker that owes its words may be stuck: it must not meet another call.
        self._worker.sound = self._worker.sound and not self._owed

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this ear is closed")


class SphinxEar:
    """The embedded ear. `run` owns the idle workers; without it every call starts and ends its own."""

    provider = NAME

    def __init__(self, settings: Settings, command: list[str] | None = None) -> None:
        self.settings = settings
        self._command = command or [sys.executable, "-m", decoder.__name__]
        self._idle: deque[Worker] = deque()
        self._pooling = False
        self._taken = trio.Event()
        self._busy = 0
        self._started = 0
        self._lost = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep workers warm until cancelled; then end the idle ones. Those of open calls end with their calls."""
        self._pooling = True
        try:
            while True:
                while len(self._idle) < self.settings.warm:
                    self._idle.append(await self._start())
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
                await self._taken.wait()
                self._taken = trio.Event()
        finally:
            self._pooling = False
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as nursery:
                    while self._idle:
                        nursery.start_soon(self._idle.pop().finish)

    @asynccontextmanager
    async def open(self, told: Told) -> AsyncIterator[SphinxHearing]:
        """An ear for one call. Raises `Unreachable` if no worker can be started."""
        worker = await self._take()
        self._busy += 1
        hearing = SphinxHearing(worker, told)
        try:
            async with trio.open_nursery() as nursery:
                await hearing._greet()
                nursery.start_soon(hearing._listen)
                yield hearing
                nursery.cancel_scope.cancel()
        finally:
            hearing._close()
            self._busy -= 1
            if self._pooling and worker.usable and len(self._idle) < self.settings.idle:
                self._idle.appendleft(worker)
            else:
                self._lost += worker.gone or worker.process.poll() not in (None, 0)
                await worker.finish()

    def statistics(self) -> dict[str, int]:
        """Workers: idle, busy, started so far, lost so far (ended by themselves)."""
        return {"idle": len(self._idle), "busy": self._busy, "started": self._started, "lost": self._lost}

    async def _take(self) -> Worker:
        while self._idle:
            worker = self._idle.popleft()
            self._taken.set()
            if worker.usable:
                return worker
            self._lost += 1
            await worker.finish()
        self._taken.set()
        return await self._start()

    async def _start(self) -> Worker:
        self._started += 1
        return await Worker.start(self._command)


def make(settings: dict[str, Any]) -> SphinxEar:
    """The ear of an agent's `ear:` settings. Raises `Misconfigured`."""
    chosen = checked(Settings, settings, f"ear {NAME}")
    if find_spec("pocketsphinx") is None:
        raise Missing(f"ear {NAME}", "pocketsphinx", "local")
    return SphinxEar(chosen)
