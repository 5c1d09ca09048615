"""Many calls on providers that fail: is any call lost, any caller left without an answer, any socket left open?

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
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from statistics import median, quantiles

import structlog
import trio
from rich.table import Table

from bench import instrument, machine
from bench.caller import Caller, clips, housed
from bench.cast import COMBINATIONS, Simulators, agent, combination, simulators
from bench.sockets import connections, descriptors
from parlance.engine.child import Budget
from parlance.engine.effort import ProviderFailed
from parlance.engine.trace import ChildFailed, ChildRestarted, Record, TurnBegan, TurnEnded

ALONE = (*COMBINATIONS, "deepgram+anthropic+elevenlabs-http")
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
SETTLING = 4.0
"""Seconds for calls to end whose callers have hung up, and for connections to be gone that were closed."""
LOOK = 0.05
"""Seconds between two looks at whether anything is left."""
WATCH = 5.0
"""Seconds between two looks at how the calls are."""
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
        if not self.utterances.total():
            found.append("nobody said anything: nothing was tried")
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


async def measured(options: argparse.Namespace, seen: Callable[[str], None], more: Sequence[str] = ()) -> Result:
    """The whole run; `seen` is told how it goes. `more`: further options of the simulators."""
    cores = machine.cores(1)
    chances = [f"--{name}={getattr(options, name):g}" for name in ("errors", "stalls", "cuts", "seed")]
    with machine.pinned(cores.server):
        async with simulators([*chances, *more], cores.others) as sims:
            result = await _calls(options, sims, seen)
            await sims.end()
    result.drawn = {name: count for name, count in sims.requests.items() if name.endswith((" error", " stall", " cut"))}
    return result


async def _calls(options: argparse.Namespace, sims: Simulators, seen: Callable[[str], None]) -> Result:
    result = Result(options.calls)
    providers = PAIRED if options.fallbacks else ALONE
    named = {f"agent-{place}": combination(three) for place, three in enumerate(providers)}
    agents = {name: agent(name, three, sims.hosts, limits={"calls": 10_000}) for name, three in named.items()}
    seen("opening a house, and another: what the first one loads is there from then on")
    async with housed(agents):
        pass
    before = _held(sims.ports)
    async with housed(agents) as house:
        names, said = list(agents), clips()
        callers = [
            Caller(house, names[number % len(names)], said, f"{options.seed} {number}")
            for number in range(options.calls)
        ]
        await _talking(callers, options.seconds, seen)
        calls = await _settled(lambda: {"calls": len(house.exchange.calls)}, {"calls": 0})
        result.warm = connections(sims.ports)
        result.beat = float(house.metronome.statistics().p99 * 1000)
    after = await _settled(lambda: _held(sims.ports), before)
    result.left = {"calls": (0, calls["calls"]), **{what: (before[what], after[what]) for what in before}}
    for caller in callers:
        tally(result, caller)
    return result


async def _talking(callers: Sequence[Caller], seconds: float, seen: Callable[[str], None]) -> None:
    until = trio.current_time() + APART * len(callers) + seconds
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch, callers, seen)
        async with trio.open_nursery() as calling:
            for caller in callers:
                calling.start_soon(partial(caller.talk, until=until, pause=PAUSE))
                await trio.sleep(APART)
        nursery.cancel_scope.cancel()


async def _watch(callers: Sequence[Caller], seen: Callable[[str], None]) -> None:
    while True:
        count = Counter(said.outcome for caller in callers for said in caller.said)
        up = sum(caller.ended is None for caller in callers)
        seen(f"{up} calls, {count['answered']} answered, {count['apologized']} apologized for, {count['lost']} lost")
        await trio.sleep(WATCH)


async def _settled(held: Callable[[], dict[str, int]], before: dict[str, int]) -> dict[str, int]:
    """What is held as soon as it is no more than before, after `SETTLING` at the latest."""
    with trio.move_on_after(SETTLING):
        # Most of it is the kernel's: there is nothing to wait for but the clock.
        while any(now > before[what] for what, now in held().items()):  # noqa: ASYNC110
            await trio.sleep(LOOK)
    return held()


def _held(ports: frozenset[int]) -> dict[str, int]:
    return {
        "tasks": trio.lowlevel.current_statistics().tasks_living,
        "descriptors": descriptors(),
        "connections": connections(ports),
    }


def table(result: Result) -> Table:
    shown = Table(box=None, show_header=False, pad_edge=False)
    for row in rows(result):
        shown.add_row(*row)
    return shown


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
    parser = instrument.options("rough", __doc__)
    parser.add_argument("--calls", type=int, default=100, metavar="N", help="at once (%(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=60.0, metavar="N", help="of talk, after all have dialed (%(default)s)"
    )
    for name, what in (("errors", "is refused"), ("stalls", "stops for 30 s in its answer"), ("cuts", "is cut off")):
        parser.add_argument(
            f"--{name}", type=float, default=0.01, metavar="P", help=f"chance that a request {what} (%(default)s)"
        )
    parser.add_argument("--fallbacks", action="store_true", help="every agent has two of each")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of faults and callers (%(default)s)")
    return parser.parse_args(arguments)


def main() -> int:
    options = parsed()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with instrument.progress() as seen:
        result = trio.run(measured, options, seen)
    if options.json:
        found = {each.name: getattr(result, each.name) for each in fields(result)}
        found |= {"broke": result.broke, "pauses": pauses(result.pauses), "gaps": pauses(result.gaps)}
        instrument.document(**found, options=vars(options))
    else:
        instrument.show(table(result))
    return instrument.judge(result.broke)


if __name__ == "__main__":
    sys.exit(main())
