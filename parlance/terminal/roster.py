"""Providers as tables: which there are, and what one request to each has shown. Facts in, drawing out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from parlance.terminal.words import clean, shorten

Fact = Mapping[str, Any]
ANSWER = 40
"""Characters of an answer that are shown."""


def providers(facts: Iterable[Fact]) -> Table:
    """Who hears, thinks and speaks, for which agents."""
    table = Table("role", "provider", "model", "at", "key from", "agents", box=None, header_style="bold")
    for fact in facts:
        table.add_row(*_who(fact), str(fact["host"]), str(fact["key"]) or "none", ", ".join(fact["agents"]))
    return table


def health(facts: Iterable[Fact]) -> Table:
    """Milliseconds: until it could be asked, from the request to the first of the answer, and to its end."""
    table = Table("role", "provider", "model", box=None, header_style="bold")
    for name in ("ready ms", "first ms", "whole ms"):
        table.add_column(name, justify="right")
    table.add_column("answer")
    for fact in facts:
        times = (_ms(fact[name]) for name in ("ready", "first", "whole"))
        table.add_row(*_who(fact), *times, _answer(fact))
    return table


def _answer(fact: Fact) -> Text:
    if error := fact["error"]:
        return Text(f"failed: {clean(str(error))}", style="red")
    return Text(shorten(str(fact["told"]), ANSWER), style="green")


def _who(fact: Fact) -> tuple[str, str, str]:
    """`places`: 0 where it is the one that is wanted, then its fallbacks' numbers."""
    also = "also " if 0 in fact["places"] else ""
    fallbacks = ", ".join(str(place) for place in fact["places"] if place)
    told = f" ({also}fallback {fallbacks})" if fallbacks else ""
    return str(fact["role"]), f"{fact['kind']}{told}", str(fact["model"])


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.0f}"
