"""`parlance serve --workers`: real processes on one port, of which one is killed, and which end with their parent."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio
from test_cli import rehearse
from test_house import Server, agents, ending, get

from parlance import main, workers
from parlance.engine.errors import Misconfigured
from parlance.house import House
from parlance.http.share import ABSENT, FULL
from parlance.settings import Settings


def children(pid: int) -> set[int]:
    """Living children, whichever of its threads has started them."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for path in lists for child in path.read_text().split() if state(int(child)) != "Z"}


@asynccontextmanager
async def served(tmp_path: Path, port: int, count: int = 2, *, limit: float = 1.0) -> AsyncIterator[trio.Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PARLANCE_")}
    environment |= {"PARLANCE_LOG__LEVEL": "error", "PARLANCE_DRAIN__LIMIT": str(limit), "PARLANCE_DRAIN__GRACE": "0.4"}
    environment |= {"PARLANCE_MEDIA__RECONNECT": "0.3"}
    rehearse(tmp_path, "parlance.toml")
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "parlance", "serve", "--port", str(port), "--workers", str(count)],
        env=environment,
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


async def on_the_line(port: int, calls: int) -> None:
    with trio.fail_after(10):
        while (figures := await health(port)) is None or sum(filter(None, figures["workers"])) != calls:
            await trio.sleep(0.05)


