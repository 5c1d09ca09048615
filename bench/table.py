"""The runs as one table: for a terminal of any width, for a pipe, and as Markdown for the documents.

Every cell is a figure of the record; `!` marks what broke its limit, and the words for it stand below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

Run = dict[str, Any]
NOTHING = "-"
ENOUGH = 100
"""Values from which a p99 is more than the worst of them."""
SPACE = 2
"""Columns between two figures."""


@dataclass(frozen=True, slots=True)
class Column:
    """`head`, in one line or two; `cell` of a run; `marks`: how the words for a limit that its figure breaks begin."""

    head: str
    cell: Callable[[Run], str]
    marks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The head in one line."""
        return self.head.replace("\n", " ")


def number(value: float | None, digits: int = 0) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def milliseconds(value: float | None) -> str:
    """Below 10 with a decimal: the own share is a few."""
    return number(value, 1 if value is not None and value < 10 else 0)


def pair(*path: str) -> Callable[[Run], str]:
    """p50 and p99 of a distribution, and of how many values if they are too few for a p99."""

    def cell(run: Run) -> str:
        found: Any = run
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if not found or not (count := found.get("n")):
            return NOTHING
        few = f" n={count}" if count < ENOUGH else ""
        return f"{milliseconds(found.get('p50'))}/{milliseconds(found.get('p99'))}{few}"

    return cell


def health(*path: str, digits: int = 1) -> Callable[[Run], str]:
    """A figure that the server said of itself."""

    def cell(run: Run) -> str:
        found: Any = run["health"]
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return number(found, digits) if isinstance(found, int | float) else NOTHING

    return cell


def _calls(run: Run) -> str:
    return f"{run['lines']}{' at once' * (run['arrival'] == 'at once')}{' (knee)' * bool(run.get('search'))}"


def _turns(run: Run) -> str:
    return f"{run['turns']['asked']}/{run['turns']['failed']}"


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value * 100:.2f} %"


def _server(run: Run) -> str:
    """With the carrier whose dialect it was called in, if that is not Twilio."""
    dialect = run.get("carrier", "twilio")
    return run["server"] if dialect == "twilio" else f"{run['server']} {dialect}"


WHO = (
    Column("server", _server),
    Column("calls", _calls, ("admitted calls",)),
)
LATENCY = (
    Column(
        "turns/\nfailed",
        _turns,
        (
            "failed turns",
            "no turn",
            "replies",
            "dropped calls",
            "stuck calls",
            "utterances",
            "sound without",
            "answered",
        ),
    ),
    Column("response\np50/p99 ms", pair("response_ms"), ("response",)),
    Column("own share\np50/p99 ms", pair("own_ms"), ("own share",)),
    Column("onset to clear\np50/p99 ms", pair("clear_ms"), ("onset to clear", "barge-ins", "clears without")),
    Column("to silence\np50 ms", lambda run: milliseconds(run["silence_ms"].get("p50")), ("onset to silence",)),
    Column("gaps", lambda run: str(run["gaps"]["count"]), ("gaps",)),
    Column("greeting\np50/p99 ms", pair("greeting_ms"), ("greeted", "ungreeted")),
)
COST = (
    Column("CPU\ncores", lambda run: number(run["process"]["cpu"], 3), ("CPU",)),
    Column("CPU\na call", lambda run: _percent(run["process"]["cpu_per_call"])),
    Column("MB\na call", lambda run: number(run["process"]["mb_per_call"], 2), ("memory",)),
    Column("tasks\na call", lambda run: number(run["process"]["tasks_per_call"], 1), ("tasks",)),
    Column("refused", lambda run: str(run["calls"]["refused"]), ("refused", "half-answered", "calls ")),
    Column("callers late\np99 ms", lambda run: milliseconds(run["callers"]["late_ms"].get("p99"))),
)
INSIDE = (
    Column("threads", lambda run: number(run["process"]["threads"]), ("threads",)),
    Column("audio jitter\np99 ms", lambda run: milliseconds(run["jitter_ms"].get("p99"))),
    Column("metronome late\np99 ms", health("metronome", "late_ms", "p99")),
    Column("loop lag\np99 ms", health("loop", "lag_ms", "p99")),
    Column("GC pause\nworst ms", health("gc", "pause_ms", "worst")),
)
"""What goes on inside the server, as far as it tells."""
WEBHOOKS = Column("webhooks\np50/p99 ms", pair("webhooks", "took_ms"), ("webhooks",))
"""Shown where there were any."""
EVERY = (*WHO, *LATENCY, *COST)


