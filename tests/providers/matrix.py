"""Every fault at every provider of a role, each in a call of its own, all of them side by side: performed once, looked
at by many tests.
"""

from __future__ import annotations

import gc
import os
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

import pytest
import trio
from partners import KEY, VARIABLE, Partner, of
from theatre import REPLY, WORDS, Served, Theatre, fakes, simulator

from bench.simulators.conduct import Conduct, Fate
from parlance.engine.metronome import Metronome
from parlance.registry import PROVIDERS

PACKAGES = ("openai", "anthropic", "elevenlabs", "httpx", "trio_websocket", *PROVIDERS["ear"].values())
"""What is imported when it is used: doing that while calls of others are on the line would stop them all."""
STOOD, TIMES = 0.4, 3
"""Seconds for which the machine may stand still while calls are performed, and how often they are if it did: then their
times say nothing.
"""
LONGEST = 25.0
"""Seconds of one call."""
APART = 0.02
"""Seconds between the beginnings of two calls."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a provider does to one request: `fate`, with `status` where that is an error over HTTP, and `after` for its
    `Retry-After`. `times`: to how many requests. `wrong`: it accepts no key of ours. `text`: what it hears or says, if
    that is not the usual.
    """

    fate: Fate = Fate.NONE
    status: int = 500
    after: str = ""
    times: int = 1
    wrong: bool = False
    text: str = ""

    def conduct(self, partner: Partner) -> Conduct:
        texts = {"ear": WORDS, "mind": REPLY}
        # A handshake has a fate too, and only an error says anything of it.
        before = [Fate.NONE] if partner.line and self.fate is not Fate.ERROR else []
        return Conduct(
            chat_delay=0.02,
            # Slow enough for what befalls the second word to find the first phrase unfinished.
            chat_pace=25.0,
            stt_delay=0.02,
            tts_delay=0.02,
            statuses=(self.status,),
            retry_after=self.after,
            key="another key" if self.wrong else KEY,
            text=self.text or texts.get(partner.role, ""),
            fates=deque([*before, *[self.fate] * self.times]),
        )


FAULTS = {
    "none": Fault(),
    "wrong key": Fault(wrong=True),
    "quota": Fault(Fate.ERROR, 429),
    "quota, come back": Fault(Fate.ERROR, 429, "0.4"),
    "quota, come back late": Fault(Fate.ERROR, 429, "20"),
    "5xx": Fault(Fate.ERROR, 500),
    "stops in the middle": Fault(Fate.STALL),
    "cut in the middle": Fault(Fate.CUT),
    "never starts": Fault(Fate.SILENT),
    "half a JSON": Fault(Fate.HALF),
    "wrong types": Fault(Fate.TYPES),
    "10 MB": Fault(Fate.HUGE),
    "nothing in it": Fault(Fate.EMPTY),
}


@dataclass
class Row:
    """A call that is over. `left`: connections that the provider still had when the house had gone."""

    theatre: Theatre
    served: Served
    left: int = -1

    @property
    def told(self) -> list[tuple[Any, ...]]:
        return self.theatre.told()

    @property
    def errors(self) -> str:
        """What the trace says of what went wrong."""
        events = [record.event for record in self.theatre.records]
        return "\n".join(
            text
            for event in events
            for text in (getattr(event, "error", ""), getattr(event, "reason", ""))
            if text and "caller hung up" not in text
        )


@dataclass
class Show:
    rows: dict[tuple[str, str], Row | BaseException] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    """Tasks and open files that were not there before."""

    def of(self, title: str, fault: str) -> Row:
        row = self.rows[title, fault]
        if isinstance(row, BaseException):
            raise row
        return row


Script = Callable[[Theatre], Awaitable[None]]
Play = Callable[[Metronome], Awaitable[None]]


def perform(role: str, faults: Mapping[str, Fault], script: Script, **theatre: Any) -> Show:
    """All `faults` at all providers of `role`. Each call has a simulator, a house and a line of its own; the beat is
    shared, as it is in a house.
    """
    show = Show()

    async def one(partner: Partner, name: str, fault: Fault, metronome: Metronome) -> None:
        try:
            with trio.fail_after(LONGEST):
                show.rows[partner.title, name] = await _row(partner, fault, metronome, script, theatre)
        except Exception as error:
            show.rows[partner.title, name] = error

    plays = [partial(one, partner, name, fault) for partner in of(role) for name, fault in faults.items()]
    repeat(partial(side_by_side, plays, show.left))
    return show


async def side_by_side(plays: Sequence[Play], left: dict[str, int]) -> float:
    """Perform them all on one beat; for how long the machine stood still meanwhile. `left`: gets the tasks and open
    files that were not there before.
    """
    before = census()
    async with trio.open_nursery() as beat:
        metronome = Metronome()
        await beat.start(metronome.run)
        async with trio.open_nursery() as nursery:
            for play in plays:
                nursery.start_soon(play, metronome)
                await trio.sleep(APART)
        beat.cancel_scope.cancel()
    left.clear()
    with trio.move_on_after(3):
        while more := census() - before:
            left.clear()
            left.update(more)
            await trio.sleep(0.02)
        left.clear()
    return metronome.statistics().worst


def repeat(run: Callable[[], Awaitable[float]], *changes: tuple[object, str, object]) -> None:
    """Perform what `run` does, which returns for how long the machine stood still, once more if that was too long.
    `changes`: attributes that are other ones meanwhile, as (where, name, value).
    """
    for package in PACKAGES:
        import_module(package)
    # As the house does: to look at all that was imported takes the collector a third of a second each time.
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, KEY)
        for where, name, value in changes:
            patch.setattr(where, name, value)
        for _ in range(TIMES):
            if trio.run(run) < STOOD:
                break
    gc.unfreeze()


async def _row(partner: Partner, fault: Fault, metronome: Metronome, script: Script, given: Mapping[str, Any]) -> Row:
    async with simulator(partner.door, fault.conduct(partner)) as served:
        theatre = Theatre(
            {**given.get("agent", {}), partner.role: partner.at(served.port)},
            **fakes(partner.role),
            metronome=metronome,
        )
        row = Row(await theatre.play(script), served)
        with trio.move_on_after(3):
            while served.open:
                await trio.sleep(0.01)
        row.left = served.open
        return row


def census() -> Counter[str]:
    """What there is of tasks, by name, and of open files."""
    counted = Counter({"files": len(os.listdir("/proc/self/fd"))})
    root = trio.lowlevel.current_root_task()
    waiting = [root] if root is not None else []
    while waiting:
        task = waiting.pop()
        counted[f"task {task.name}"] += 1
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return counted
