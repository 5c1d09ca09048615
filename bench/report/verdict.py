"""What the runs say, in words: the headline, what held, what broke, what cannot be judged. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench import limits
from bench.report import tables
from bench.report.read import Run, at, calls, figure, number, text


@dataclass(frozen=True, slots=True)
class Tile:
    """One large figure. `value` with its unit, `says` what it is."""

    value: str
    unit: str
    says: str


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind`: "held", "broke", "void" or "knee"; the word is shown, too."""

    kind: str
    text: str


def headline(runs: Sequence[Run]) -> str:
    """One sentence for the first server: parlance, if it ran. An overload is judged beside it, not in it."""
    planned = [run for run in first(runs) if not run.search] or first(runs)
    own = [run for run in planned if not run.burst] or planned
    if not own:
        return "No run was made."
    judged = [run for run in own if not run.void]
    if not judged:
        return f"No verdict: {'the only run is' if len(own) == 1 else f'all {len(own)} runs are'} void."
    held, broke = [run for run in judged if run.whole], [run for run in judged if run.broke]
    server = own[0].name
    if not held and not broke:
        return f"{server} was only searched for the knee."
    if not broke:
        return f"{server} held every limit with {upto(held, judged)} at once."
    worst = broke[0]
    many = "a limit" if len(worst.broke) == 1 else f"{len(worst.broke)} limits, first of all"
    words = f"with {calls(worst.calls)} it broke {many}: {worst.broke[0]}"
    if not held:
        return f"{server} held no run: {words}."
    return f"{server} held {upto(held, judged)} at once; {words}."


def upto(held: Sequence[Run], judged: Sequence[Run]) -> str:
    """ "up to 300 calls" if no smaller run broke; otherwise every size that held."""
    most = max(run.calls for run in held)
    whole = len({run.calls for run in held}) > 1 and not any(run.broke for run in judged if run.calls <= most)
    return f"up to {calls(most)}" if whole else _sizes(held)


def first(runs: Sequence[Run]) -> list[Run]:
    """The runs of the first series."""
    return [run for run in runs if run.series == min(other.series for other in runs)]


def best(runs: Sequence[Run]) -> Run | None:
    """The largest run of the first server that held; if none did, its largest that can be judged."""
    judged = [run for run in first(runs) if not run.void]
    return max(judged, key=lambda run: (run.whole, not run.search, not run.burst, run.calls), default=None)


def tiles(run: Run | None) -> list[Tile]:
    """The figures that matter most, of one run; those it has not are left out."""
    if run is None:
        return []
    found = [Tile(f"{run.calls:,}", "", "calls at once in the run shown here")]
    failed, asked = run.number("turns", "failed"), run.number("turns", "asked")
    if failed is not None:
        found.append(Tile(figure(failed), f"of {figure(asked)}" if asked else "", "turns failed"))
    if (cpu := run.number("process", "cpu")) is not None:
        found.append(Tile(f"{cpu:.2f}", "core", "CPU of the server"))
    for key, says in (
        ("response_ms", "response time"),
        ("own_ms", "own share of it"),
        ("clear_ms", "caller's onset to clear"),
    ):
        middle, late = run.number(key, "p50"), run.number(key, "p99")
        if middle is not None:
            count = run.number(key, "n")
            few = f" of {figure(count)} values" if count and count < tables.ENOUGH else ""
            found.append(Tile(figure(middle), "ms", f"{says}, median; p99 {figure(late)} ms{few}"))
    memory = run.number("process", "mb_per_call")
    if memory is not None and run.calls >= limits.MANY:
        found.append(Tile(figure(memory), "MB", "memory a call"))
    return found


def findings(runs: Sequence[Run], knee: Any) -> list[Finding]:
    """Everything that a reader must know before the plots: breaks and void runs of every server, and the knee."""
    found = []
    for series in sorted({run.series for run in runs}):
        own = [run for run in runs if run.series == series]
        held = [run for run in own if run.whole and not run.search]
        found += [Finding("knee", f"{run.title}: {_searched(run)}") for run in own if run.search and not run.void]
        if usual := [run for run in held if not run.burst]:
            found.append(Finding("held", f"{own[0].name}: {_sizes(usual)}"))
        found += [Finding("held", f"{run.title}{_taken(run)}") for run in held if run.burst]
        found += [Finding("broke", f"{run.title}: {'; '.join(run.broke)}") for run in own if _broke(run)]
        found += [Finding("void", f"{run.title}: {run.void}") for run in own if run.void]
    size = number(knee, "calls")
    if size is not None:
        words = text(at(knee, "broke")) or "nothing that was tried broke"
        tried = at(knee, "tried")
        sizes = f" Tried: {', '.join(map(text, tried))}." if isinstance(tried, list) and tried else ""
        found.append(Finding("knee", f"{calls(size)} were held; beyond that: {words}.{sizes}"))
    return found


def verdict(run: Run) -> Finding:
    """The table's cell."""
    if run.void:
        return Finding("void", run.void)
    if run.broke:
        return Finding("broke", "; ".join(run.broke))
    if run.whole:
        return Finding("held", "")
    beside = at(run.data, "search", "broken")
    words = "; ".join(map(text, beside)) if isinstance(beside, list) else text(beside)
    return Finding("knee", f"held what the search asks, not: {words}")


def _broke(run: Run) -> bool:
    return bool(run.broke) and not run.void and not run.search


def _searched(run: Run) -> str:
    said = verdict(run)
    return f"broke {said.text}" if said.kind == "broke" else said.text or "held every limit"


def _taken(run: Run) -> str:
    admitted, refused = run.number("calls", "admitted"), run.number("calls", "refused")
    if admitted is None or refused is None:
        return ""
    return f": {figure(admitted)} taken, {figure(refused)} refused"


def _sizes(runs: Sequence[Run]) -> str:
    sizes = sorted({run.calls for run in runs})
    if len(sizes) == 1:
        return calls(sizes[0])
    return f"{', '.join(f'{size:,}' for size in sizes[:-1])} and {calls(sizes[-1])}"
