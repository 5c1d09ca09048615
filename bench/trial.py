"""One run: a server under test, its callers and, where the agent needs them, the simulators; then its record.

What the callers had is theirs to say; CPU, memory and threads are the operating system's; `/health` is the server's.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from bench.accounts import NUMBER, PUBLIC, Account, account
from bench.blank import blank
from bench.machine import ROOT, Cores
from bench.plan import Row
from bench.process import Usage, child, last, public
from bench.server import Failed, Server, serving
from bench.target import Target, environment

CALLERS = (sys.executable, "-m", "bench.callers")
SIMULATORS = (sys.executable, "-m", "bench.simulators")
WEBHOOKS = (sys.executable, "-m", "bench.webhooks")
GRACE = 60.0
"""Seconds beyond ramp and window that the callers have for their greetings, their farewells and their sums."""
FOREIGN = 0.03
"""Part of the server's cores that something else may have in the window."""
LOOK = 1.5
"""Seconds before the end of the window at which the server is asked how it is: after it the calls hang up at once."""
SIMULATED = 15.0
"""Seconds that the simulators have to start."""
SETTINGS = "parlance.toml"
"""What a server reads in its folder."""
BEFORE = 4.0
"""Seconds before the end of the window at which the last webhook comes: its sender has to start, and calls to end."""


@dataclass(slots=True)
class Sight:
    """What the callers have said so far, for whoever watches and for the record."""

    phase: str = "starting"
    up: int = 0
    late_ms: float | None = None
    result: dict[str, Any] | None = None
    begin: tuple[float, Usage] | None = None
    end: tuple[float, Usage] | None = None
    threads: int | None = None
    health: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    """What the server said of itself when the callers were gone."""
    webhooks: dict[str, Any] | None = None
    """What their sender said."""
    void: str | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Where runs take place. `seen` is called with every progress of a run; the commands are the real ones."""

    cores: Cores
    seen: Callable[[Sight], None] = lambda sight: None
    callers: Sequence[str] = CALLERS
    simulators: Sequence[str] = SIMULATORS
    waveform: bool = True
    settle: float = 2.0
    """Seconds after which a server that is ready has loaded what its first call would not wait for either."""


async def run(row: Row, choose: Callable[[Row, Path | None], Target], stage: Stage) -> dict[str, Any]:
    """Carry out `row` against the target that `choose(row, agents)` gives; its record (RUN), whatever happened.

    What cannot be believed is void and says why; what the server did wrong is in `broke`.
    """
    sight = Sight()
    record = blank(row)
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        folder = Path(name)
        try:
            async with simulating(row, folder, stage) as agents:
                target = choose(row, agents)
                with account(row) as known:
                    (folder / SETTINGS).write_text(known.toml)
                    async with serving(target, folder, stage.cores.server) as server:
                        await _measure(row, target, known, server, folder, stage, sight, record)
            record["broke"] = server.findings
        except Failed as error:
            record["broke"] = [str(error)]
        except Unusable as error:
            record["void"] = str(error)
    record["void"] = record["void"] or sight.void
    if sight.result is None and not record["broke"] and not record["void"]:
        record["void"] = "the callers said nothing"
    return record


class Unusable(Exception):
    """The bench's own processes failed: nothing was measured. The message says what, with the last lines."""


