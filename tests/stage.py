"""A stage for whole calls on the virtual clock: a fake line, ear, mind and voice around a real call.

`Stage.play` runs a script: what the caller does and when. The trace is what tests assert on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import numpy as np
import trio

from parlance.actors.listener.actor import ListenerActor
from parlance.actors.listener.endpoint import Endpoint
from parlance.actors.listener.fake import FakeEar
from parlance.actors.listener.port import Ear
from parlance.actors.media.actor import Bounds, MediaActor
from parlance.actors.media.fake import FakeLine, FakeWire
from parlance.actors.media.gate import Gate
from parlance.actors.speaker.actor import SpeakerActor
from parlance.actors.speaker.fake import FakeVoice
from parlance.actors.speaker.port import Voice
from parlance.actors.thinker.actor import ThinkerActor
from parlance.actors.thinker.fake import FakeMind
from parlance.actors.thinker.hands import Hands
from parlance.actors.thinker.history import History
from parlance.actors.thinker.port import Ask, Mind
from parlance.actors.thinker.tools import Failure, Toolbox
from parlance.codecs import mulaw
from parlance.codecs.format import TELEPHONE
from parlance.engine.agent import Agent
from parlance.engine.call import Call
from parlance.engine.metronome import Metronome
from parlance.engine.trace import Record, TraceEvent

E = TypeVar("E", bound=TraceEvent)


def voice(seconds: float, *, level: int = 5000, pitch: float = 120.0) -> bytes:
    """A vowel as µ-law: harmonics under two formants, which WebRTC's detector takes for speech."""
    at = np.arange(int(seconds * 8000)) / 8000
    tract = sum(
        np.sin(2 * np.pi * pitch * k * at)
        * (1 / (1 + ((pitch * k - 600) / 300) ** 2) + 0.5 / (1 + ((pitch * k - 1400) / 300) ** 2))
        for k in range(1, 25)
    )
    loud = level * tract / 2.5 * (0.8 + 0.2 * np.sin(2 * np.pi * 4 * at))
    return mulaw.encode(np.clip(loud, -32000, 32000).astype("<i2").tobytes())


VOICE = voice(4.0)


def speech(seconds: float) -> bytes:
    """`seconds` of somebody speaking, in whole frames."""
    return (
        VOICE[: round(seconds / 0.02) * 160]
        if seconds <= 4
        else (VOICE * int(seconds / 4 + 1))[: round(seconds / 0.02) * 160]
    )


class FakeTools(Toolbox):
    """Tools by name: seconds that one takes, and its result; one whose result begins with `!` fails."""

    def __init__(self, tools: dict[str, Any]) -> None:
        super().__init__(Agent(name="test", transfer="+3310"))
        self._fakes = tools
        self.used: list[tuple[str, str]] = []
        """Name and key, in order."""

    @property
    def empty(self) -> bool:
        return not self._fakes

    async def use(self, ask: Ask, key: str) -> str:
        if ask.name not in self._fakes:
            return await super().use(ask, key)
        self.used.append((ask.name, key))
        seconds, result = self._fakes[ask.name]
        await trio.sleep(seconds)
        if result.startswith("!"):
            raise Failure(result[1:])
        return str(result)


