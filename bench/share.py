"""The house's own share of response time: providers that take no time, over real sockets.

The house is in this process, the simulators in another with all delays at 0; callers are on lines in memory, in real
time. For each combination of providers one caller speaks, and then `--calls` at once. With the default options that is
some ten minutes.

The table, in ms, median (p50) and 95th percentile (p95):
  response    from the decision that the caller's turn is over to the first frame of the reply on the line
  words, token, phrase, audio, frame
              its parts, median: to the final words, the mind's first token, the first whole phrase, the voice's first
              audio, the first frame
  bare        a simulator without delays still has to answer: the quickest round trip of sockets that send ready-made
              bytes to the ear, the mind and the voice, measured before
  own         the response without those round trips
  CPU a turn  of this process, everything in it: hearing, speaking, and the callers' own lines
  foreign     part of this process' core that something else had (`!`: too much for the row to count)

Thinking ahead is switched off, because it would hide the mind's part; `--early` leaves it on.

Exit code 1 if `own` has a median of 15 ms or more with one call, or a turn was not answered.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from statistics import median, quantiles
from time import process_time
from typing import Any

import structlog
import trio
from rich.table import Table

from bench import instrument, machine, process
from bench.caller import Caller, clips, housed
from bench.cast import COMBINATIONS, Simulators, agent, combination, simulators
from bench.unplugged import bare
from parlance.engine.trace import TurnTimed

LIMIT = 15.0
"""ms."""
EXCHANGE = 5.0
"""Seconds of what a caller says and what he hears then: the callers begin spread over as many."""
PAUSE = (0.3, 0.5)
"""Seconds between a reply and what the caller says next."""
STEPS = ("end_of_turn", "transcript", "first_token", "first_phrase", "first_audio", "first_frame")
WAITED = {"ear": "transcript", "mind": "first_token", "voice": "first_audio"}
"""The step that an answer of each is in."""
STILL = ("--stt-delay", "0", "--chat-delay", "0", "--chat-pace", "1e6", "--tts-delay", "0")
DISTURBED = 0.03
"""Part of our core that something else may have had."""

Steps = dict[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """Milliseconds: median and 95th percentile of the response, its own part, and each step; `bare` by role."""

    providers: str
    calls: int
    turns: int
    failed: int
    response: tuple[float, float]
    own: tuple[float, float]
    steps: dict[str, tuple[float, float]]
    bare: dict[str, float]
    cpu: float
    """Of ours, ms a turn, everything in it: hearing, speaking, and the callers' own lines."""
    simulators_cpu: float
    """The same of the simulators."""
    foreign: float
    """Part of our core that something else had."""

    @property
    def broke(self) -> list[str]:
        found = [f"{self.failed} of {self.turns + self.failed} turns were not answered"] if self.failed else []
        if self.calls == 1 and self.own[0] >= LIMIT:
            found.append(f"own share {self.own[0]:.1f} ms, limit {LIMIT:.0f} ms")
        return found

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "broke": self.broke}


def timed(event: TurnTimed) -> Steps | None:
    """Seconds of each step; None for a turn without all of them."""
    times = [getattr(event, step) for step in STEPS]
    if None in times:
        return None
    return {name: after - before for name, (before, after) in zip(STEPS[1:], pairwise(times), strict=True)}