async def _measure(
    row: Row,
    target: Target,
    known: Account,
    server: Server,
    folder: Path,
    stage: Stage,
    sight: Sight,
    record: dict[str, Any],
) -> None:
    await trio.sleep(stage.settle)
    idle, idle_health = server.usage(), await server.health()
    server.peak_mb = idle.rss_mb
    spec = row.spec(
        server.url,
        end_of_turn=target.end_of_turn,
        providers=target.providers,
        waveform=stage.waveform,
        token=known.token,
        bearer=known.bearer,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.watch, nursery.cancel_scope)
        await _offer(row, spec, known, server, folder, stage, sight)
        sight.after = await server.emptied(idle_health)
        nursery.cancel_scope.cancel()
    if sight.result is not None:
        record |= {key: value for key, value in sight.result.items() if key != "event"}
        record["void"] = record["callers"].get("void")
    record["health"] = sight.health
    record["webhooks"] = posted(row, sight)
    cost = figures(row, server, idle, idle_health, sight, record["calls"]["admitted"])
    taken = foreign(sight, stage.cores)
    record["process"] = cost | {"foreign": taken}
    # Who shares the core with the callers is disturbed as planned.
    if not record["void"] and not stage.cores.shared and taken is not None and taken > FOREIGN:
        many = "s" * (len(stage.cores.server) != 1)
        record["void"] = f"something else took {taken * 100:.0f} % of the server's core{many}"


async def _offer(
    row: Row, spec: dict[str, Any], known: Account, server: Server, folder: Path, stage: Stage, sight: Sight
) -> None:
    """The callers call, and what they say is taken down; at both ends of the window the server is sampled."""
    output = folder / "callers.txt"
    with output.open("wb") as file, trio.move_on_after(row.ramp + row.seconds + GRACE) as waited:
        running = child(
            stage.callers,
            cores=stage.cores.others,
            folder=ROOT,
            # Who comes first on a core of their own would come before the server on its.
            environment=environment({"BENCH_NICE": "0" if stage.cores.shared else "1"}),
            output=file,
            piped=True,
        )
        async with running as process, trio.open_nursery() as nursery:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                await process.stdin.send_all(json.dumps(spec).encode() + b"\n")
                await process.stdin.aclose()
            except trio.BrokenResourceError:
                pass  # It ended before it read: its exit code and its last lines say why.
            async with aclosing(lines(process.stdout)) as said:
                async for line in said:
                    try:
                        event = json.loads(line)
                    except ValueError:
                        sight.void = f"the callers said what is not JSON: {public(line.decode(errors='replace'))}"
                        nursery.cancel_scope.cancel()
                        return
                    if _take(event, server, stage, sight):
                        # Beside the reading: the end of the window may not wait for a page.
                        nursery.start_soon(_look, row, server, sight)
                        if row.webhooks:
                            nursery.start_soon(_post, row, known, server, folder, stage, sight)
            if await process.wait() and sight.result is None:
                sight.void = f"the callers failed: {last(output) or 'they did not say why'}"
            if sight.end is None:
                nursery.cancel_scope.cancel()
    if waited.cancelled_caught:
        sight.void = f"the callers did not end within {GRACE:g} s of their window"


async def _look(row: Row, server: Server, sight: Sight) -> None:
    """See what the server says of itself when the window is nearly over."""
    await trio.sleep(max(0.0, row.seconds - LOOK))
    sight.threads = server.usage().threads
    sight.health = await server.health()


async def _post(row: Row, known: Account, server: Server, folder: Path, stage: Stage, sight: Sight) -> None:
    """Carriers' webhooks come."""
    spec = {
        "port": server.port,
        "rate": row.webhooks,
        "seconds": max(1.0, row.seconds - BEFORE),
        "public": PUBLIC,
        "number": NUMBER,
        "keys": dict(known.keys),
    }
    output = folder / "webhooks.txt"
    own = environment({"BENCH_NICE": "0" if stage.cores.shared else "1"})
    with output.open("wb") as file:
        running = child(WEBHOOKS, cores=stage.cores.others, folder=ROOT, environment=own, output=file, piped=True)
        async with running as process:
            assert process.stdin is not None
            assert process.stdout is not None
            await process.stdin.send_all(json.dumps(spec).encode())
            await process.stdin.aclose()
            said = b"".join([part async for part in process.stdout])
    if said:
        sight.webhooks = json.loads(said)
        sight.webhooks["word"] = last(output)


