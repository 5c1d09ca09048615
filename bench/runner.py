"""The runs of a plan, one after the other; the search for the knee; and the document that is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import limits
from bench.knee import Knee, Tried, search
from bench.machine import commit, machine, peers, versions
from bench.plan import MOST, Options, Row
from bench.target import Target
from bench.trial import Stage, run

Choose = Callable[[Row, Path | None], Target]


class Runner:
    """Carries out `options`. `runs` grows as they end, so that what was measured is there even if the rest is not.

    `began` is called with each run before it begins.
    """

    def __init__(self, options: Options, choose: Choose, stage: Stage, began: Callable[[Row], None]) -> None:
        self.runs: list[dict[str, Any]] = []
        self.knee: Knee | None = None
        self.failed = False
        """A run of parlance's broke a limit or is void; the runs of the search for the knee do not count."""
        self._options, self._choose, self._stage, self._began = options, choose, stage, began
        self._singles: dict[tuple[str, str], dict[str, Any]] = {}

    async def run(self) -> None:
        """Every run of the plan; then the knee, if it is asked for."""
        for row in self._options.rows():
            found = await self._one(row, self._stage)
            found["broke"] += limits.broken(found, self._singles.get((row.server, row.carrier)))
            if row.calls == 1 and not found["void"]:
                self._singles.setdefault((row.server, row.carrier), found)
            self.runs.append(found)
            self.failed |= row.server == "parlance" and bool(found["broke"] or found["void"])
        if self._options.find_knee:
            await self._find()

    async def _find(self) -> None:
        single = self._singles.get(("parlance", self._options.carriers[0]))
        if single is None or not single["turns"]["answered"]:
            self.knee = Knee(0, "not searched: the run with one call, which all are held against, has no figures", ())
            return
        steps = search(MOST)
        calls = next(steps)
        while True:
            found = await self._one(self._options.knee(calls), replace(self._stage, waveform=False))
            findings = tuple(found["broke"])
            found["search"] = {"broken": [*findings, *limits.broken(found, single)]}
            found["broke"] += limits.beyond(found, single)
            self.runs.append(found)
            try:
                calls = steps.send(Tried(tuple(found["broke"]), found["void"]))
            except StopIteration as end:
                self.knee = end.value
                return

    async def _one(self, row: Row, stage: Stage) -> dict[str, Any]:
        self._began(row)
        return await run(row, self._choose, stage)


def document(runs: Sequence[dict[str, Any]], knee: Knee | None, command: str, made: datetime) -> dict[str, Any]:
    """What is saved, and what the report is made of."""
    return {
        "made": made.isoformat(timespec="seconds"),
        "command": command,
        "machine": machine(),
        "versions": versions() | peers({run["server"] for run in runs}),
        "commit": commit(),
        "runs": list(runs),
        "knee": knee and {"calls": knee.calls, "broke": knee.broke, "tried": list(knee.tried)},
    }
