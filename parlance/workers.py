"""Several worker processes on one port: started, kept alive and ended together by this one, which takes no calls.

Each worker is a whole house with limits of its own. One that ends is replaced, whatever becomes of it, and the others
go on; only where none was ever ready are they given up. The workers do what this process says on their standard input
and not what signals say, of which a whole group of processes may get each: a byte there, or its end, means drain, a
second byte means end at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog
import trio

from parlance.engine.errors import Misconfigured
from parlance.http.serve import listen, watch_signals
from parlance.http.share import ABSENT, Board, Share
from parlance.settings import Settings

PAUSE = 1.0
"""Seconds before a worker that has ended is replaced; twice as many each time it fails again."""
LONGEST = 30.0
"""Seconds of the longest pause."""
SHORT = 10.0
"""Seconds: a life that was shorter, or never ready, counts as a failed start."""
STARTS = 3
"""Failed starts in a row of one worker after which all are given up, where none was ever ready."""
KILL = 5.0
"""Seconds that workers have after the second signal."""
WRONG = 2
"""The exit code of a program whose settings are wrong."""

log = structlog.get_logger()


class Workers:
    """`count` workers that run `command`, each with an argument that gives it the port."""

    def __init__(self, count: int, command: Sequence[str], descriptors: Sequence[int]) -> None:
        self._count, self._command, self._sockets = count, tuple(command), tuple(descriptors)
        self._board = Board.make(count)
        self._living: dict[int, trio.Process] = {}
        self._told = 0
        """Bytes that every worker has been sent."""
        self._draining = trio.Event()
        self._scope = trio.CancelScope()
        self._proven = False
        """Whether a worker that has ended was ready."""
        self._fault: str | None = None
        self.restarts = 0

    async def run(self) -> None:
        """Keep the workers until they were told to drain and have. Raises `Misconfigured` if none was ever ready."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    for index in range(self._count):
                        nursery.start_soon(self._keep, index)
        finally:
            self._board.close()
        if self._fault is not None:
            raise Misconfigured(self._fault)

    def drain(self) -> None:
        """Let every worker drain and end."""
        self._draining.set()
        self._tell(1)

    def end(self) -> None:
        """Let every worker end at once, and kill those that have not after `KILL`."""
        self._draining.set()
        self._tell(2)
        self._scope.deadline = trio.current_time() + KILL

    def _tell(self, times: int) -> None:
        more, self._told = max(times - self._told, 0), max(times, self._told)
        for process in self._living.values():
            _send(process, more)

    async def _keep(self, index: int) -> None:
        failed = 0
        while not self._draining.is_set():
            begin = trio.current_time()
            code = await self._live(index)
            ready = self._board.read()[index] != ABSENT
            self._board.write(index, ABSENT)
            if self._draining.is_set():
                return
            self._proven = self._proven or ready
            failed = 0 if ready and trio.current_time() - begin >= SHORT else failed + 1
            if (code == WRONG or failed >= STARTS) and not self._ever_ready():
                how = "could not be started" if code is None else f"ended with code {code}"
                self._fault = f"worker {index} {how}; the reason is above"
                self.drain()
                return
            pause = min(PAUSE * 2 ** min(max(failed - 1, 0), 10), LONGEST)
            log.error("a worker ended", worker=index, code=code, again_in=pause)
            self.restarts += 1
            with trio.move_on_after(pause):
                await self._draining.wait()

    def _ever_ready(self) -> bool:
        return self._proven or any(load != ABSENT for load in self._board.read())

    async def _live(self, index: int) -> int | None:
        """One life of a worker; its exit code, None if the system had no room for it."""
        share = Share(self._sockets, self._board.descriptor, index, self._count)
        try:
            process = await trio.lowlevel.open_process(
                [*self._command, str(share)],
                stdin=subprocess.PIPE,
                pass_fds=(*self._sockets, self._board.descriptor),
                # Ctrl-C at the terminal is for us: we tell the workers.
                start_new_session=True,
            )
        except OSError as error:
            log.error("a worker could not be started", worker=index, error=str(error))
            return None
        self._living[index] = process
        _send(process, self._told)
        try:
            return await process.wait()
        finally:
            del self._living[index]
            with trio.CancelScope(shield=True):
                if process.poll() is None:
                    process.kill()
                    await process.wait()
                assert process.stdin is not None
                await process.stdin.aclose()


def _send(process: trio.Process, count: int) -> None:
    assert isinstance(process.stdin, trio.lowlevel.FdStream)
    # The pipe has room for two bytes. Whom they do not reach has ended.
    with suppress(OSError):
        os.write(process.stdin.fileno(), b"\n" * count)


async def run(
    chosen: Settings, arguments: Sequence[str], *, opened: Callable[[str, int], None] = lambda host, port: None
) -> None:
    """Serve with `chosen.workers` processes until SIGTERM or SIGINT; then they drain. A second signal ends at once.

    `arguments` are those of `parlance serve`. Raises `Misconfigured`.
    """
    listeners = await listen(chosen.host, chosen.port)
    descriptors = [listener.socket.fileno() for listener in listeners]
    command = (sys.executable, "-m", "parlance", "serve", *arguments, "--share")
    try:
        opened(chosen.host, listeners[0].socket.getsockname()[1])
        workers = Workers(chosen.workers, command, descriptors)
        async with trio.open_nursery() as nursery:

            async def watch(*, task_status: trio.TaskStatus[None]) -> None:
                await watch_signals(workers.drain, task_status=task_status)
                log.warning("second signal: ending at once")
                workers.end()

            await nursery.start(watch)
            await workers.run()
            nursery.cancel_scope.cancel()
    finally:
        for listener in listeners:
            listener.socket.close()


# ---------------------------------------------------------------------------------------- in a worker


def deaf() -> None:
    """From now on SIGTERM and SIGINT do nothing: whoever sends them to a whole group of processes means its parent."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # A function and not SIG_IGN, which programs that are started from here would inherit.
        signal.signal(number, lambda *_: None)


async def obey(drain: Callable[[], None], orphaned: Callable[[], None]) -> None:
    """Do what the parent says on standard input; return when it says for the second time that we shall end.

    Without a parent, however it went, `orphaned` is called, and `drain` unless that was said before.
    """
    descriptor, told = sys.stdin.fileno(), 0
    os.set_blocking(descriptor, False)
    while told < 2:
        await trio.lowlevel.wait_readable(descriptor)
        data = os.read(descriptor, 16)
        if not data:
            orphaned()
        if told == 0:
            drain()
        if not data:
            await trio.sleep_forever()
        told += len(data)
