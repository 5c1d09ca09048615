"""One run of the bench on fakes: what it brings together, and that nothing of it is left, however it ends."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from fakes import CALLERS, SERVER, record, row, script
from rich.console import Console

from bench import __main__ as command
from bench import machine, process, server, trial
from bench.plan import Options
from bench.target import Target
from bench.trial import Sight, Stage

CORES = machine.cores(1)
Choose = Callable[[str], Callable[..., Target]]


@pytest.fixture
def choose(tmp_path: Path) -> Choose:
    """The fake server in a mode of it."""
    program = script(tmp_path, "server.py", SERVER)

    def of(mode: str) -> Callable[..., Target]:
        target = Target("parlance", lambda port: [*program, str(port), mode], "/media", "/ready", "/health")
        return lambda row, agents: target

    return of


@pytest.fixture
def callers(tmp_path: Path) -> Callable[..., list[str]]:
    """The fake callers in a mode of theirs, with a result to give."""
    program = script(tmp_path, "callers.py", CALLERS)

    def of(mode: str = "good", calls: int = 1) -> list[str]:
        run = record(calls)
        keys = ("callers", "calls", "turns", "response_ms", "own_ms", "clear_ms", "silence_ms", "jitter_ms", "gaps")
        return [*program, json.dumps({key: run[key] for key in keys}), mode]

    return of


async def test_a_run_brings_together_what_callers_system_and_server_say(choose: Choose, callers: Any) -> None:
    phases: list[tuple[str, int]] = []

    def see(sight: Sight) -> None:
        phases.append((sight.phase, sight.up))

    found = await trial.run(row(10), choose("good"), Stage(CORES, see, callers(calls=10), settle=0))
    assert (found["void"], found["broke"], found["server"], found["lines"]) == (None, [], "parlance", 10)
    assert found["turns"]["asked"] == 70
    assert phases == [("ramp", 1), ("steady", 10)]
    figures = found["process"]
    assert 0 <= figures["cpu"] < 1.5
    assert 5 < figures["idle_rss_mb"] <= figures["rss_mb"] < 200
    assert figures["threads"] >= 1
    # 10 when idle, 20 at the end of the window: of a server that counts how often it was asked.
    assert (figures["tasks"], figures["tasks_per_call"]) == (20, 1.0)
    assert 0 < figures["ready_s"] < 10
    assert found["health"]["metronome"]["late_ms"]["p99"] == 0.4
    assert found["spec"]["calls"] == 10
    assert found["spec"]["budget"] == {"end_of_turn": 0.3, "providers": 0.0}


async def test_callers_that_fail_make_a_run_void(choose: Choose, callers: Any) -> None:
    found = await trial.run(row(), choose("good"), Stage(CORES, callers=callers("fail"), settle=0))
    assert found["void"] == "the callers failed: there is no server to call"


async def test_callers_that_babble_make_a_run_void(choose: Choose, callers: Any) -> None:
    found = await trial.run(row(), choose("good"), Stage(CORES, callers=callers("babble"), settle=0))
    assert found["void"] == "the callers said what is not JSON: hello there"


async def test_callers_that_never_end_are_ended(choose: Choose, callers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "GRACE", 0.8)
    found = await trial.run(row(), choose("good"), Stage(CORES, callers=callers("hang"), settle=0))
    assert found["void"] == "the callers did not end within 0.8 s of their window"


async def test_a_server_that_dies_is_a_finding_with_its_last_words(choose: Choose, callers: Any) -> None:
    found = await trial.run(row(), choose("good"), Stage(CORES, callers=callers("kill"), settle=0))
    assert (found["void"], found["broke"]) == (None, ["ended by itself, exit code 3: out of luck"])


async def test_a_server_that_does_not_start_says_why(choose: Choose, callers: Any) -> None:
    found = await trial.run(row(), choose("broken"), Stage(CORES, callers=callers(), settle=0))
    assert found["broke"] == ["ended before it was ready, exit code 1\nthe settings are wrong"]


async def test_a_server_that_is_never_ready_is_given_up(
    choose: Choose, callers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "READY", 0.5)
    found = await trial.run(row(), choose("shut"), Stage(CORES, callers=callers(), settle=0))
    assert found["broke"] == ["was not ready within 0.5 s"]


async def test_a_server_that_does_not_end_is_a_finding_and_is_ended(
    choose: Choose, callers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ENDING", 0.2)
    found = await trial.run(row(), choose("stubborn"), Stage(CORES, callers=callers(), settle=0))
    assert found["broke"] == ["did not end within 0.2 s of SIGTERM"]


async def test_a_program_that_is_not_there_is_told(callers: Any) -> None:
    target = Target("gone", lambda port: ["/nowhere/server"], "/", "/")
    found = await trial.run(row(), lambda row, agents: target, Stage(CORES, callers=callers(), settle=0))
    assert found["broke"] == ["could not be started: No such file or directory"]


async def test_simulators_serve_an_agent_and_are_ended(tmp_path: Path, choose: Choose, callers: Any) -> None:
    seen: list[Path] = []
    text = "import sys, time; open(sys.argv[2], 'w').write('name: simulated'); print('{}', flush=True); time.sleep(60)"

    def simulated(row: Any, agents: Path | None) -> Target:
        assert agents is not None
        seen.append(agents)
        return choose("good")(row, agents)

    stage = Stage(CORES, callers=callers(), simulators=script(tmp_path, "simulators.py", text))
    found = await trial.run(row(agent="simulated"), simulated, stage)
    assert (found["void"], found["agent"], seen[0].name) == (None, "simulated", "simulated.yaml")


async def test_simulators_that_do_not_start_make_a_run_void(tmp_path: Path, choose: Choose, callers: Any) -> None:
    simulators = script(tmp_path, "simulators.py", "raise SystemExit('no port is free')")
    stage = Stage(CORES, callers=callers(), simulators=simulators)
    found = await trial.run(row(agent="simulated"), choose("good"), stage)
    assert found["void"] == "the simulators did not start: no port is free"


async def test_no_process_outlives_the_bench(choose: Choose, callers: Any) -> None:
    """Cancelled in mid-run: server and callers are gone, though this server does not want to."""
    steady, pids = trio.Event(), []

    def see(sight: Sight) -> None:
        if sight.phase == "steady":
            pids.extend(children())
            steady.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "ENDING", 0.2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trial.run, row(), choose("stubborn"), Stage(CORES, see, callers("hang")))
            with trio.fail_after(10):
                await steady.wait()
            nursery.cancel_scope.cancel()
    assert len(pids) == 2
    assert children() == []


def children() -> list[int]:
    return [int(pid) for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()]


async def test_children_of_a_child_are_counted_and_ended_with_it(tmp_path: Path) -> None:
    text = "import subprocess, sys, time\n"
    text += "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
    text += "print('ready', flush=True); time.sleep(60)"
    parent = script(tmp_path, "parent.py", text)
    with (tmp_path / "parent.txt").open("wb") as output:
        running = process.child(
            parent, cores=CORES.others, folder=tmp_path, environment=os.environ, output=output, piped=True
        )
        async with running as child:
            assert child.stdout is not None
            assert (await child.stdout.receive_some()).startswith(b"r")
            family = process.kin(child.pid)
            assert len(family) == 2
            assert process.usage(family).threads == 2
    with trio.fail_after(5):
        while any(Path(f"/proc/{pid}/exe").exists() for pid in family):
            await trio.sleep(0.01)


async def test_usage_counts_what_a_process_does(tmp_path: Path) -> None:
    busy = script(tmp_path, "busy.py", "import time\nwhile time.process_time() < 0.5: pass\ntime.sleep(60)")
    with (tmp_path / "busy.txt").open("wb") as output:
        running = process.child(busy, cores=CORES.others, folder=tmp_path, environment=os.environ, output=output)
        async with running as child:
            with trio.fail_after(10):
                while (used := process.usage(process.kin(child.pid))).cpu < 0.4:
                    await trio.sleep(0.05)
            assert used.cpu < 0.8
            assert used.threads == 1
            assert os.sched_getaffinity(child.pid) == CORES.others


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_runs_and_says_so(number: int, choose: Choose, callers: Any) -> None:
    def see(sight: Sight) -> None:
        os.kill(os.getpid(), number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "choose", choose("good"))
        patch.setattr(command, "Bar", lambda *_: Watched(see))
        stage = Stage(CORES, callers=callers("hang"), settle=0)
        options = Options(calls=(1, 2), seconds=0.2, ramp=0.1)
        carried, stopped = await command.carry(options, stage, Console(file=io.StringIO()))
    assert (carried.runs, stopped, children()) == ([], True, [])


class Watched:
    """A progress bar that draws nothing."""

    def __init__(self, see: Callable[[Sight], None]) -> None:
        self.see = see

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def next(self, row: Any) -> None:
        pass
