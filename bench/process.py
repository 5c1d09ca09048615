"""Child processes of the bench: started on their cores, ended whatever happens, and what the operating system says of
them (proc(5)).

A family is a process with all that come from it: each child of the bench leads a session, and children's children may
lead one of their own.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO

import trio

from bench.machine import ROOT

ENDING = 3.0
"""Seconds that a child has to end after SIGTERM when the bench itself is ended."""
TICKS = os.sysconf("SC_CLK_TCK")
ERROR = re.compile(r"^[\s|]*((?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit|Group)\b.*)")
"""A line of a traceback that names the exception, in a group of exceptions too."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a family: CPU seconds used so far, resident memory in MB, threads. `busy`: CPU seconds that anybody had on its
    cores so far, with those that the machine's host took for others."""

    cpu: float
    rss_mb: float
    threads: int
    busy: float = 0.0


@asynccontextmanager
async def child(
    command: Sequence[str],
    *,
    cores: Collection[int],
    folder: Path,
    environment: Mapping[str, str],
    output: IO[bytes],
    piped: bool = False,
) -> AsyncIterator[trio.Process]:
    """A process in a session of its own, so that Ctrl+C reaches it by way of the bench only.

    Its standard error goes to `output`, and so does its standard output unless it is `piped`, together with its input.
    When the context is left, it and its family are gone. Raises OSError if it cannot be started.
    """
    process = await trio.lowlevel.open_process(
        list(command),
        stdin=PIPE if piped else DEVNULL,
        stdout=PIPE if piped else output,
        stderr=output,
        cwd=folder,
        env=dict(environment),
        start_new_session=True,
    )
    # Before it has threads that could keep other cores: an interpreter needs longer than this to start.
    with contextlib.suppress(ProcessLookupError):
        os.sched_setaffinity(process.pid, cores)
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            await end(process, ENDING)
            if process.stdin is not None:
                await process.stdin.aclose()
            if process.stdout is not None:
                await process.stdout.aclose()


async def end(process: trio.Process, patience: float) -> bool:
    """SIGTERM, then wait for `patience` seconds; what is left of the family then is killed. Did it end in time?"""
    family = {pid: _born(pid) for pid in kin(process.pid)}
    if process.poll() is None:
        process.terminate()
    with trio.move_on_after(patience) as waited:
        await process.wait()
    for pid, born in (family | {pid: _born(pid) for pid in kin(process.pid)}).items():
        # The number may be somebody else's by now.
        if born is not None and _born(pid) == born:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    with trio.CancelScope(shield=True):
        await process.wait()
    return not waited.cancelled_caught


def last(output: Path) -> str:
    """What was written last, for a message: the exception if there was one, else the last line."""
    lines = output.read_text(errors="replace").strip().splitlines()
    named = [found[1] for line in lines if (found := ERROR.match(line))]
    return public((named or lines or [""])[-1].strip())


def public(words: str) -> str:
    """`words` without the folders of this machine, which are of no interest to anybody else."""
    words = words.replace(f"{ROOT}{os.sep}", "").replace(str(ROOT), ".").replace(str(Path.home()), "~")
    return re.sub(rf"{re.escape(tempfile.gettempdir())}/bench\w*/?", "", words)


def kin(pid: int) -> list[int]:
    """The family of `pid`, as far as it lives; orphans of it too, if they are still in its session."""
    numbers = (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal())
    everybody = {one: fields for one in numbers if (fields := _stat(one)) and fields[0] != "Z"}
    found = {one for one, fields in everybody.items() if one == pid or int(fields[3]) == pid}
    while more := {one for one, fields in everybody.items() if int(fields[1]) in found} - found:
        found |= more
    return sorted(found)


def usage(family: Iterable[int]) -> Usage:
    """What the family uses together; CPU with that of children that have ended."""
    ticks = pages = threads = 0
    for pid in family:
        if fields := _stat(pid):
            ticks += sum(map(int, fields[11:15]))
            threads += int(fields[17])
            pages += int(fields[21])
    return Usage(ticks / TICKS, pages * os.sysconf("SC_PAGE_SIZE") / 1e6, threads)


def busy(cores: Collection[int], file: Path = Path("/proc/stat")) -> float:
    """CPU seconds so far that processes had on `cores`, and that the host took from them (steal).

    Interrupts are left out: who caused them cannot be told, and with sockets on loopback it is mostly the server.
    """
    rows = (line.split() for line in file.read_text().splitlines() if line.startswith("cpu"))
    wanted = {f"cpu{core}" for core in cores}
    # user, nice, system, idle, iowait, irq, softirq, steal
    return sum(sum(int(row[at]) for at in (1, 2, 3, 8)) for row in rows if row[0] in wanted) / TICKS


def _born(pid: int) -> str | None:
    """When `pid` was started, which with its number tells it from all others; None if it does not live."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else None


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state) on; None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
