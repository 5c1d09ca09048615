"""What an adapter itself takes of the CPU: per token, per transcript, per chunk of audio.

Each provider's adapter with its driver, between the port and the library that has the socket; in the socket's place
are messages in memory, of the shapes in `tests/wires/`. Times are CPU time of this process, the median of several
rounds; Trio's task switches are in them. Per request, which comes once a turn or a phrase, the HTTP library is in it,
as far as that can be had without a network; it has no limit.

Exit code 1 if a token, a transcript or a chunk takes 100 µs or more.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median

import trio
from rich.table import Table

from bench import instrument
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
    rounds: int = ROUNDS, batch: int = BATCH, seen: Callable[[str], None] = lambda _: None
) -> list[Figure]:
    """Every figure; `seen` is told what is being measured."""
    found: list[Figure] = []
    wanted = list(steps())
    for step, role, provider, do in wanted:
        seen(f"{len(found) + 1} of {len(wanted)}: {role} {provider}, {step}")
        # The first imports, and fills caches that every call finds full.
        await do(batch)
        took = [1e6 * await do(batch) for _ in range(rounds)]
        found.append(Figure(step, role, provider, round(median(took), 2), round(min(took), 2)))
    return found


def table(figures: list[Figure]) -> Table:
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("step", "adapter", f"µs\nlimit {LIMIT:.0f}", "least\nround µs", "what it is"):
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
    options = instrument.options("adapters", __doc__).parse_args()
    with instrument.progress() as seen:
        figures = trio.run(partial(measured, seen=seen))
    broke = [figure for figure in figures if figure.broke]
    if options.json:
        instrument.document(
            limit_us=LIMIT,
            figures=[asdict(figure) for figure in figures],
            broke=[f"{figure.role} {figure.provider}: {figure.step}" for figure in broke],
        )
    else:
        instrument.show(table(figures))
    return instrument.judge([f"{one.role} {one.provider}: {one.step} {one.us:.1f} µs" for one in broke])


if __name__ == "__main__":
    sys.exit(main())
