"""What there is of tasks and open files, to compare with what there was: a house that has gone leaves nothing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import trio


def census() -> Counter[str]:
    """The tasks, by name, and the open files."""
    found = Counter({"open files": len(os.listdir("/proc/self/fd"))})
    root = trio.lowlevel.current_root_task()
    tasks = [] if root is None else [root]
    while tasks:
        task = tasks.pop()
        # Some have a call's id in their name.
        found[task.name.split()[0]] += 1
        tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found


async def settled(remains: Callable[[], Counter[str]]) -> dict[str, int]:
    """What `remains` still finds after it had time to go: nothing is an empty dict."""
    with trio.move_on_after(8):
        while remains():
            await trio.sleep(0.02)
    return dict(remains())
