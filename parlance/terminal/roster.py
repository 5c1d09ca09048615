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
        error = str(fact["error"])
        told = Text(clean(error), style="red") if error else Text(shorten(str(fact["told"]), ANSWER), style="green")
        table.add_row(*_who(fact), *times, told)
    return table


def _who(fact: Fact) -> tuple[str, str, str]:
    place = f" (fallback {fact['place']})" if fact["place"] else ""
    return str(fact["role"]), f"{fact['kind']}{place}", str(fact["model"])


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.0f}"
