"""The server under test: started, waited for, sampled from outside, ended, and what it did wrong on the way.

Every figure about it comes from the operating system, but for what only it can know (`/health`).
"""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import trio

from bench.process import Usage, busy, child, end, kin, last, usage
from bench.target import Target

READY = 30.0
"""Seconds that a server has until it is ready: some load models."""
POLL = 0.02
ENDING = 20.0
"""Seconds that it has to end after SIGTERM."""
EVERY = 0.5
"""Seconds between two looks at its memory."""
ANSWER = 5.0
"""Seconds that a page may take while the server is busy."""


EMPTY = 3.0
"""Seconds after the last call has ended in which it and its tasks must be gone."""
TASKS = 5
"""Tasks by which a server without calls may differ from itself: pages are asked for."""
SHARED = ("status", "workers")
"""What of `/health` each of several workers says of all."""


class Failed(Exception):
    """The server did what no server may: the message says what, with the last words that it wrote."""


class Server:
    """A server that is ready. `findings`: what it did wrong, in words."""

    def __init__(
        self, target: Target, process: trio.Process, port: int, ready_s: float, cores: Collection[int]
    ) -> None:
        self.port = port
        self.url = f"ws://127.0.0.1:{port}{target.path}"
        self.ready_s = ready_s
        self.peak_mb = 0.0
        self.findings: list[str] = []
        self._pages = f"http://127.0.0.1:{port}"
        self._health = target.health
        self._workers = target.workers
        self._cores = cores
        self._process = process
        self._family = kin(process.pid)

    def usage(self) -> Usage:
        """CPU used so far, memory and threads of now, of all its processes."""
        self._family = kin(self._process.pid)
        return replace(usage(self._family), busy=busy(self._cores))

    async def health(self) -> dict[str, Any] | None:
        """What it says of itself; None if it has no such page or does not answer.

        Of several workers one answers, and it is left out what is only that one's.
        """
        if self._health is None:
            return None
        try:
            async with httpx.AsyncClient(timeout=ANSWER, trust_env=False, verify=False) as client:
                found = (await client.get(self._pages + self._health)).json()
        except (httpx.HTTPError, json.JSONDecodeError):
            self.findings.append(f"{self._health} was not answered within {ANSWER:g} s")
            return None
        if not isinstance(found, dict):
            return None
        return found if self._workers == 1 else {key: found[key] for key in SHARED if key in found}

    async def emptied(self, idle: dict[str, Any] | None) -> dict[str, Any] | None:
        """What it says of itself once no call is left and its tasks are as many as `idle` said.

        If that is not so within `EMPTY` seconds, that is a finding.
        """
        if idle is None:
            return None
        found: dict[str, Any] | None = None
        with trio.move_on_after(EMPTY):
            while True:
                found = await self.health()
                if found is None or not left(found, idle):
                    break
                # Another process' state: there is nothing to wait for but the clock.
                await trio.sleep(POLL * 5)
        self.findings += left(found, idle) if found else []
        return found

    async def watch(self, work: trio.CancelScope) -> None:
        """Note the peak of its memory, until cancelled. If it ends, so does `work`."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._died, work)
            while True:
                self.peak_mb = max(self.peak_mb, usage(self._family).rss_mb)
                await trio.sleep(EVERY)

    async def _died(self, work: trio.CancelScope) -> None:
        await self._process.wait()
        work.cancel()


@asynccontextmanager
async def serving(target: Target, folder: Path, cores: Collection[int]) -> AsyncIterator[Server]:
    """`target`, ready for calls, on `cores`; ended when the context is left, and `findings` says how that went.

    `folder` is its current folder and gets its output. Raises `Failed` if it does not become ready.
    """
    port = free()
    output = folder / "server.txt"
    began = trio.current_time()
    with output.open("wb") as file:
        try:
            running = child(
                target.command(port), cores=cores, folder=folder, environment=target.environment, output=file
            )
            async with running as process:
                await ready(process, f"http://127.0.0.1:{port}{target.ready}")
                server = Server(target, process, port, trio.current_time() - began, cores)
                yield server
                if (code := process.poll()) is not None:
                    server.findings.append(f"ended by itself, exit code {code}: {last(output) or 'it did not say why'}")
                elif not await end(process, ENDING):
                    server.findings.append(f"did not end within {ENDING:g} s of SIGTERM")
        except OSError as error:
            raise Failed(f"could not be started: {error.strerror or error}") from error
        except Failed as error:
            raise Failed(": ".join(filter(None, (str(error), last(output))))) from None


def left(found: dict[str, Any], idle: dict[str, Any]) -> list[str]:
    """What `found` has that a server without calls, `idle`, has not, in words."""
    words = []
    if (calls := _calls(found) - _calls(idle)) > 0:
        words.append(f"calls left over: {calls}")
    now, before = found.get("tasks"), idle.get("tasks")
    if isinstance(now, int) and isinstance(before, int) and abs(now - before) > TASKS:
        words.append(f"tasks left over: {now}, before the calls {before}")
    return words


def _calls(health: dict[str, Any]) -> int:
    """Of all workers, where there are several: their numbers count the connection that asked, too."""
    calls, workers = health.get("calls"), health.get("workers")
    if isinstance(workers, list):
        return sum(load for load in workers if isinstance(load, int))
    return calls if isinstance(calls, int) else 0


async def ready(process: trio.Process, page: str) -> None:
    """Return as soon as `page` answers 200. Raises `Failed`."""
    with trio.move_on_after(READY):
        async with httpx.AsyncClient(timeout=ANSWER, trust_env=False, verify=False) as client:
            while process.poll() is None:
                try:
                    if (await client.get(page)).status_code == httpx.codes.OK:
                        return
                except httpx.HTTPError:
                    pass
                # Another process' state: there is nothing to wait for but the clock.
                await trio.sleep(POLL)
        raise Failed(f"ended before it was ready, exit code {process.returncode}")
    raise Failed(f"was not ready within {READY:g} s")


def free() -> int:
    """A port that nobody listens on, as of now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
