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


def pair(key: str) -> Callable[[Run], str]:
    """p50 and p99 of a distribution."""
    return lambda run: (
        f"{milliseconds(run[key].get('p50'))}/{milliseconds(run[key].get('p99'))}" if run[key].get("n") else NOTHING
    )


def _calls(run: Run) -> str:
    return f"{run['lines']}{' at once' * (run['arrival'] == 'at once')}"


def _turns(run: Run) -> str:
    return f"{run['turns']['asked']}/{run['turns']['failed']}"


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value * 100:.2f} %"


WHO = (
    Column("server", lambda run: run["server"]),
    Column("calls", _calls, ("admitted calls",)),
)
LATENCY = (
    Column(
        "turns/\nfailed",
        _turns,
        ("failed turns", "no turn", "replies cut short", "dropped calls", "stuck calls"),
    ),
    Column("response\np50/p99 ms", pair("response_ms"), ("response",)),
    Column("own share\np50/p99 ms", pair("own_ms"), ("own share",)),
    Column("onset to clear\np50/p99 ms", pair("clear_ms"), ("onset to clear", "barge-ins without")),
    Column("to silence\np50 ms", lambda run: milliseconds(run["silence_ms"].get("p50"))),
    Column("gaps", lambda run: str(run["gaps"]["count"]), ("gaps",)),
)
COST = (
    Column("CPU\ncores", lambda run: number(run["process"]["cpu"], 3), ("CPU",)),
    Column("CPU\na call", lambda run: _percent(run["process"]["cpu_per_call"])),
    Column("MB\na call", lambda run: number(run["process"]["mb_per_call"], 2), ("memory",)),
    Column("tasks\na call", lambda run: number(run["process"]["tasks_per_call"], 1), ("tasks",)),
    Column("refused", lambda run: str(run["calls"]["refused"]), ("refused", "half-answered", "calls neither")),
    Column("callers late\np99 ms", lambda run: milliseconds(run["callers"]["late_ms"].get("p99"))),
)
EVERY = (*WHO, *LATENCY, *COST)


def marked(column: Column, run: Run) -> bool:
    """Did the run break a limit of this column's figure?"""
    return any(words.startswith(column.marks) for words in run["broke"]) if column.marks else False


def show(console: Console, runs: Sequence[Run], notes: Iterable[str] = ()) -> None:
    """Print the table, as wide as `console` allows; then what broke, what is void, and `notes`.

    Where not all columns fit there are two tables; where those do not fit, each run is a list of its figures.
    """
    parts: list[RenderableType]
    halves = ((*WHO, *LATENCY), (*WHO, *COST))
    if _fits(console, EVERY, runs):
        parts = [_table(EVERY, runs)]
    elif all(_fits(console, half, runs) for half in halves):
        parts = [_table(halves[0], runs), Text(), _table(halves[1], runs)]
    else:
        parts = [_list(run) for run in runs]
    console.print(Group(*parts))
    for line in (*words(runs), *notes):
        console.print(Text(line))


def words(runs: Sequence[Run]) -> list[str]:
    """What broke and what is void, a line each."""
    found = []
    for run in runs:
        name = f"{run['server']}, {run['lines']} call{'s' * (run['lines'] != 1)}"
        if run["void"]:
            found.append(f"void: {name}: {run['void']}")
        found.extend(f"! {name}: {words}" for words in run["broke"])
    return found


def markdown(runs: Sequence[Run]) -> str:
    """The table and the words below it, for README and docs."""
    rows = [[column.label for column in EVERY], ["---", *["--:"] * (len(EVERY) - 1)]]
    rows += [[_text(column, run) for column in EVERY] for run in runs]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([table, *("\n".join(f"- {line}" for line in found) for found in [words(runs)] if found)])


def _text(column: Column, run: Run) -> str:
    if run["void"] and column not in WHO:
        return "void" if column is LATENCY[0] else ""
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
    peers = len({run["server"] for run in runs}) > 1
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
    for column in EVERY:
        table.add_row(Text(column.label, style="dim"), _cell(column, run))
    table.add_row()
    return table
