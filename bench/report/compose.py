"""The report is put together here: which plots there are, with which limits, and the page around them. Pure, but for
the page's template and style, which are files beside this one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from bench import limits
from bench.measure.result import LATE
from bench.report import growth, ridges, tables, verdict, waveform
from bench.report.growth import Growth
from bench.report.read import SHAPES, Run, at, finite, flat, names, number, runs, text
from bench.report.ridges import Measure

HERE = Path(__file__).parent
CPU = ((float(limits.FULL), limits.CPU, f"limit {limits.CPU:g} at {limits.FULL} calls"),)
DELAYS = {
    "metronome late_ms p99": "Lateness of the metronome, p99",
    "loop lag_ms p99": "Lag of the loop, p99",
    "loop step_ms": "Longest step between two checkpoints",
    "gc pause_ms worst": "Longest pause for garbage collection",
}
"""The server's own figures that are wanted most, and their titles."""
PANELS = 4
"""So many of the server's own figures are drawn; the table has all."""


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    says: str
    drawing: Markup


@dataclass(frozen=True, slots=True)
class Score:
    """One call's waveform, in long lines for a desk and short ones for a phone."""

    run: Run
    long: list[Markup]
    brief: list[Markup]


def page(document: dict[str, Any]) -> str:
    """The whole report of a bench document, as one HTML page without a single reference to anything outside.

    Whatever the document lacks is left out; text from it is escaped. A document without runs makes a page that says so.
    """
    found = runs(document)
    knee = at(document, "knee")
    chosen = verdict.best(found)
    groups, columns = tables.columns(found)
    return _template().render(
        style=Markup((HERE / "style.css").read_text("utf-8")),
        headline=verdict.headline(found),
        findings=verdict.findings(found, knee),
        tiles=verdict.tiles(chosen),
        chosen=chosen,
        runs=found,
        unusual=tables.unusual(found),
        groups=groups,
        columns=columns,
        verdict=verdict.verdict,
        series=names(found),
        shapes=SHAPES,
        latency=latency(found),
        cost=cost(found),
        knee=bends(found, knee),
        scores=scores(found),
        belief=belief(found),
        details=[table for table in _details(found) if table.rows],
        health=tables.health(found),
        full=limits.FULL,
        late=LATE * 1000,
        made=made(document),
        command=text(at(document, "command")),
        versions=[(name, text(value)) for name, value in flat(at(document, "versions"))],
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def latency(found: Sequence[Run]) -> list[Panel]:
    """The distributions, all runs below each other."""
    return _ridges(
        found,
        (
            Measure(
                "Response time",
                "last voiced frame of the caller to the first audible frame of the agent",
                ("response_ms",),
                "response_ms",
            ),
            Measure(
                "Own share of the response time",
                "without the end-of-turn delay and the providers' time",
                ("own_ms",),
                "own_ms",
                _limits("own_ms"),
            ),
            Measure(
                "Onset to clear",
                "the caller cuts in, until the carrier is told to stop",
                ("clear_ms",),
                "clear_ms",
                _limits("clear_ms"),
            ),
            Measure(
                "Onset to silence",
                "the caller cuts in, until the caller hears nothing more",
                ("silence_ms",),
                "silence_ms",
            ),
        ),
    )


def cost(found: Sequence[Run]) -> list[Panel]:
    """CPU and memory against calls."""
    cores = ((1.0, "one core"),) if any((run.number("process", "cpu") or 0) > 0.2 for run in found) else ()
    return _growths(
        found,
        (
            Growth(
                "CPU", "of the server's processes, by the operating system", "cores", _of("process", "cpu"),
                lines=cores, points=CPU if any(run.calls >= limits.FULL / 2 for run in found) else (), least=0.1,
            ),
            Growth("Memory", "resident, of the server's processes", "MB", _of("process", "rss_mb"), least=10),
        ),
    )  # fmt: skip


def bends(found: Sequence[Run], knee: Any) -> list[Panel]:
    """p99s and failed turns against calls: where they bend is the knee. Nothing with too few sizes for a line."""
    at_calls = number(knee, "calls")
    if at_calls is None and len({run.calls for run in found if not run.burst}) < 3:
        return []
    alone = next((run for run in verdict.first(found) if run.calls == 1 and not run.void), None) if found else None
    beyond = any(run.x > limits.FULL for run in found)

    def limit(key: str) -> tuple[tuple[float, str], ...]:
        single = alone.number(key, "p99") if alone else None
        if single is None or not beyond:
            return ()
        capped = min(single, limits.CAPS.get(key, single))
        return ((capped * limits.MORE + limits.PLUS, f"limit beyond {limits.FULL} calls"),)

    return _growths(
        found,
        (
            Growth("Response time, p99", "", "ms", _of("response_ms", "p99"), limit("response_ms"), log=True),
            Growth("Own share, p99", "", "ms", _of("own_ms", "p99"), limit("own_ms"), log=True),
            Growth("Onset to clear, p99", "", "ms", _of("clear_ms", "p99"), limit("clear_ms"), log=True),
            Growth("Failed turns", "of those asked", "%", failed),
        ),
        at_calls,
    )


def belief(found: Sequence[Run]) -> list[Panel]:
    """Whether the bench itself was in time, and how late the server's own clocks were."""
    callers = Measure(
        "Lateness of the callers",
        "a frame's sending after its due time",
        ("callers", "late_ms"),
        "late_ms",
        (("p99", LATE * 1000),),
        floor=0.05,
    )
    own = [
        Growth(_title(name), "by the server's own word (/health)", "ms", partial(_health, name), least=1)
        for name in delays(found)
    ]
    return _ridges(found, (callers,)) + _growths(found, own)


def delays(found: Sequence[Run]) -> list[str]:
    """Names of the servers' own figures that say, in ms, how long something was held up at worst or nearly so."""
    names = dict.fromkeys(name for run in found for name, value in flat(at(run.data, "health")) if finite(value))
    others = [name for name in names if "_ms" in name and re.search("p99|worst|longest|lag", name)]
    return list(dict.fromkeys([*(name for name in DELAYS if name in names), *others]))[:PANELS]


def _title(name: str) -> str:
    words = name.replace("_ms", "").replace("_", " ")
    return DELAYS.get(name, words[:1].upper() + words[1:])


def _limits(key: str) -> tuple[tuple[str, float], ...]:
    return tuple((which, limit) for measure, _, which, limit in limits.LATENCIES if measure == key)


def _health(name: str, run: Run) -> float | None:
    return number(dict(flat(at(run.data, "health"))), name)


def scores(found: Sequence[Run]) -> list[Score]:
    """One waveform for each server: of its largest run that held, if that has one."""
    chosen: dict[int, tuple[Run, waveform.Waveform]] = {}
    for run in sorted(found, key=lambda run: (run.void is None, not run.broke, run.calls)):
        wave = waveform.read(at(run.data, "waveform"))
        if wave is not None:
            chosen[run.series] = (run, wave)
    return [
        Score(run, waveform.systems(wave, 1080, 15.0), waveform.systems(wave, 480, 6.0))
        for _, (run, wave) in sorted(chosen.items())
    ]


def failed(run: Run) -> float | None:
    """Failed turns in percent of those asked."""
    asked, missed = run.number("turns", "asked"), run.number("turns", "failed")
    return missed / asked * 100 if asked and missed is not None else None


def made(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Where and when, as (name, value)."""
    memory, cores = number(document, "machine", "memory_gb"), number(document, "machine", "cores")
    machine = [
        text(at(document, "machine", "cpu")),
        f"{text(cores)} core{'s' * (cores != 1)}" if cores else "",
        f"{text(memory)} GB" if memory else "",
    ]
    rows = [
        ("made", text(at(document, "made")).replace("T", " ")),
        ("machine", ", ".join(filter(None, machine))),
        ("system", text(at(document, "machine", "system"))),
        ("Python", text(at(document, "machine", "python"))),
        ("commit", text(at(document, "commit"))),
    ]
    return [(name, value) for name, value in rows if value]


def _ridges(found: Sequence[Run], measures: Sequence[Measure]) -> list[Panel]:
    drawn = ((measure, ridges.panel(found, measure)) for measure in measures)
    return [Panel(measure.title, measure.says, drawing) for measure, drawing in drawn if drawing is not None]


def _growths(found: Sequence[Run], wanted: Sequence[Growth], knee: float | None = None) -> list[Panel]:
    drawn = ((one, growth.panel(found, one, knee)) for one in wanted)
    return [Panel(one.title, one.says, drawing) for one, drawing in drawn if drawing is not None]


def _of(*path: str) -> Callable[[Run], float | None]:
    return lambda run: run.number(*path)


def _details(found: Sequence[Run]) -> list[tables.Table]:
    return [tables.distributions(found), tables.counted(found), tables.process(found)]
