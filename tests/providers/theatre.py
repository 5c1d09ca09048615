"""A stage for calls with real providers: simulators on loopback, the house's own chains.

The roles that are not under test are fakes. A line whose far end counts what it hears is the caller; what the agent
says of its own accord is prepared audio, as in the house.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trio
from stage import Performance, speech

from bench.simulators.conduct import Conduct
from bench.simulators.door import Door
from bench.simulators.town import doors
from parlance.actors.listener.fake import FakeEar
from parlance.actors.media.fake import FakeLine, FakeWire
from parlance.actors.speaker.rehearsal import sound
from parlance.actors.thinker.fake import FakeMind
from parlance.codecs.format import TELEPHONE
from parlance.engine.agent import Agent
from parlance.engine.metronome import Metronome
from parlance.engine.state import Agent as Doing
from parlance.engine.trace import CallEnded, TraceEvent, TurnBegan, TurnEnded, TurnGone
from parlance.registry import Registry

LINE = sound()[: TELEPHONE.second * 2 // 5]
"""Every line of the agent's own, as it sounds: 0.4 s."""
QUICK: Mapping[str, Any] = {
    "name": "quick",
    "endpointing": {"least": 0.1, "most": 0.2},
    "limits": {"transcript": 4.0, "thinking": 8.0, "reply": 6.0, "silence": 20.0, "calls": 500},
    "early": {"enabled": False},
    "ear": {"kind": "rehearsal"},
    "mind": {"kind": "rehearsal"},
    "voice": {"kind": "rehearsal", "wait": 0.01, "word": 0.06},
    "tools": (),
}
"""An agent with short limits; its providers cost nothing and never fail."""
WORDS = "a table for two please"
REPLY = "We have a table for you at nine. Shall I book it?"
TURNS = 9
"""More than a caller has in any of these calls."""


def fakes(role: str) -> dict[str, list[str]]:
    """For `Theatre`, when this role is under test: what a fake ear hears and a fake mind says in its place."""
    scripts = {"ear": ("hears", "hello there"), "mind": ("says", REPLY)}
    return {name: [text] * TURNS for other, (name, text) in scripts.items() if other != role}


@dataclass
class Served:
    """A simulated provider."""

    conduct: Conduct
    port: int
    streams: list[trio.SocketStream] = field(default_factory=list)
    """Its ends of the connections that there are."""

    async def drop(self) -> int:
        """Close all connections without a word; how many there were."""
        streams = list(self.streams)
        for stream in streams:
            await trio.aclose_forcefully(stream)
        return len(streams)

    @property
    def open(self) -> int:
        """Connections that neither side has closed: a simulator that stalls does not notice, but its socket does."""
        return sum(_established(stream.socket) for stream in self.streams)


def _established(end: trio.socket.SocketType) -> bool:
    """As in tcp(7)."""
    return end.fileno() >= 0 and end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x01"