def every(runs: Sequence[Run]) -> tuple[Column, ...]:
    """The columns of the one table."""
    return (*EVERY, *_webhooks(runs))


def _webhooks(runs: Sequence[Run]) -> tuple[Column, ...]:
    return (WEBHOOKS,) if any(run.get("webhooks") for run in runs) else ()


def marked(column: Column, run: Run) -> bool:
    """Did the run break a limit of this column's figure?"""
    return any(words.startswith(column.marks) for words in run["broke"]) if column.marks else False


def show(console: Console, runs: Sequence[Run], notes: Iterable[str] = ()) -> None:
    """Print the table, as wide as `console` allows; then what broke, what is void, and `notes`.

    Where all columns fit, a small table tells what goes on inside the server. Where they do not there are two tables;
    where those do not fit, each run is a list of its figures.
    """
    parts: list[RenderableType]
    halves = ((*WHO, *LATENCY), (*WHO, *COST, *_webhooks(runs)))
    if _fits(console, every(runs), runs):
        parts = [_table(every(runs), runs), Text(), Text("inside the server"), _table((*WHO, *INSIDE), runs)]
    elif all(_fits(console, half, runs) for half in halves):
        parts = [_table(halves[0], runs), Text(), _table(halves[1], runs)]
    else:
        parts = [_list(run) for run in runs]
    if of := caption(runs):
        console.print(Text(of))
    console.print(Group(*parts))
    for line in (*words(runs), *notes):
        console.print(Text(line))


def caption(runs: Sequence[Run]) -> str:
    """What is unusual about the runs: agent, mix of callers, workers."""
    found = [
        *(f"agent {agent}" for agent in dict.fromkeys(run["agent"] for run in runs) if agent != "rehearsal"),
        *(f"mix {mix}" for mix in dict.fromkeys(run["mix"] for run in runs) if mix != "conversation"),
        *(f"{workers} workers" for workers in dict.fromkeys(run["workers"] for run in runs) if workers != 1),
    ]
    return ", ".join(found)


def words(runs: Sequence[Run]) -> list[str]:
    """What broke and what is void, a line each."""
    found = []
    for run in runs:
        search = ", search for the knee" if run.get("search") else ""
        name = f"{_server(run)}, {run['lines']} call{'s' * (run['lines'] != 1)}{search}"
        if run["void"]:
            found.append(f"void: {name}: {run['void']}")
        found.extend(f"! {name}: {words}" for words in run["broke"])
    return found


def markdown(runs: Sequence[Run]) -> str:
    """The table and the words below it, for README and docs."""
    listed = "\n".join(f"- {line}" for line in words(runs))
    parts = [caption(runs), _rows(every(runs), runs), listed, "Inside the server:", _rows((*WHO, *INSIDE), runs)]
    return "\n\n".join(part for part in parts if part)


def _rows(columns: Sequence[Column], runs: Sequence[Run]) -> str:
    rows = [[column.label for column in columns], ["---", *["--:"] * (len(columns) - 1)]]
    rows += [[_text(column, run) for column in columns] for run in runs]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _text(column: Column, run: Run) -> str:
    if run["void"] and column not in WHO:
        return "void" if column in (LATENCY[0], INSIDE[0]) else ""
    return column.cell(run) + " !" * marked(column, run)


def _cell(column: Column, run: Run) -> Text:
    return Text(_text(column, run), style="bold red" if marked(column, run) else "dim" if run["void"] else "")


def _table(columns: Sequence[Column], runs: Sequence[Run]) -> Table:
    """Nothing wraps but heads. Beside peers, each number of calls is a block."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, SPACE, 0, 0))
    for column in columns:
        table.add_column(
            column.head,
            justify="left" if column is WHO[0] else "right",
            vertical="bottom",
            width=_width(column, runs),
        )
    peers = len({_server(run) for run in runs}) > 1
    for before, run in zip([None, *runs], runs, strict=False):
        if peers and before is not None and before["lines"] != run["lines"]:
            table.add_row()
        table.add_row(*(_cell(column, run) for column in columns))
    return table


def _width(column: Column, runs: Sequence[Run]) -> int:
    """What a column needs: its widest cell or the longer line of its head."""
    return max(map(len, [*column.head.split("\n"), *(_text(column, run) for run in runs)]))


def _fits(console: Console, columns: Sequence[Column], runs: Sequence[Run]) -> bool:
    return sum(_width(column, runs) + SPACE for column in columns) <= console.width


def _list(run: Run) -> Table:
    table = Table.grid(padding=(0, SPACE, 0, 0))
    for column in every([run]):
        table.add_row(Text(column.label, style="dim"), _cell(column, run))
    table.add_row()
    return table