def own(steps: Steps, trips: Steps) -> float:
    """Seconds without the simulators' answers. Words that the ear had of itself were waited for by nobody."""
    return sum(steps.values()) - sum(min(steps[step], trips[role]) for role, step in WAITED.items())


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile, ms."""
    if not values:
        return math.nan, math.nan
    worst = quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
    return round(1000 * median(values), 2), round(1000 * worst, 2)


async def row(providers: str, calls: int, turns: int, sims: Simulators, cores: machine.Cores, early: bool) -> Row:
    """One run: each caller has so many turns."""
    three = combination(providers)
    said = clips()
    trips = await bare.trips(three, sims.hosts, said[0])
    chosen = agent("bench", three, sims.hosts, early={"enabled": early}, limits={"calls": 1000})

    def used() -> tuple[float, ...]:
        """Seconds so far: of the clock, of our CPU, of anybody's on our core, of the simulators'."""
        return trio.current_time(), process_time(), process.busy(cores.server), _cpu(sims)

    async with housed({"bench": chosen}) as house:
        callers = [Caller(house, "bench", said, f"{providers} {number}") for number in range(calls)]
        before = used()
        await _talking(callers, turns)
        after = used()
    return _row(
        providers, callers, trips, cores, turns, [end - begin for begin, end in zip(before, after, strict=True)]
    )


async def _talking(callers: Sequence[Caller], turns: int) -> None:
    async with trio.open_nursery() as nursery:
        for caller in callers:
            nursery.start_soon(partial(caller.talk, times=turns, pause=PAUSE))
            await trio.sleep(EXCHANGE / len(callers) if len(callers) > 1 else 0)


def _row(
    providers: str, callers: Sequence[Caller], trips: Steps, cores: machine.Cores, turns: int, took: Sequence[float]
) -> Row:
    wall, ours, busy, theirs = took
    events = [record.event for caller in callers for record in caller.records]
    found = [steps for event in events if isinstance(event, TurnTimed) and (steps := timed(event)) is not None]
    every = max(1, len(callers) * turns)
    return Row(
        providers,
        len(callers),
        len(found),
        sum(said.outcome != "answered" for caller in callers for said in caller.said),
        spread([sum(steps.values()) for steps in found]),
        spread([own(steps, trips) for steps in found]),
        {name: spread([steps[name] for steps in found]) for name in STEPS[1:]},
        {role: round(1000 * trip, 2) for role, trip in trips.items()},
        round(1000 * ours / every, 1),
        round(1000 * theirs / every, 1),
        round(max(0.0, busy - ours) / wall / len(cores.server), 3),
    )


def _cpu(sims: Simulators) -> float:
    return process.usage([sims.process.pid]).cpu


async def measured(
    combinations: Sequence[str],
    calls: Sequence[int],
    turns: int,
    *,
    early: bool = False,
    more: Sequence[str] = (),
    seen: Callable[[str], None],
) -> list[Row]:
    """A row for each combination and number of calls; `seen` is told what is going on. `more`: further options of the
    simulators.
    """
    cores = machine.cores(1)
    rows = []
    with machine.pinned(cores.server):
        async with simulators((*STILL, *more), cores.others) as sims:
            for providers in combinations:
                for many in calls:
                    seen(f"{providers}, {many} call{'s' * (many != 1)}")
                    # Of many at once each turn is as good as another's.
                    each = turns if many == 1 else max(3, turns // 5)
                    rows.append(await row(providers, many, each, sims, cores, early))
    return rows


def table(rows: Sequence[Row]) -> Table:
    shown = Table(box=None, header_style="bold", pad_edge=False)
    shown.add_column("providers")
    heads = ["calls", "turns/\nfailed", "response\np50/p95 ms", "own\np50/p95 ms"]
    heads += ["words", "token", "phrase", "audio", "frame", "bare\near mind voice", "CPU a turn\nms", "foreign"]
    for head in heads:
        shown.add_column(head, justify="right", vertical="bottom")
    for row in rows:
        shown.add_row(
            row.providers,
            str(row.calls),
            f"{row.turns}/{row.failed}",
            *(f"{one[0]:.1f}/{one[1]:.1f}" for one in (row.response, row.own)),
            *(f"{row.steps[step][0]:.1f}" for step in STEPS[1:]),
            " ".join(f"{trip:.1f}" for trip in row.bare.values()),
            f"{row.cpu:.0f}",
            f"{row.foreign:.0%}{' !' * (row.foreign > DISTURBED)}",
            style="bold red" if row.broke else None,
        )
    return shown


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = instrument.options("share", __doc__)
    parser.add_argument(
        "providers", nargs="*", default=COMBINATIONS, metavar="ear+mind+voice", help=f"({', '.join(COMBINATIONS)})"
    )
    parser.add_argument("--turns", type=int, default=30, metavar="N", help="of the one caller (%(default)s)")
    parser.add_argument("--calls", type=int, default=20, metavar="N", help="at once, after the one (%(default)s)")
    parser.add_argument("--early", action="store_true", help="think ahead, as agents do unless told otherwise")
    options = parser.parse_args(arguments)
    for providers in options.providers:
        try:
            combination(providers)
        except ValueError as error:
            parser.error(str(error))
    return options


def main() -> int:
    options = parsed()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    calls = sorted({1, max(1, options.calls)})
    with instrument.progress() as seen:
        rows = trio.run(partial(measured, options.providers, calls, options.turns, early=options.early, seen=seen))
    if options.json:
        instrument.document(early=options.early, rows=[row.as_dict() for row in rows])
    else:
        disturbed = f"! something else took more than {DISTURBED:.0%} of our core: these rows are disturbed"
        notes = [disturbed] if any(row.foreign > DISTURBED for row in rows) else []
        instrument.show(table(rows), *notes)
    return instrument.judge([f"{row.providers}, {row.calls}: {what}" for row in rows for what in row.broke])


if __name__ == "__main__":
    sys.exit(main())