async def test_workers_do_not_outlive_their_parent_and_free_the_port_before_their_last_call_has_ended(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    port = free_port()
    async with served(tmp_path, port, limit=8) as process:
        await until_present(port, 2)
        call = await Server(port, nursery).twilio()
        await on_the_line(port, 1)
        orphans = children(process.pid)
        process.kill()
        await process.wait()
        with trio.fail_after(3):
            while not bindable(port):
                await trio.sleep(0.05)
        assert any(state(pid) != "Z" for pid in orphans)
        with trio.fail_after(2):
            await call.ping()  # The call goes on.
        await call._stream.aclose()
        await gone(orphans)


def bindable(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


async def test_a_signal_to_the_whole_group_drains_and_does_not_cut_calls(tmp_path: Path, nursery: trio.Nursery) -> None:
    port = free_port()
    async with served(tmp_path, port, limit=0.5) as process:
        await until_present(port, 2)
        call = await Server(port, nursery).twilio()
        await on_the_line(port, 1)
        # As systemd does it: every process of the group gets the signal.
        for pid in (*children(process.pid), process.pid):
            os.kill(pid, signal.SIGTERM)
        begin = trio.current_time()
        _, code, reason = await ending(call)
        assert (code, reason) == (1000, "drained")
        assert trio.current_time() - begin > 0.4
        with trio.fail_after(10):
            assert await process.wait() == 0
        await call._stream.aclose()


async def test_a_second_signal_ends_at_once(tmp_path: Path, nursery: trio.Nursery) -> None:
    port = free_port()
    async with served(tmp_path, port, limit=60) as process:
        await until_present(port, 2)
        call = await Server(port, nursery).twilio()
        await on_the_line(port, 1)
        process.terminate()
        await until(lambda: len(children(process.pid)) == 1)  # The one without a call has ended.
        process.terminate()
        with trio.fail_after(workers.KILL):
            assert await process.wait() == 0
        await call._stream.aclose()


async def test_a_burst_is_spread_over_the_workers(tmp_path: Path) -> None:
    port = free_port()
    async with served(tmp_path, port) as process, trio.open_nursery() as nursery:
        await until_present(port, 2)

        async def stay() -> None:
            async with await trio.open_tcp_stream("127.0.0.1", port):
                await trio.sleep_forever()

        for _ in range(60):
            nursery.start_soon(stay)
        await on_the_line(port, 60)
        figures = await health(port)
        assert figures is not None
        assert all(27 <= load <= 33 for load in figures["workers"]), figures["workers"]
        nursery.cancel_scope.cancel()
    assert process.returncode is not None


async def test_a_worker_whose_seats_are_taken_is_full_before_the_calls_are_on_the_line() -> None:
    house = House(Settings.model_validate({"limits": {"calls": 1}}), agents())
    assert main.load(house) == ABSENT
    house.ready = True
    assert main.load(house) == 0
    with house.exchange.admit(house.agents["rehearsal"]):
        assert house.refusal() == "full"
        assert main.load(house) == FULL + 1


# ------------------------------------------------------------------------------- workers that misbehave

DRAINS = """
import pathlib, sys
sys.stdin.read(1)
pathlib.Path(sys.argv[1], "drained").touch()
"""
"""A worker that runs until it is told to drain, and tells that it was."""
READY = """
import os, struct, sys
_, board, index, _ = sys.argv[-1].split(":")
os.pwrite(int(board), struct.pack("@iI", 0, 0), int(index) * 8)
"""


def crowd_of(tmp_path: Path, *scripts: str) -> workers.Workers:
    """Workers that run one of the scripts each."""
    program = "import sys\nscripts = sys.argv[2:-1]\nexec(scripts[int(sys.argv[-1].split(':')[2])])"
    return workers.Workers(len(scripts), (sys.executable, "-c", program, str(tmp_path), *scripts), ())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PAUSE", 0.02)
    monkeypatch.setattr(workers, "LONGEST", 0.05)


def pauses(logged: Sequence[MutableMapping[str, Any]]) -> list[float]:
    return [entry["again_in"] for entry in logged if entry["event"] == "a worker ended"]


async def until(condition: Callable[[], object]) -> None:
    """Another process has no event here."""
    with trio.fail_after(5):
        while not condition():
            await trio.sleep(0.01)


@pytest.mark.usefixtures("quick")
async def test_workers_that_cannot_start_end_the_program(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="code 1"), trio.fail_after(10):
        await crowd_of(tmp_path, *["raise SystemExit(1)"] * 2).run()
    with pytest.raises(Misconfigured, match="could not be started"), trio.fail_after(10):
        await workers.Workers(1, (str(tmp_path / "nothing"),), ()).run()


@pytest.mark.usefixtures("quick")
async def test_wrong_settings_end_the_program_at_once_and_the_others_drain(tmp_path: Path) -> None:
    crowd = crowd_of(tmp_path, DRAINS, "raise SystemExit(2)")
    with pytest.raises(Misconfigured, match="worker 1 ended with code 2"), trio.fail_after(10):
        await crowd.run()
    assert (tmp_path / "drained").exists()
    assert crowd.restarts == 0


@pytest.mark.usefixtures("quick")
async def test_settings_that_have_become_wrong_are_no_reason_to_end_workers_that_run(tmp_path: Path) -> None:
    crowd = crowd_of(tmp_path, DRAINS, "raise SystemExit(2)")
    crowd._board.write(0, 0)
    with structlog.testing.capture_logs() as logged:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.run)
            await until(lambda: len(pauses(logged)) == 4)
            assert not (tmp_path / "drained").exists()
            crowd.drain()
    assert (tmp_path / "drained").exists()
    assert pauses(logged)[:4] == [0.02, 0.04, 0.05, 0.05]


@pytest.mark.usefixtures("quick")
async def test_a_worker_that_lived_long_is_replaced_soon_however_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "SHORT", 0.0)
    crowd = crowd_of(tmp_path, READY + "raise SystemExit(1)")
    with structlog.testing.capture_logs() as logged:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.run)
            await until(lambda: len(pauses(logged)) == 5)
            crowd.drain()
    assert pauses(logged)[:5] == [0.02] * 5


async def test_a_pause_before_the_next_start_does_not_delay_the_end(tmp_path: Path) -> None:
    crowd = crowd_of(tmp_path, READY + "raise SystemExit(1)")
    with structlog.testing.capture_logs() as logged:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.run)
            await until(lambda: pauses(logged))
            begin = trio.current_time()
            crowd.drain()
    assert trio.current_time() - begin < workers.PAUSE / 2


async def test_a_worker_that_does_not_listen_is_killed_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "KILL", 0.6)
    crowd = crowd_of(tmp_path, READY + "import time; time.sleep(60)")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(crowd.run)
        await until(lambda: crowd._board.read() == [0])
        begin = trio.current_time()
        crowd.drain()
        crowd.end()
    assert 0.6 <= trio.current_time() - begin < 1.0


async def test_a_port_that_is_taken_is_said_before_a_worker_starts() -> None:
    port = free_port()
    (listener,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
    with pytest.raises(Misconfigured, match="port is taken"):
        await workers.run(Settings(port=port, workers=2), ())
    await listener.aclose()
