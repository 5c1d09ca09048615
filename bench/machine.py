"""On what a figure was measured: the machine, the versions, the commit, and which cores each process gets."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "parlance",
    "trio",
    "hypercorn",
    "h11",
    "wsproto",
    "quart-trio",
    "websockets",
    "numpy",
    "pydantic",
    "webrtcvad-wheels",
)
ASKED = ("fastapi", "uvicorn", "uvloop", "httptools", "websockets", "webrtcvad-wheels", "pipecat-ai", "onnxruntime")
"""Packages of the peers."""
ASK = """
import json, platform, sys
from importlib import metadata
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""
FILES = ("--json", "--html")


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the server runs, and where its callers and the simulators do."""

    server: frozenset[int]
    others: frozenset[int]

    @property
    def shared(self) -> bool:
        """The callers take CPU from the server: its figures are worse than they would be."""
        return bool(self.server & self.others)


def cores(workers: int, available: Sequence[int] | None = None) -> Cores:
    """The first core for each worker, the rest for the others; all of them where nothing is left."""
    have = sorted(os.sched_getaffinity(0) if available is None else available)
    server, others = have[:workers], have[workers:]
    return Cores(frozenset(server), frozenset(others or have))


def machine() -> dict[str, Any]:
    """What the figures depend on most."""
    return {
        "cpu": _line("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int((_line("/proc/meminfo", "MemTotal") or "0").split()[0]) / 1024**2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Those of what takes part in a call, as far as it is installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def peers(names: Collection[str]) -> dict[str, dict[str, str]]:
    """Of the peers among `names`: the versions of Python and of what each is made of, where it is installed."""
    # Only who ran peers needs them.
    from bench.peers import servers

    found = {}
    for name, peer in servers().items():
        if name in names and (said := _told(peer.environment / "bin" / "python")):
            found[name] = said
    return found


def _told(python: Path) -> dict[str, str]:
    try:
        done = subprocess.run([python, "-c", ASK, *ASKED], capture_output=True, text=True, timeout=20, check=True)
        said = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, json.JSONDecodeError):
        return {}
    return said if isinstance(said, dict) else {}


@contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """This thread on `cores` for as long as the context lasts: what watches takes nothing from what is watched."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def commit(root: Path = ROOT) -> str | None:
    """The short hash, with `-dirty` where a tracked file differs from it; None without git."""
    head = _git(root, "rev-parse", "--short", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{head}-dirty" if head and changed else head


def command(arguments: Sequence[str]) -> str:
    """The command as somebody else would type it: where its files went is of no interest to him."""
    kept, skip = [], False
    for argument in arguments:
        if not skip and argument not in FILES and not argument.startswith(tuple(f"{name}=" for name in FILES)):
            kept.append(argument)
        skip = not skip and argument in FILES
    return shlex.join(["python", "-m", "bench", *kept])


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _line(file: str, key: str) -> str | None:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)
