"""The document as the report reads it: runs with names, and any figure by its path, or None without one. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SHAPES = 6
"""So many series have a color and a marker of their own; the seventh looks like the first."""

LARGEST = 1e12
MISSING = "\N{EN DASH}"
"""What a table has where nothing was measured."""


@dataclass(frozen=True, slots=True)
class Run:
    """One row of the table. `name`: the server, and what else tells its series from others. `series`: 0 is parlance's.

    `calls`: how many were offered; `x`: how many were on the line together, fewer if some were refused.
    """

    name: str
    server: str
    series: int
    calls: int
    x: int
    void: str | None
    broke: tuple[str, ...]
    data: dict[str, Any]

    def number(self, *path: str) -> float | None:
        """The finite number at `path` in the run's record, or None."""
        return number(self.data, *path)

    def samples(self, name: str) -> list[float]:
        """The sorted finite samples of one measure, in ms."""
        found = at(self.data, "samples", name)
        return sorted(float(value) for value in found if finite(value)) if isinstance(found, list) else []

    @property
    def title(self) -> str:
        return f"{self.name}, {calls(self.calls)}{self.burst}{', search for the knee' if self.search else ''}"

    @property
    def search(self) -> bool:
        """Was it a try of the search for the knee, which looks at fewer limits?"""
        return isinstance(self.data.get("search"), dict)

    @property
    def whole(self) -> bool:
        """Did it hold every limit that there is?"""
        return not self.void and not self.broke and not (self.search and at(self.data, "search", "broken"))

    @property
    def burst(self) -> str:
        return " at once" if self.data.get("arrival") == "at once" else ""


def at(data: Any, *path: str) -> Any:
    """What is at `path` in nested dicts; None if there is no such way."""
    for key in path:
        if not isinstance(data, dict):
            return None
        data = data.get(key)
    return data


def finite(value: Any) -> bool:
    """Is it a number that a bench can have measured? Neither is infinity nor what no plot could hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST


def number(data: Any, *path: str) -> float | None:
    """The finite number at `path`, or None."""
    value = at(data, *path)
    return float(value) if finite(value) else None


def calls(count: float) -> str:
    return "1 call" if count == 1 else f"{count:,.0f} calls"


def text(value: Any) -> str:
    """A scalar as a person writes it; nothing for None, and for a number that cannot have been measured."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return figure(float(value)) if finite(value) else ""
    return str(value)


def figure(value: float | None, missing: str = MISSING) -> str:
    """A number with about three digits that count: 0.31, 5.7, 57, 1,240."""
    if value is None:
        return missing
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.0f}"
    if abs(value) >= 1:
        return f"{value:.1f}"
    return f"{value:.2g}" if abs(value) < 0.1 else f"{value:.2f}"


def runs(document: dict[str, Any]) -> list[Run]:
    """The document's runs by number of calls, parlance first among those of one size."""
    found = at(document, "runs")
    records = [record for record in found if isinstance(record, dict)] if isinstance(found, list) else []
    names = [name(record, records) for record in records]
    order = sorted(dict.fromkeys(names), key=lambda name: not name.startswith("parlance"))
    made = [_run(record, name, order.index(name)) for record, name in zip(records, names, strict=True)]
    return sorted(made, key=lambda run: (run.calls, run.series))


def name(record: dict[str, Any], records: list[dict[str, Any]]) -> str:
    """The server, and of carrier, agent, mix and workers what is not the same in all runs of this document."""
    parts = [text(record.get("server")) or "server"]
    for key, words in (("carrier", "{}"), ("agent", "{} agent"), ("mix", "{}"), ("workers", "{} workers")):
        usual, own = text(records[0].get(key)), text(record.get(key))
        if own and own != usual:
            parts.append(words.format(own))
    return ", ".join(parts)


def _run(record: dict[str, Any], name: str, series: int) -> Run:
    # In a mix with hang-ups more calls are offered than there are lines.
    size = int(number(record, "lines") or number(record, "calls") or number(record, "calls", "offered") or 0)
    admitted, refused = number(record, "calls", "admitted"), number(record, "calls", "refused")
    broke = record.get("broke")
    void = record.get("void") or at(record, "callers", "void")
    return Run(
        name=name,
        server=text(record.get("server")) or "server",
        series=series,
        calls=size,
        x=int(min(size, admitted)) if admitted and refused else size,
        void=text(void) or None if void else None,
        broke=tuple(filter(None, map(text, broke))) if isinstance(broke, list) else (),
        data=record,
    )


def names(runs: list[Run]) -> list[tuple[int, str]]:
    """(series, name) of every series, in the order of the series."""
    return sorted({(run.series, run.name) for run in runs})


def flat(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The leaves of nested dicts as ("metronome late_ms p99", value). Lists become one text."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from flat(value, (*path, str(key)))
    elif path:
        yield " ".join(path), ", ".join(map(text, data)) if isinstance(data, list) else data
