"""Supervision as data: a child's specification, the restart budget, and the report of what happened to a child.

The supervisor runs them; whoever has children to be run writes them down here.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal


class Restart(Enum):
    """After which endings a child is started again."""

    PERMANENT = "permanent"
    """Any."""
    TRANSIENT = "transient"
    """An exception."""
    TEMPORARY = "temporary"
    """None."""


@dataclass(frozen=True, slots=True)
class Child:
    """A child, as data.

    `run(*, task_status)` calls `task_status.started()` once it is ready and works until it is cancelled or
    done; it is called again for each restart. `grace`: seconds it has to stop. `significant`: once it has
    ended for good, so has the supervisor.
    """

    name: str
    run: Callable[..., Awaitable[None]]
    restart: Restart = Restart.TRANSIENT
    grace: float = 1.0
    significant: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.grace) and self.grace >= 0):
            raise ValueError(f"child {self.name!r}: its grace must be a number of seconds, not {self.grace}")


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `restarts` restarts, of all children together, within any `seconds`."""

    restarts: int = 3
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.restarts < 0 or not self.seconds > 0:
            raise ValueError(f"a budget is restarts in seconds, not {self.restarts} in {self.seconds}")


What = Literal["started", "returned", "failed", "restarted", "stopped", "overran", "exhausted"]


@dataclass(frozen=True, slots=True)
class Report:
    """What happened to a child.

    Each life begins with its task and, once ready, `started`. It ends with one of `returned`, `failed` (with
    `error`) or `stopped` (it was told to go, and went). After an ending comes `restarted`, or `exhausted`
    where the budget forbids it or another try cannot help, or nothing. `overran`: told to stop, and not gone
    within its grace.
    """

    child: Child
    what: What
    error: BaseException | None = None
