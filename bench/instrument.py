"""What the commands that measure one thing have in common: options, what they show meanwhile, how they tell what they
found.

`python -m bench.X --help` is the first words of its module. Figures go to standard output, everything else to standard
error.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import machine

CLEAR = "\r\x1b[K"
WIDE = 170
"""Columns of a table that no terminal limits."""


def parser(module: str, about: str | None) -> argparse.ArgumentParser:
    """`about`: the module's docstring."""
    return argparse.ArgumentParser(
        prog=f"python -m bench.{module}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def options(module: str, about: str | None) -> argparse.ArgumentParser:
    """As `parser`; `--json` is known."""
    known = parser(module, about)
    known.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    return known


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Gives what is to be told what is being done: one line that changes on a terminal, else a line each."""
    # By hand: what draws in a thread of its own takes time from what is measured.
    live = sys.stderr.isatty()

    def seen(what: str) -> None:
        line = f"{CLEAR}{what[: shutil.get_terminal_size().columns - 1]}" if live else f"{what}\n"
        print(line, end="", file=sys.stderr, flush=True)

    try:
        yield seen
    finally:
        if live:
            print(CLEAR, end="", file=sys.stderr, flush=True)


def document(**found: Any) -> None:
    """Print the figures as JSON, with what they depend on."""
    about = {"machine": machine.machine(), "commit": machine.commit(), "versions": machine.versions()}
    print(json.dumps({**about, **found}, indent=2))


def show(table: Table, *notes: str) -> None:
    """Print the machine, a table and what must be known to read it."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    about = machine.machine()
    console.print(f"{about['cpu']}, {about['cores']} cores, Python {about['python']}")
    console.print(table)
    for note in notes:
        console.print(note, markup=False)


def judge(broke: Sequence[str]) -> int:
    """Tell what did not hold; the exit code."""
    for what in broke:
        print(f"! {what}", file=sys.stderr)
    return 1 if broke else 0
