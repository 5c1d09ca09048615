"""What the bench shows while it runs, on standard error: which run, how many calls are up, how long it still takes.

On a terminal a bar; elsewhere a line for each run.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import trio
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from bench.plan import Row, duration
from bench.trial import Sight

REFRESH = 2.0
"""Times a second: the bench shares its core with the callers."""


class Bar:
    """The progress of all runs. `total`: seconds that they are expected to take; a search may take longer."""

    def __init__(self, console: Console, total: float, runs: int) -> None:
        self._console = console
        self._runs = runs
        self._number = 0
        self._before = 0.0
        self._row: Row | None = None
        self._began = 0.0
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[left]} left"),
            console=console,
            refresh_per_second=REFRESH,
            auto_refresh=False,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=total, left=duration(total))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._progress.stop()

    def next(self, row: Row) -> None:
        """The run of `row` begins."""
        if self._row is not None:
            self._before += self._row.takes
        self._row, self._began = row, trio.current_time()
        self._number += 1
        self._runs = max(self._runs, self._number)
        if not self._console.is_terminal:
            self._console.print(f"run {self._number} of {self._runs}: {row.name}, {duration(row.takes)}", markup=False)
        self.see(Sight())

    def see(self, sight: Sight) -> None:
        """The run in hand is as far as `sight` says."""
        if self._row is None:
            return
        elapsed = min(trio.current_time() - self._began, self._row.takes)
        done = self._before + elapsed
        task = self._progress.tasks[0]
        total = max(task.total or 0.0, self._before + self._row.takes)
        late = "" if sight.late_ms is None else f", callers {sight.late_ms:.1f} ms late"
        self._progress.update(
            self._task,
            description=f"run {self._number} of {self._runs}: {self._row.name}: {sight.phase}, {sight.up} up{late}",
            completed=done,
            total=total,
            left=duration(total - done),
            refresh=True,
        )
