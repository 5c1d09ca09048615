"""Many calls on providers that fail: is any call lost, any caller left without an answer, any socket left open?

    python -m bench.rough [--json] [--calls 100] [--seconds 60] [--errors 0.01] [--stalls 0.01] [--cuts 0.01]
                          [--fallbacks] [--seed 1]

The house is in this process; the simulators, with their usual delays, in another: so many of all requests are refused,
stop for 30 s in mid-answer, or lose their connection. Callers are on lines in memory, in real time, spread over agents
that have every provider among them, each with its default deadlines and, without `--fallbacks`, with nobody to take its
place.

What must hold, or the exit code is 1: every call lives until its caller hangs up; whatever a caller says is answered,
or he is told that something went wrong; no call's children are restarted more often than their budget allows;
afterwards no call, task, descriptor or connection is left.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from statistics import median, quantiles
from typing import Any

import structlog
import trio
from rich.console import Console
from rich.table import Table

from bench import machine
from bench.caller import Caller, clips, housed
from bench.cast import agent, combination, simulators
from bench.sockets import connections, descriptors
from parlance.engine.child import Budget
from parlance.engine.effort import ProviderFailed
from parlance.engine.trace import ChildFailed, ChildRestarted, Record, TurnBegan, TurnEnded

ALONE = (
    "deepgram+openai+deepgram",
    "flux+anthropic+elevenlabs",
    "assemblyai+gemini+cartesia",
    "elevenlabs+azureopenai+deepgram-ws",
    "openai+openai+openai",
    "azure+gemini+azure",
    "deepgram+anthropic+elevenlabs-http",
)
"""Every provider at least once."""
PAIRED = (
    "deepgram,openai+openai,anthropic+deepgram,cartesia",
    "flux,deepgram+anthropic,gemini+elevenlabs,openai",
    "assemblyai,flux+gemini,openai+cartesia,azure",
    "elevenlabs,azure+azureopenai,openai+deepgram-ws,elevenlabs-http",
)
PAUSE = (0.5, 2.0)
"""Seconds that a caller takes to say something again."""
APART = 0.05
"""Seconds between two callers who dial."""
SETTLING = 2.0
"""Seconds for connections to be gone that were closed."""
OUTCOMES = ("answered", "in part", "apologized", "unanswered", "lost")


@dataclass(slots=True)
class Result:
    """What happened, by name; `pauses`: seconds from a caller's last frame to the first sound that he heard;
    `gaps`: the longest silence in each answer.
    """

    calls: int
    utterances: Counter[str] = field(default_factory=Counter)
    pauses: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    turns: Counter[str] = field(default_factory=Counter)
    cues: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    """What a provider failed at, and was tried again or given up."""
    restarts: Counter[str] = field(default_factory=Counter)
    most: int = 0
    """Restarts of one call's children within the budget's time."""
    errors: Counter[str] = field(default_factory=Counter)
    drawn: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    left: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Before the house was opened, and after it was closed."""
    warm: int = 0
    """Connections to providers when all calls had ended and the house was still open."""
    beat: float = math.nan
    """How late the metronome was, p99 in ms: whether the machine could keep up."""

    @property
    def broke(self) -> list[str]:
        found = [f"a call was lost: {why}" for why in self.lost]
        if unanswered := self.utterances["unanswered"] + self.utterances["lost"]:
            found.append(f"{unanswered} times a caller had no answer, and no apology")
        if self.most > Budget().restarts:
            found.append(f"a call's children were restarted {self.most} times in {Budget().seconds:g} s")
        found.extend(
            f"{what} left: {after}, before {before}" for what, (before, after) in self.left.items() if after > before
        )
        if not self.drawn:
            found.append("the simulators did not fail once: nothing was tried")
        return found


def tally(result: Result, caller: Caller) -> None:
    """What one call has seen."""
    for said in caller.said:
        result.utterances[said.outcome] += 1
        if said.pause < math.inf:
            result.pauses.append(said.pause)
            result.gaps.append(said.gap)
    for record in caller.records:
        match record.event:
            case TurnBegan(_, _, cue) if cue:
                result.cues[cue] += 1
            case TurnEnded() as turn:
                result.turns[turn.outcome] += 1
            case ProviderFailed(role, provider):
                result.failed[f"{role} {provider}"] += 1
            case ChildFailed(child, error):
                result.errors[f"{child}: {error}"] += 1
            case ChildRestarted(child):
                result.restarts[child] += 1
    result.most = max(result.most, most(caller.records))
    if not caller.hung_up:
        ended = caller.ended
        result.lost.append(f"{caller.agent}: {ended.reason if ended else 'it never ended'}")


def most(records: Sequence[Record]) -> int:
    """Restarts within the time of the budget, at their most."""
    at = [record.at for record in records if isinstance(record.event, ChildRestarted)]
    return max((sum(start <= one < start + Budget().seconds for one in at) for start in at), default=0)


