"""The report's tables as rows of text: the one that counts, and those that a reader opens. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.report.read import MISSING, Run, at, figure, flat, number, text

Value = Callable[[Run], float | None]
ENOUGH = 100
"""Values from which a p99 is more than the worst of them."""


@dataclass(frozen=True, slots=True)
class Column:
    """`group` and `name`: the two lines of its head. `marks`: how words begin for a limit that its figure breaks.
    `count`: of a p99, how many values it is of."""

    group: str
    name: str
    of: Value
    marks: tuple[str, ...] = ()
    count: Value | None = None

    def shown(self, run: Run) -> str:
        """The cell; beside a p99 of few values, how many they were."""
        shown, count = figure(self.of(run)), self.count(run) if self.count else None
        return f"{shown} (n {figure(count)})" if count and count < ENOUGH else shown

    def broken(self, run: Run) -> bool:
        return bool(self.marks) and any(words.startswith(self.marks) for words in run.broke)


@dataclass(frozen=True, slots=True)
class Table:
    """`head`: one text a column; `rows`: the first text of each is its name."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def _at(*path: str) -> Value:
    return lambda run: run.number(*path)


COLUMNS = (
    Column("Turns", "asked", _at("turns", "asked")),
    Column("Turns", "failed", _at("turns", "failed"), ("failed turns", "no turn", "replies", "utterances")),
    Column("Response, ms", "p50", _at("response_ms", "p50")),
    Column("Response, ms", "p99", _at("response_ms", "p99"), ("response",), _at("response_ms", "n")),
    Column("Own share, ms", "p50", _at("own_ms", "p50"), ("own share p50",)),
    Column("Own share, ms", "p99", _at("own_ms", "p99"), ("own share p99",), _at("own_ms", "n")),
    Column("Onset to clear, ms", "p50", _at("clear_ms", "p50"), ("onset to clear p50",)),
    Column(
        *("Onset to clear, ms", "p99", _at("clear_ms", "p99")),
        ("onset to clear p99", "barge-ins", "clears without"),
        _at("clear_ms", "n"),
    ),
    Column("Silence, ms", "p50", _at("silence_ms", "p50"), ("onset to silence",)),
    Column("Gaps", "over 20 ms", _at("gaps", "count"), ("gaps",)),
    Column("Greeting, ms", "p99", _at("greeting_ms", "p99"), ("greeted", "ungreeted"), _at("greeting_ms", "n")),
    Column("Webhooks, ms", "p99", _at("webhooks", "took_ms", "p99"), ("webhooks",)),
    Column("CPU, cores", "total", _at("process", "cpu"), ("CPU",)),
    Column("CPU, cores", "a call", _at("process", "cpu_per_call")),
    Column("Memory", "MB a call", _at("process", "mb_per_call"), ("memory",)),
    Column("Tasks", "a call", _at("process", "tasks_per_call"), ("tasks",)),
    Column("Calls", "refused", _at("calls", "refused"), ("refused",)),
    Column("Callers", "late p99, ms", _at("callers", "late_ms", "p99")),
)


def columns(runs: Sequence[Run]) -> tuple[list[tuple[str, int]], list[Column]]:
    """The groups with the number of their columns, and the columns. One that no run has a value in is left out."""
    shown = [column for column in COLUMNS if any(column.of(run) is not None for run in runs)]
    groups: list[tuple[str, int]] = []
    for column in shown:
        if groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    return groups, shown


def unusual(runs: Sequence[Run]) -> str:
    """Carrier, agent, mix of callers and workers, where they are not the usual ones."""
    usual = (
        ("carrier", "twilio", "carrier {}"),
        ("agent", "rehearsal", "agent {}"),
        ("mix", "conversation", "mix {}"),
        ("workers", "1", "{} workers"),
    )
    found = []
    for key, common, words in usual:
        every = dict.fromkeys(text(at(run.data, key)) for run in runs)
        found += [words.format(value) for value in every if value not in ("", common)]
    return ", ".join(found)


def distributions(runs: Sequence[Run]) -> Table:
    """Every DIST of every run."""
    rows = []
    measures = (
        ("response", ("response_ms",)),
        ("own share", ("own_ms",)),
        ("onset to clear", ("clear_ms",)),
        ("onset to silence", ("silence_ms",)),
        ("jitter of the agent's audio", ("jitter_ms",)),
        ("start to greeting", ("greeting_ms",)),
        ("webhook to answer", ("webhooks", "took_ms")),
        ("lateness of the callers", ("callers", "late_ms")),
    )
    for name, path in measures:
        for run in runs:
            found = [run.number(*path, key) for key in ("n", "mean", "p50", "p90", "p99", "worst")]
            if any(found):
                rows.append((name, run.title, *map(figure, found)))
    return Table(
        "Every distribution, in ms", ("measure", "run", "values", "mean", "p50", "p90", "p99", "worst"), tuple(rows)
    )


def counted(runs: Sequence[Run]) -> Table:
    """What became of every call and every turn."""
    return _across(
        "What became of every call and every turn",
        runs,
        [
            {
                **{f"calls {key}": value for key, value in flat(at(run.data, "calls"))},
                **{f"turns {key}": value for key, value in flat(at(run.data, "turns") or {})},
                **{f"gaps {key}": value for key, value in flat(at(run.data, "gaps") or {})},
            }
            for run in runs
        ],
    )


def process(runs: Sequence[Run]) -> Table:
    """What the operating system said of the server, and of the callers' cost."""
    return _across(
        "The server as the operating system saw it",
        runs,
        [
            {
                **dict(flat(at(run.data, "process") or {})),
                "callers' CPU, cores": number(run.data, "callers", "cpu"),
            }
            for run in runs
        ],
    )


def health(runs: Sequence[Run]) -> Table:
    """What the server said of itself at the end of the steady window, whatever that was."""
    return _across(
        "The server's own figures (/health)", runs, [dict(flat(at(run.data, "health") or {})) for run in runs]
    )


def _across(caption: str, runs: Sequence[Run], found: Sequence[dict[str, object]]) -> Table:
    """One column a run, one row a figure, in the order in which figures first come; empty rows and columns left out."""
    kept = [(run, values) for run, values in zip(runs, found, strict=True) if any(map(text, values.values()))]
    keys = dict.fromkeys(key for _, values in kept for key, value in values.items() if text(value))
    rows = tuple((key.replace("_", " "), *(text(values.get(key)) or MISSING for _, values in kept)) for key in keys)
    return Table(caption, ("", *(run.title for run, _ in kept)), rows if kept else ())