def posted(row: Row, sight: Sight) -> dict[str, Any] | None:
    """What became of the webhooks, by their sender and by the server: how many it counted, and what they took."""
    if not row.webhooks:
        return None
    counts = ((sight.after or {}).get("webhooks") or {}).get("counts") or {}
    own = ((sight.health or {}).get("webhooks") or {}).get("took_ms")
    counted = {f"{carrier} {word}": count for carrier, words in counts.items() for word, count in words.items()}
    return {**(sight.webhooks or {"rate": row.webhooks, "sent": 0}), "counted": counted, "server_ms": own}


def _take(said: dict[str, Any], server: Server, stage: Stage, sight: Sight) -> bool:
    """Note an event of the callers'. True: the window has begun."""
    match said:
        case {"event": "window", "what": "begin"}:
            used = server.usage()
            sight.begin = trio.current_time(), used
            return True
        case {"event": "window", "what": "end"}:
            used = server.usage()
            sight.end = trio.current_time(), used
        case {"event": "progress"}:
            sight.phase, sight.up, sight.late_ms = said["phase"], said["up"], said.get("late_ms")
            stage.seen(sight)
        case {"event": "result"}:
            sight.result = said
    return False


def foreign(sight: Sight, cores: Cores) -> float | None:
    """The part of the server's cores that something else had in the window; None if it cannot be said."""
    if sight.begin is None or sight.end is None:
        return None
    (began, before), (ended, after) = sight.begin, sight.end
    taken = (after.busy - before.busy) - (after.cpu - before.cpu)
    return round(max(taken, 0.0) / ((ended - began) * len(cores.server)), 4)


def figures(
    row: Row, server: Server, idle: Usage, idle_health: dict[str, Any] | None, sight: Sight, admitted: int
) -> dict[str, Any]:
    """What the server cost; None where it cannot be said. A call is one of those that were on the line together."""
    # Who hangs up and calls again was admitted twice.
    calls = min(admitted, row.calls) or row.calls
    cpu = None
    if sight.begin is not None and sight.end is not None:
        cpu = (sight.end[1].cpu - sight.begin[1].cpu) / (sight.end[0] - sight.begin[0])
    before, after = (idle_health or {}).get("tasks"), (sight.health or {}).get("tasks")
    refused = (sight.after or {}).get("refused")
    tasks = (after - before) / calls if isinstance(before, int) and isinstance(after, int) else None
    return {
        "cpu": cpu and round(cpu, 4),
        "cpu_per_call": cpu and round(cpu / calls, 5),
        "rss_mb": round(server.peak_mb, 1),
        "idle_rss_mb": round(idle.rss_mb, 1),
        "mb_per_call": round((server.peak_mb - idle.rss_mb) / calls, 3),
        "threads": sight.threads,
        "tasks": after,
        "refused": sum(refused.values()) if isinstance(refused, dict) else None,
        "tasks_per_call": None if tasks is None else round(tasks, 2),
        "ready_s": round(server.ready_s, 2),
    }


@asynccontextmanager
async def simulating(row: Row, folder: Path, stage: Stage) -> AsyncIterator[Path | None]:
    """The file of the agent that the simulators serve; None, and no simulators, for an agent that needs none."""
    if row.agent != "simulated":
        yield None
        return
    agents, output = folder / "simulated.yaml", folder / "simulators.txt"
    with output.open("wb") as file:
        command = [*stage.simulators, "--agent", str(agents)]
        running = child(
            command, cores=stage.cores.others, folder=ROOT, environment=environment({}), output=file, piped=True
        )
        async with running as process:
            assert process.stdout is not None
            with trio.move_on_after(SIMULATED):
                await process.stdout.receive_some()
            if not agents.exists():
                raise Unusable(f"the simulators did not start: {last(output) or 'they did not say why'}")
            yield agents


async def lines(stream: trio.abc.ReceiveStream) -> AsyncGenerator[bytes, None]:
    """The lines of `stream`, each as soon as it is whole."""
    rest = b""
    async for chunk in stream:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