class Performance:
    """One call of `agent` with this line, ear, mind, voice and these tools. `metronome`: one that runs already, for
    several calls at once.
    """

    def __init__(
        self,
        agent: Agent,
        wire: FakeWire,
        line: FakeLine,
        ear: Ear,
        mind: Mind,
        voice: Voice,
        tools: Toolbox,
        *,
        metronome: Metronome | None,
        **media: Any,
    ) -> None:
        self.agent, self.wire, self.line = agent, wire, line
        self.ear, self.mind, self.voice, self.tools = ear, mind, voice, tools
        self.metronome = metronome or Metronome()
        self._shared = metronome is not None
        self.records: list[Record] = []
        self.call = Call("call-1", agent, carrier=wire.carrier)
        self.call.trace.sinks.append(self.records.append)
        listener = ListenerActor(
            ear,
            wire.format,
            self.call,
            Endpoint(agent.endpointing.least, agent.endpointing.most),
            transcript=agent.limits.transcript,
            stable=agent.early.stable if agent.early.enabled else None,
        )
        self.media = MediaActor(wire, line, self.call, listener.feed, gate=Gate(wire.format), **media)
        self.history = History()
        hands = Hands(tools, self.call, self.call.id)
        thinker = ThinkerActor(mind, self.history, self.call, hands, regret=agent.lines.regret)
        self.call.attach(self.media, listener, thinker, SpeakerActor(voice, self.media, self.call))

    async def perform(self, direct: Callable[[], Awaitable[None]]) -> None:
        """Run the call, and meanwhile `direct`."""
        async with trio.open_nursery() as nursery:
            if not self._shared:
                await nursery.start(self.metronome.run)
            self.metronome.join(self.line)
            self.metronome.join(self.call)
            nursery.start_soon(direct)
            try:
                await self.call.run()
            finally:
                self.metronome.leave(self.line)
                self.metronome.leave(self.call)
                nursery.cancel_scope.cancel()

    def all(self, kind: type[E]) -> list[E]:
        return [record.event for record in self.records if isinstance(record.event, kind)]

    def at(self, kind: type[TraceEvent]) -> list[float]:
        """When events of this kind happened."""
        return [record.at for record in self.records if isinstance(record.event, kind)]


class Stage(Performance):
    """One call with everything around it faked: what the ear hears, and what the mind says."""

    def __init__(
        self,
        *,
        ear: Iterable[str] = (),
        mind: Iterable[str] = (),
        agent: dict[str, Any] | None = None,
        wire: FakeWire | None = None,
        voice: FakeVoice | None = None,
        prepared: Callable[[str], bytes | None] = lambda _: None,
        bounds: Bounds = Bounds(),
        metronome: Metronome | None = None,
        early: bool = False,
        ahead: bool = False,
        tools: dict[str, Any] | None = None,
        onward: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self.wire = wire or FakeWire(TELEPHONE)
        self.heard = bytearray()
        """What the caller's ear had, from the call's start."""
        self.ordered: list[str] = []
        """The numbers that somebody was asked to connect the caller with."""
        super().__init__(
            Agent.model_validate({"name": "test", **(agent or {})}),
            self.wire,
            self._far_end(),
            FakeEar(list(ear)),
            FakeMind(list(mind), ahead=ahead),
            voice or FakeVoice(),
            FakeTools(tools or {}),
            metronome=metronome,
            prepared=prepared,
            bounds=bounds,
            early=early,
            onward=onward or self._connect,
        )

    def _far_end(self) -> FakeLine:
        return FakeLine(self.wire.format, ear=lambda _, audio: self.heard.extend(audio))

    async def _connect(self, number: str) -> None:
        await trio.sleep(0.1)
        self.ordered.append(number)

    def rejoin(self, wire: FakeWire | None = None) -> bool:
        """The carrier comes back on another socket."""
        line = self._far_end()
        if not self.media.rejoin(wire or self.wire, line):
            return False
        self.metronome.leave(self.line)
        self.line = line
        self.metronome.join(line)
        return True

    async def play(self, *cues: tuple[float, Callable[[Stage], object]], until: float = 60.0) -> list[Record]:
        """Run the call. Each cue is (seconds from the start, what happens then); at `until` the caller hangs up."""
        await self.perform(partial(self._direct, cues, until))
        return self.records

    async def _direct(self, cues: tuple[tuple[float, Callable[[Stage], object]], ...], until: float) -> None:
        start = trio.current_time()
        for at, act in sorted(cues, key=lambda cue: cue[0]):
            # Half a beat before the one it is for, so that the order of tasks cannot matter.
            await trio.sleep_until(start + at - 0.01)
            act(self)
        await trio.sleep_until(start + until - 0.01)
        self.line.tell("stop caller hung up")


def says(seconds: float) -> Callable[[Stage], object]:
    """The caller speaks for this long: what the ear makes of it stands in the ear's script."""
    return lambda stage: stage.line.say(speech(seconds))


def tells(message: str) -> Callable[[Stage], object]:
    return lambda stage: stage.line.tell(message)
