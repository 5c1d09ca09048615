"""Every fault at every provider of a role, each in a call of its own, all of them side by side: performed once, looked
at by many tests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import swift
import trio
from census import census, settled
from partners import KEY, VARIABLE, Partner, of
from theatre import REPLY, WORDS, Served, Theatre, fakes, simulator

from bench.simulators.conduct import Conduct, Fate
from parlance.engine.metronome import Metronome

LONGEST = 25.0
"""Seconds of one call."""


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
    show.left = side_by_side(plays)
    return show


def side_by_side(plays: Sequence[Play], *changes: tuple[object, str, object]) -> dict[str, int]:
    """Perform them all on one beat; the tasks and open files that are left. `changes`: attributes that are other
    ones meanwhile, as (where, name, value).
    """

    async def run() -> dict[str, int]:
        before = census()
        async with trio.open_nursery() as beat:
            metronome = Metronome()
            await beat.start(metronome.run)
            async with trio.open_nursery() as nursery:
                for play in plays:
                    nursery.start_soon(play, metronome)
            beat.cancel_scope.cancel()
        return await settled(lambda: census() - before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, KEY)
        for where, name, value in changes:
            patch.setattr(where, name, value)
        return swift.run(run)


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
