"""What this process holds open: descriptors, and TCP connections to given ports (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

OWN = Path("/proc/self/fd")
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def descriptors() -> int:
    """Open ones."""
    # One of them is the folder itself.
    return len(os.listdir(OWN)) - 1


def connections(ports: Collection[int]) -> int:
    """This process' sockets whose other end is, or was, at one of these ports, in whatever state."""
    mine = set()
    for number in os.listdir(OWN):
        try:
            target = os.readlink(OWN / number)
        except OSError:
            continue
        if target.startswith("socket:["):
            mine.add(target[8:-1])
    return sum(inode in mine and port in ports for inode, port in _rows())


def _rows() -> list[tuple[str, int]]:
    """Inode and remote port of every TCP socket of the system."""
    found = []
    for table in TABLES:
        if table.exists():
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                found.append((fields[9], int(fields[2].rpartition(":")[2], 16)))
    return found
