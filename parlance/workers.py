"""Several worker processes on one port: started, kept alive and ended together by this one, which takes no calls.

Each worker is a whole house with limits of its own. One that ends is replaced; one that cannot even start, or ends
again and again, ends them all. The workers are told to drain when this process is, and drain by themselves when it is
gone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

import structlog
import trio

from parlance.config import Settings
from parlance.engine.errors import Misconfigured
from parlance.http.serve import listen, watch_signals
from parlance.http.share import ABSENT, Board, Share

PAUSE = 1.0
"""Seconds before a worker that has ended is replaced."""
SHORT = 10.0
"""Seconds: a life shorter than this counts as a failed start."""
STARTS = 3
"""Failed starts in a row after which all workers end."""
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
        self._stopping = False
        self.restarts = 0

    async def run(self) -> None:
        """Keep the workers until `stop`. Raises `Misconfigured` when they cannot be kept."""
        try:
            async with trio.open_nursery() as nursery:
                for index in range(self._count):
                    nursery.start_soon(self._keep, index)
        finally:
            self._board.close()

    def stop(self) -> None:
        """Let every worker drain and end; the second time, end at once."""
        self._stopping = True
        for process in self._living.values():
            process.terminate()

    async def _keep(self, index: int) -> None:
        failed = 0
        while not self._stopping:
            begin = trio.current_time()
            code = await self._live(index)
            if self._stopping:
                return
            failed = failed + 1 if trio.current_time() - begin < SHORT else 1
            if code == WRONG or failed == STARTS:
                raise Misconfigured(f"worker {index} ended with code {code}; what it said is above")
            log.error("a worker ended", worker=index, code=code, again_in=PAUSE)
            self.restarts += 1
            await trio.sleep(PAUSE)

    async def _live(self, index: int) -> int:
        """One life of a worker; its exit code."""
        share = Share(self._sockets, self._board.descriptor, index, self._count)
        process = await trio.lowlevel.open_process(
            [*self._command, str(share)],
            # Its end tells the worker that we are gone, even if we could not say so.
            stdin=subprocess.PIPE,
            pass_fds=(*self._sockets, self._board.descriptor),
            # Ctrl-C at the terminal is for us: we end the workers.
            start_new_session=True,
        )
        self._living[index] = process
        if self._stopping:
            process.terminate()
        try:
            return await process.wait()
        finally:
            del self._living[index]
            self._board.write(index, ABSENT)
            with trio.CancelScope(shield=True):
                if process.poll() is None:
                    process.terminate()
                    with trio.move_on_after(KILL):
                        await process.wait()
                if process.poll() is None:
                    process.kill()
                    await process.wait()
                assert process.stdin is not None
                await process.stdin.aclose()


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
                await watch_signals(workers.stop, task_status=task_status)
                log.warning("second signal: ending at once")
                workers.stop()
                nursery.cancel_scope.deadline = trio.current_time() + KILL

            await nursery.start(watch)
            await workers.run()
            nursery.cancel_scope.cancel()
    finally:
        for listener in listeners:
            listener.socket.close()


async def until_orphaned(told: Callable[[], None]) -> None:
    """In a worker: call `told` when the parent has gone, however it went."""
    descriptor = sys.stdin.fileno()
    os.set_blocking(descriptor, False)
    while True:
        await trio.lowlevel.wait_readable(descriptor)
        if not os.read(descriptor, 1024):
            break
    told()