async def measured(options: argparse.Namespace, seen: Callable[[str], None]) -> Result:
    cores = machine.cores(1)
    result = Result(options.calls)
    chances = [f"--{name}={getattr(options, name):g}" for name in ("errors", "stalls", "cuts", "seed")]
    with machine.pinned(cores.server):
        async with simulators(chances, cores.others) as sims:
            said = clips()
            chosen = {
                f"agent-{place}": agent(f"agent-{place}", combination(three), sims.hosts, limits={"calls": 10_000})
                for place, three in enumerate(PAIRED if options.fallbacks else ALONE)
            }
            # What the first house loads is there from then on.
            async with housed(chosen):
                pass
            before = _held(sims.ports)
            async with housed(chosen) as house:
                seen("dialing")
                callers = [
                    Caller(house, list(chosen)[number % len(chosen)], said, f"{options.seed} {number}")
                    for number in range(options.calls)
                ]
                until = trio.current_time() + APART * len(callers) + options.seconds
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(partial(_show, callers, seen, nursery.cancel_scope))
                    async with trio.open_nursery() as calling:
                        for caller in callers:
                            calling.start_soon(partial(caller.talk, until=until, pause=PAUSE))
                            await trio.sleep(APART)
                    nursery.cancel_scope.cancel()
                await trio.sleep(SETTLING)
                result.warm = connections(sims.ports)
                calls = len(house.exchange.calls)
                result.beat = _beat(house)
            await trio.sleep(SETTLING)
            after = _held(sims.ports)
            result.left = {"calls": (0, calls), **{what: (before[what], after[what]) for what in before}}
            await sims.end()
            result.drawn = {
                name: count for name, count in sims.requests.items() if name.endswith((" error", " stall", " cut"))
            }
    for caller in callers:
        tally(result, caller)
    return result


def _held(ports: frozenset[int]) -> dict[str, int]:
    return {
        "tasks": trio.lowlevel.current_statistics().tasks_living,
        "descriptors": descriptors(),
        "connections": connections(ports),
    }


def _beat(house: Any) -> float:
    return float(house.metronome.statistics().p99 * 1000)


async def _show(callers: Sequence[Caller], seen: Callable[[str], None], scope: trio.CancelScope) -> None:
    while True:
        await trio.sleep(1)
        count = Counter(said.outcome for caller in callers for said in caller.said)
        up = sum(caller.ended is None for caller in callers)
        seen(f"{up} calls, {count['answered']} answered, {count['apologized']} apologized for, {count['lost']} lost")


def rows(result: Result) -> Iterator[tuple[str, str]]:
    """The table: what, and how much of it."""
    yield "calls, lost", f"{result.calls}, {len(result.lost)}"
    yield "said by callers", ", ".join(f"{result.utterances[name]} {name}" for name in OUTCOMES)
    yield "pause before an answer, s", "median {:.2f}, p95 {:.2f}, worst {:.2f}".format(*pauses(result.pauses))
    yield "longest silence in one, s", "median {:.2f}, p95 {:.2f}, worst {:.2f}".format(*pauses(result.gaps))
    yield "turns", _listed(result.turns)
    yield "the agents' own lines", _listed(result.cues)
    yield "faults that were drawn", _listed(drawn(result))
    yield "tried again, or given up", _listed(result.failed)
    yield "restarts", f"{_listed(result.restarts)}; most in one call in {Budget().seconds:g} s: {result.most}"
    for error, count in result.errors.most_common(12):
        yield "  failed", f"{count} x {error}"
    yield "left", ", ".join(f"{after} {what} ({before} before)" for what, (before, after) in result.left.items())
    yield "kept warm after the calls", f"{result.warm} connections"
    yield "beat late, p99 ms", f"{result.beat:.1f}"


def drawn(result: Result) -> Counter[str]:
    """By their kind."""
    found: Counter[str] = Counter()
    for name, count in result.drawn.items():
        found[name.rpartition(" ")[2]] += count
    return found


def pauses(found: Sequence[float]) -> tuple[float, float, float]:
    """Median, 95th percentile and worst."""
    if len(found) < 2:
        return (math.nan, math.nan, math.nan)
    return median(found), quantiles(found, n=20, method="inclusive")[-1], max(found)


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) or "none"


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.rough", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=100, metavar="N")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="N", help="of talk, after all have dialed")
    for name in ("errors", "stalls", "cuts"):
        parser.add_argument(f"--{name}", type=float, default=0.01, metavar="N", help="chance of each request")
    parser.add_argument("--fallbacks", action="store_true", help="every agent has two of each")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of faults and callers")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    return parser.parse_args(arguments)


def main() -> int:
    options = parsed()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    with errors.status("starting", spinner="line") as status:
        result = trio.run(measured, options, status.update)
    about = machine.machine()
    if options.json:
        found = {
            **{each.name: getattr(result, each.name) for each in fields(result)},
            "broke": result.broke,
            "pauses": pauses(result.pauses),
            "gaps": pauses(result.gaps),
            "options": vars(options),
        }
        print(json.dumps({"machine": about, "commit": machine.commit(), **found}, indent=2))
    else:
        console.print(f"{about['cpu']}, {about['cores']} cores, Python {about['python']}")
        shown = Table(box=None, show_header=False, pad_edge=False)
        for row in rows(result):
            shown.add_row(*row)
        console.print(shown)
    for what in result.broke:
        errors.print(f"! {what}", markup=False)
    return 1 if result.broke else 0


if __name__ == "__main__":
    sys.exit(main())