@asynccontextmanager
async def simulator(name: str, conduct: Conduct, door: Door | None = None) -> AsyncIterator[Served]:
    """The provider behind that door, on a port of its own; or behind one of your own."""
    door = door or doors(conduct)[name]
    served = Served(conduct, 0)

    async def handle(stream: trio.SocketStream) -> None:
        served.streams.append(stream)
        try:
            with suppress(trio.ClosedResourceError):
                await door._handle(stream)
        finally:
            served.streams.remove(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        served.port = listeners[0].socket.getsockname()[1]
        yield served
        nursery.cancel_scope.cancel()


@dataclass
class Caller:
    """The far end of the line: what it heard, and when."""

    sounds: list[tuple[float, float]] = field(default_factory=list)
    """Stretches of sound: seconds of the line's clock at which each began and ended."""

    def hear(self, position: int, audio: bytes) -> None:
        if not audio.strip(b"\xff\x7f"):
            return
        at, end = position / TELEPHONE.rate, (position + len(audio)) / TELEPHONE.rate
        if self.sounds and at - self.sounds[-1][1] < 0.05:
            self.sounds[-1] = self.sounds[-1][0], end
        else:
            self.sounds.append((at, end))

    @property
    def seconds(self) -> float:
        return sum(end - begun for begun, end in self.sounds)


class Theatre(Performance):
    """One call of an agent with `settings` over `QUICK`. `hears`, `says`: what a fake ear hears and a fake mind says,
    where those roles are not under test (None).
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        hears: list[str] | None = None,
        says: list[str] | None = None,
        metronome: Metronome | None = None,
        registry: Registry | None = None,
    ) -> None:
        agent = Agent.model_validate({**QUICK, **settings})
        self.registry = registry or Registry()
        crew = self.registry.crew(agent)
        self.caller = Caller()
        lines = {text for _, text in agent.lines}
        super().__init__(
            agent,
            FakeWire(TELEPHONE),
            FakeLine(TELEPHONE, ear=self.caller.hear),
            crew.ear() if hears is None else FakeEar(hears, first=0.05, pace=0.05),
            crew.mind() if says is None else FakeMind(says, wait=0.01, pace=0.001),
            crew.voice(),
            crew.tools,
            metronome=metronome,
            prepared=lambda text: LINE if text in lines else None,
        )
        self._news = trio.Event()
        self.call.trace.sinks.append(lambda _: self._news.set())
        self.heard_for_real = hears is None
        """Whether the caller's voice is what the ear hears, and not a script."""

    # ------------------------------------------------------------------------------------------- playing

    async def play(self, script: Callable[[Theatre], Awaitable[None]], *, run: bool = True) -> Theatre:
        """Perform the call, with what its providers keep running; the caller follows `script`, and hangs up."""
        async with trio.open_nursery() as house:
            for provider in self.registry.shared.values() if run else ():
                if (keep := getattr(provider, "run", None)) is not None:
                    await house.start(keep)
            await self.perform(partial(self._direct, script))
            house.cancel_scope.cancel()
        return self

    async def _direct(self, script: Callable[[Theatre], Awaitable[None]]) -> None:
        await script(self)
        self.line.tell("stop caller hung up")

    async def until(self, met: Callable[[], object], *, within: float = 12.0) -> None:
        """Wait until the trace shows it."""
        with trio.fail_after(within):
            while not met():
                self._news = trio.Event()
                await self._news.wait()

    async def say(self, seconds: float = 0.6) -> None:
        """The caller says something, to which there is one turn more; wait until that has ended, and whatever the
        agent says besides because of it.
        """
        before = len(self.all(TurnEnded))
        self.line.say(speech(seconds))
        await self.until(lambda: len(self.all(TurnEnded)) > before and self.quiet)

    @property
    def quiet(self) -> bool:
        """Whether the agent says and thinks nothing."""
        return self.call.state.agent is Doing.IDLE and len(self.all(TurnEnded)) == len(self.all(TurnBegan))

    # ------------------------------------------------------------------------------------------- what was

    def told(self) -> list[tuple[Any, ...]]:
        """Who served, who failed, and which turns there were, in order: the trace's sentences about providers."""
        return [told for record in self.records if (told := _told(record.event))]

    @property
    def turns(self) -> list[tuple[str, str]]:
        """Of each turn its cue, or `reply`, and its outcome."""
        cues = {turn.turn: turn.cue or "reply" for turn in self.all(TurnBegan)}
        return [(cues[turn.turn], turn.outcome) for turn in self.all(TurnEnded)]

    @property
    def end(self) -> tuple[str, str]:
        (ended,) = self.all(CallEnded)
        return ended.how, ended.reason

    def check(self) -> None:
        """What holds in every call, whatever its providers did."""
        begun, ended = [turn.turn for turn in self.all(TurnBegan)], [turn.turn for turn in self.all(TurnEnded)]
        assert begun == ended == list(range(1, len(begun) + 1)), "a turn has not one end"
        gone = [turn.turn for turn in self.all(TurnGone)]
        assert len(gone) == len(set(gone)), "a turn is gone twice"
        assert [record.seq for record in self.records] == list(range(1, len(self.records) + 1))
        assert isinstance(self.records[-1].event, CallEnded), "the record goes on after the call's end"
        assert len(self.all(CallEnded)) == 1
        assert self.line.closed is not None, "the line was left open"


def _told(event: TraceEvent) -> tuple[Any, ...] | None:
    kind = type(event).__name__
    match kind:
        case "ProviderServed":
            return "served", event.role, event.provider
        case "ProviderFailed":
            return "failed", event.role, event.provider
        case "ChildFailed":
            return "broke", event.child
        case "ChildRestarted":
            return "again", event.child
    return None
