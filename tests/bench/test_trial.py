"""One run of the bench on fakes: what it brings together, and that nothing of it is left, however it ends."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
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


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows as short as these tell nothing of neighbors: a tick of the system's clock is 5 % of them."""
    monkeypatch.setattr(trial, "FOREIGN", float("inf"))


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
    # 10 when idle, 20 at the end of the window; when all is over it was asked for the third time.
    assert (figures["tasks"], figures["tasks_per_call"]) == (20, 1.0)
    assert 0 < figures["ready_s"] < 10
    assert figures["refused"] == 3
    assert found["spec"]["nice"] == ("0" if CORES.shared else "1")
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
    monkeypatch.setattr(trial, "GRACE", 0.3)
    found = await trial.run(row(), choose("good"), Stage(CORES, callers=callers("hang"), settle=0))
    assert found["void"] == "the callers did not end within 0.3 s of their window"


async def test_a_server_that_dies_is_a_finding_with_its_last_words(choose: Choose, callers: Any) -> None:
    found = await trial.run(row(), choose("good"), Stage(CORES, callers=callers("kill"), settle=0))
    assert (found["void"], found["broke"]) == (None, ["ended by itself, exit code 3: out of luck"])


async def test_a_server_that_does_not_start_says_why(choose: Choose, callers: Any) -> None:
    found = await trial.run(row(), choose("broken"), Stage(CORES, callers=callers(), settle=0))
    assert found["broke"] == ["ended before it was ready, exit code 1: the settings are wrong"]


async def test_a_server_that_does_not_take_a_carriers_settings_says_why(choose: Choose, callers: Any) -> None:
    found = await trial.run(row(carrier="acs"), choose("broken"), Stage(CORES, callers=callers(), settle=0))
    assert found["broke"] == ["ended before it was ready, exit code 1: the settings are wrong"]


async def test_a_server_that_keeps_calls_and_tasks_is_a_finding(
    choose: Choose, callers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "EMPTY", 0.3)
    found = await trial.run(row(), choose("full"), Stage(CORES, callers=callers(), settle=0))
    assert found["broke"] == ["calls left over: 3", "tasks left over: 20, before the calls 10"]


async def test_of_several_workers_nothing_is_said_that_is_only_ones_own(choose: Choose, callers: Any) -> None:
    def several(row: Any, agents: Path | None) -> Target:
        return replace(choose("good")(row, agents), workers=2)

    found = await trial.run(row(workers=2), several, Stage(CORES, callers=callers(), settle=0))
    assert found["health"] == {"workers": [3, None]}
    figures = found["process"]
    assert (figures["tasks"], figures["tasks_per_call"], figures["refused"]) == (None, None, None)
    assert found["broke"] == []


def test_calls_left_over_are_those_of_all_workers() -> None:
    idle = {"calls": 0, "workers": [1, 0]}
    assert server.left({"workers": [1, 2]}, idle) == ["calls left over: 2"]
    assert server.left({"workers": [0, 1]}, idle) == []


async def test_a_neighbor_on_the_servers_core_makes_a_run_void(
    tmp_path: Path, choose: Choose, callers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "FOREIGN", 0.2)
    busy = script(tmp_path, "busy.py", "while True: pass")
    with (tmp_path / "busy.txt").open("wb") as output:
        running = process.child(busy, cores=CORES.server, folder=tmp_path, environment=os.environ, output=output)
        async with running:
            found = await trial.run(row(), choose("good"), Stage(CORES, callers=callers(), settle=0))
    assert found["process"]["foreign"] > 0.2
    words = f"something else took {found['process']['foreign'] * 100:.0f} % of the server's core"
    # Where callers and server share a core, one of them is always the other's neighbor.
    assert found["void"] == (None if CORES.shared else words)


def test_what_others_had_is_what_the_server_had_not() -> None:
    begin, end = process.Usage(3.0, 50.0, 1, 10.0), process.Usage(7.0, 50.0, 1, 16.0)
    sight = Sight(begin=(100.0, begin), end=(110.0, end))
    assert trial.foreign(sight, machine.Cores(frozenset({0}), frozenset({2}))) == 0.2
    assert trial.foreign(sight, machine.Cores(frozenset({0, 1}), frozenset({2}))) == 0.1
    assert trial.foreign(Sight(begin=(100.0, begin)), CORES) is None


