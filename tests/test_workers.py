"""`parlance serve --workers`: real processes on one port, of which one is killed, and which end with their parent."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from test_house import get

from parlance import workers
from parlance.config import Settings
from parlance.engine.errors import Misconfigured


def children(pid: int) -> set[int]:
    """Living children, whichever of its threads has started them."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for path in lists for child in path.read_text().split() if state(int(child)) != "Z"}


@asynccontextmanager
async def served(tmp_path: Path, port: int, count: int = 2) -> AsyncIterator[trio.Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PARLANCE_")}
    environment |= {"PARLANCE_LOG__LEVEL": "error", "PARLANCE_DRAIN__LIMIT": "1", "PARLANCE_DRAIN__GRACE": "1"}
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "parlance", "serve", "--port", str(port), "--workers", str(count)],
        env=environment
        | {"PARLANCE_LOG__LEVEL": "warning", "PARLANCE_DRAIN__LIMIT": "1", "PARLANCE_DRAIN__GRACE": "1"},
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def health(port: int) -> dict[str, Any] | None:
    try:
        status, figures = await get(port, "/health")
    except (OSError, IndexError, json.JSONDecodeError):
        return None
    return figures if status == 200 else None


async def until_present(port: int, count: int) -> None:
    with trio.fail_after(20):
        while True:
            figures = await health(port)
            if figures and sum(load is not None for load in figures["workers"]) == count:
                return
            await trio.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def gone(pids: set[int]) -> None:
    with trio.fail_after(10):
        while any(Path(f"/proc/{pid}").exists() and state(pid) != "Z" for pid in pids):
            await trio.sleep(0.05)


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


async def test_a_killed_worker_is_replaced_and_all_end_with_the_first_signal(tmp_path: Path) -> None:
    port = free_port()
    async with served(tmp_path, port) as process:
        await until_present(port, 2)
        first = children(process.pid)
        assert len(first) == 2
        os.kill(min(first), signal.SIGKILL)
        with trio.fail_after(15):
            while len(children(process.pid)) < 2 or children(process.pid) == first:
                await trio.sleep(0.05)
        await until_present(port, 2)
        second = children(process.pid)
        assert len(first & second) == 1
        process.terminate()
        with trio.fail_after(10):
            assert await process.wait() == 0
        await gone(second)


async def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    port = free_port()
    async with served(tmp_path, port) as process:
        await until_present(port, 2)
        orphans = children(process.pid)
        process.kill()
        await process.wait()
        await gone(orphans)


async def test_workers_that_cannot_start_end_the_program_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PAUSE", 0.01)
    crowd = workers.Workers(2, (sys.executable, "-c", "raise SystemExit(1)"), (0,))
    with pytest.RaisesGroup(Misconfigured, allow_unwrapped=True, flatten_subgroups=True), trio.fail_after(10):
        await crowd.run()


async def test_a_port_that_is_taken_is_said_before_a_worker_starts() -> None:
    port = free_port()
    (listener,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
    with pytest.raises(Misconfigured, match="port is taken"):
        await workers.run(Settings(port=port, workers=2), ())
    await listener.aclose()
