"""What an adapter itself takes of the CPU: per token, per transcript, per chunk of audio.

    python -m bench.adapters [--json]

Each provider's adapter with its driver, between the port and the library that has the socket; in the socket's place
are messages in memory, of the shapes in `tests/wires/`. Times are CPU time of this process, the median of several
rounds; Trio's task switches are in them. Per request, which comes once a turn or a phrase, the HTTP library is in it,
as far as that can be had without a network; it has no limit.

Exit code 1 if a token, a transcript or a chunk takes 100 µs or more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median

import trio
from rich.console import Console
from rich.table import Table

from bench import machine
from bench.cast import SETTINGS
from bench.unplugged import ears, minds, voices

LIMIT = 100.0
"""µs."""
ROUNDS, BATCH = 15, 100
LIMITED = ("token", "transcript", "chunk in", "chunk out")
WHAT = {
    "token": "a mind's event as bytes, to the thinker's next thought",
    "transcript": "an ear's message to the listener's news; of an ear that is asked: the answer's body",
    "chunk in": "100 ms of a caller's audio (Flux: 80 ms), to the message that is sent",
    "chunk out": "a voice's message or piece of a body with 100 ms of audio, to the speaker's next sound",
    "request": "an utterance of 2 s or a phrase, to the first of its answer",
}

Step = Callable[[int], Awaitable[float]]
"""Does it so many times; returns the CPU seconds of one."""


@dataclass(frozen=True, slots=True)
class Figure:
    """`us`: the median; `best`: the least of the rounds."""

    step: str
    role: str
    provider: str
    us: float
    best: float

    @property
    def broke(self) -> bool:
        return self.step in LIMITED and self.us >= LIMIT


def steps() -> Iterator[tuple[str, str, str, Step]]:
    """Step, role, provider, and what does it."""
    for name in SETTINGS["mind"]:
        yield "token", "mind", name, partial(minds.token, name)
    for name in SETTINGS["ear"]:
        yield "transcript", "ear", name, partial(ears.transcript, name)
        yield "chunk in", "ear", name, partial(ears.chunk, name)
        if name in ears.ASKED:
            yield "request", "ear", name, partial(ears.request, name)
    for name in SETTINGS["voice"]:
        yield "chunk out", "voice", name, partial(voices.chunk, name)
        if name in voices.ASKED:
            yield "request", "voice", name, partial(voices.request, name)


async def measured(
    rounds: int = ROUNDS, batch: int = BATCH, seen: Callable[[Figure], None] = lambda _: None
) -> list[Figure]:
    """Every figure; `seen` is called with each as soon as it is known."""
    found = []
    for step, role, provider, do in steps():
        # The first imports, and fills caches that every call finds full.
        await do(batch)
        took = [1e6 * await do(batch) for _ in range(rounds)]
        found.append(Figure(step, role, provider, round(median(took), 2), round(min(took), 2)))
        seen(found[-1])
    return found


def table(figures: list[Figure]) -> Table:
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("step", "adapter", "µs", "least µs", ""):
        shown.add_column(head, justify="right" if "µs" in head else "left")
    before = ""
    for figure in sorted(figures, key=lambda figure: list(WHAT).index(figure.step)):
        first = figure.step != before
        before = figure.step
        cells = (
            f"{figure.role} {figure.provider}",
            f"{figure.us:.1f}",
            f"{figure.best:.1f}",
            WHAT[figure.step] if first else "",
        )
        shown.add_row(figure.step if first else "", *cells, style="bold red" if figure.broke else None)
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.adapters", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    total = len(list(steps()))
    with errors.status("adapters", spinner="line") as status:
        done: list[Figure] = []

        def seen(figure: Figure) -> None:
            done.append(figure)
            status.update(f"{len(done)} of {total}: {figure.role} {figure.provider}, {figure.step}")

        figures = trio.run(partial(measured, seen=seen))
    broke = [figure for figure in figures if figure.broke]
    if options.json:
        document = {
            "machine": machine.machine(),
            "commit": machine.commit(),
            "versions": machine.versions(),
            "limit_us": LIMIT,
            "figures": [asdict(figure) for figure in figures],
            "broke": [f"{figure.role} {figure.provider}: {figure.step}" for figure in broke],
        }
        print(json.dumps(document, indent=2))
    else:
        about = machine.machine()
        console.print(f"{about['cpu']}, {about['cores']} cores, Python {about['python']}; limit {LIMIT:.0f} µs")
        console.print(table(figures))
    for figure in broke:
        errors.print(f"over the limit: {figure.role} {figure.provider}: {figure.step} {figure.us:.1f} µs")
    return 1 if broke else 0


if __name__ == "__main__":
    sys.exit(main())