async def test_the_window_ends_when_the_callers_say_so_and_not_after_a_page(
    choose: Choose, callers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`/health` takes a second when it is asked in the window, which is a fifth of one."""
    seen: list[Sight] = []
    takes = iter((0.0, 1.0))

    async def slow(self: server.Server) -> dict[str, Any]:
        await trio.sleep(next(takes, 0.0))
        return {"calls": 0}

    monkeypatch.setattr(server.Server, "health", slow)
    found = await trial.run(row(), choose("good"), Stage(CORES, seen.append, callers(), settle=0))
    begin, end = seen[0].begin, seen[0].end
    assert begin is not None
    assert end is not None
    assert end[0] - begin[0] < 0.8
    assert found["health"] == {"calls": 0}


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

    stage = Stage(CORES, callers=callers(), simulators=script(tmp_path, "simulators.py", text), settle=0)
    found = await trial.run(row(agent="simulated"), simulated, stage)
    assert (found["void"], found["agent"], seen[0].name) == (None, "simulated", "simulated.yaml")


async def test_simulators_that_do_not_start_make_a_run_void(tmp_path: Path, choose: Choose, callers: Any) -> None:
    simulators = script(tmp_path, "simulators.py", "raise SystemExit('no port is free')")
    stage = Stage(CORES, callers=callers(), simulators=simulators)
    found = await trial.run(row(agent="simulated"), choose("good"), stage)
    assert found["void"] == "the simulators did not start: no port is free"


async def test_webhooks_come_in_the_window_and_what_became_of_them_is_in_the_record(
    tmp_path: Path, choose: Choose, callers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "import json, sys; print(json.dumps({'sent': 7, 'ok': 7, 'spec': json.load(sys.stdin)}))"
    monkeypatch.setattr(trial, "WEBHOOKS", script(tmp_path, "webhooks.py", text))
    found = (await trial.run(row(webhooks=200), choose("good"), Stage(CORES, callers=callers(), settle=0)))["webhooks"]
    assert (found["sent"], found["counted"], found["server_ms"]) == (7, {}, None)
    assert found["spec"]["rate"] == 200
    assert set(found["spec"]["keys"]) == {"ringover", "twilio"}
    without = await trial.run(row(), choose("good"), Stage(CORES, callers=callers(), settle=0))
    assert without["webhooks"] is None


def test_what_the_server_counted_is_laid_beside_what_was_sent() -> None:
    took = {"count": 9, "p50": 0.3, "p99": 0.6}
    counts = {"ringover": {"ok": 4, "signature": 1}, "twilio": {"ok": 4}}
    sight = Sight(health={"webhooks": {"took_ms": took}}, after={"webhooks": {"counts": counts}}, webhooks={"sent": 9})
    assert trial.posted(row(webhooks=200), sight) == {
        "sent": 9,
        "counted": {"ringover ok": 4, "ringover signature": 1, "twilio ok": 4},
        "server_ms": took,
    }
    assert trial.posted(row(webhooks=200), Sight()) == {"rate": 200, "sent": 0, "counted": {}, "server_ms": None}


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
            nursery.start_soon(trial.run, row(), choose("stubborn"), Stage(CORES, see, callers("hang"), settle=0))
            with trio.fail_after(10):
                await steady.wait()
            nursery.cancel_scope.cancel()
    assert len(pids) == 2
    assert children() == []


def children() -> list[int]:
    return [int(pid) for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_the_runs_and_says_so(number: int, choose: Choose, callers: Any) -> None:
    before, during = os.sched_getaffinity(0), []

    def see(sight: Sight) -> None:
        during.append(os.sched_getaffinity(0))
        os.kill(os.getpid(), number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "choose", choose("good"))
        patch.setattr(command, "Bar", lambda *_: Watched(see))
        stage = Stage(CORES, callers=callers("hang"), settle=0)
        options = Options(calls=(1, 2), seconds=0.2, ramp=0.1)
        carried, stopped = await command.carry(options, stage, Console(file=io.StringIO()))
    assert (carried.runs, stopped, children()) == ([], True, [])
    # The runner itself takes nothing from the server's core, and is not kept from it afterwards.
    assert during[0] == CORES.others
    assert os.sched_getaffinity(0) == before


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
